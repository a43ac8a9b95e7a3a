"""What a search term is known by, wherever words are kept as numbers."""

from __future__ import annotations

from hashlib import blake2b


def term_digest(term: str) -> int:
    """64 bits. Two of 400,000 terms share one with a probability of 4e-9; they would count as one term."""
    return int.from_bytes(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
