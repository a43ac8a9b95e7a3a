"""The service's secret: what digests of keys and secrets of webhooks are made with. It never enters the database."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import SettingsInvalid

if TYPE_CHECKING:
    from orchestrator.settings import Settings

SHORTEST_SECRET = 32  # characters
OWNER_ONLY = 0o600


def service_secret(settings: Settings) -> bytes:
    """`server.secret`, else the text of `server.secret_file`, which is made on first use and only its owner may read.

    All processes over one store need the same. Raises SettingsInvalid for a short secret, or a file that others may
    read or that cannot be used.
    """
    given = settings.server.secret
    if given is not None:
        return _checked(given.get_secret_value(), "server.secret")
    path = settings.server.secret_path
    try:
        return _checked(_kept(path), str(path))
    except OSError as exc:
        raise SettingsInvalid(
            f"The secret {str(path)!r} can be neither read nor made: {exc.strerror or exc}.",
            hint="Set ANTROUTE_SERVER__SECRET, or name a file of your own as `server.secret_file`.",
        ) from exc


def derived_key(secret: bytes, *purpose: str) -> bytes:
    """32 bytes for one purpose (its parts in order); neither the secret nor another key follows from them."""
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in purpose)
    return hmac.digest(secret, message, "sha256")


def _kept(path: Path) -> str:
    """The file's text; of two processes that make it at once, the first one's."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=OWNER_ONLY, exist_ok=False)
        try:
            draft.write_text(secrets.token_urlsafe(48))
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    if path.stat().st_mode & 0o007:
        raise SettingsInvalid(f"Everybody may read the secret {str(path)!r}.", hint=f"chmod 600 {path}")
    return path.read_text().strip()


def _checked(text: str, where: str) -> bytes:
    if len(text) < SHORTEST_SECRET:
        raise SettingsInvalid(
            f"{where!r} has {len(text)} characters; {SHORTEST_SECRET} random ones or more are needed.",
            hint='Make one: python -c "import secrets; print(secrets.token_urlsafe(48))"',
        )
    return text.encode()
