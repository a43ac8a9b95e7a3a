"""A stable split for queries that have none: the same text always falls on the same side."""

from __future__ import annotations

from hashlib import sha256

from routing.dataset import Split

DEV_SHARE = 0.2


def stable_split(text: str, *, dev_share: float = DEV_SHARE, seed: int = 0) -> Split:
    """By the hash of seed and text, so that more data later moves no query, and equal texts never part."""
    digest = sha256(f"{seed}\x00{text.strip()}".encode("utf-8", "surrogatepass")).digest()
    return "dev" if int.from_bytes(digest[:8]) < dev_share * 2**64 else "train"
