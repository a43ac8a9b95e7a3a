"""The console's login: a key, sealed into a cookie that is good for some hours, and only at the console."""

from __future__ import annotations

import base64
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from orchestrator.secret import derived_key

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

COOKIE = "antroute_console"
SESSION_SECONDS = 12 * 3600
LONGEST_COOKIE = 4096  # bytes of the header that are looked at
PURPOSE = "console session"


class Sessions:
    """Seals keys with the service's secret (Fernet: AES-128-CBC, HMAC-SHA-256), so that a stolen cookie is no key.

    A key that is revoked ends its sessions: what is unsealed goes to the door as any key does.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sealed(self, key: str) -> str:
        return self._box().encrypt(key.encode()).decode()

    def key_in(self, cookies: bytes) -> str | None:
        """The key in a request's Cookie header; None where there is none, or one that is old or not ours."""
        if len(cookies) > LONGEST_COOKIE:
            return None
        try:
            morsel = SimpleCookie(cookies.decode("latin-1")).get(COOKIE)
        except CookieError:
            return None
        return None if morsel is None else self._unsealed(morsel.value)

    def _unsealed(self, text: str) -> str | None:
        from cryptography.fernet import InvalidToken

        try:
            return self._box().decrypt(text, ttl=SESSION_SECONDS).decode()
        except InvalidToken:
            return None

    def _box(self) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(base64.urlsafe_b64encode(derived_key(self._secret, PURPOSE)))
