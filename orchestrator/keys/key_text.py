"""A key's text: made once, told from junk without any lookup, and digested with the service's secret."""

from __future__ import annotations

import hmac
import re
import secrets

from orchestrator.secret import derived_key

PREFIX = "ak_"
RANDOM_BYTES = 32
ENDING_CHARACTERS = 4  # shown in lists
_SHAPE = re.compile(r"ak_[A-Za-z0-9_-]{43}", re.ASCII)


def new_text() -> str:
    """`ak_` and 43 characters of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def is_key_text(text: str) -> bool:
    """Whether it could be a key's text; costs the same for a megabyte of anything else."""
    return _SHAPE.fullmatch(text) is not None


class Digester:
    """Texts to what is stored of them: HMAC-SHA256 under a key of its own, which follows from the service's secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = derived_key(secret, "api-keys")

    def digest(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()
