"""How an index is made and how it is searched: numbers with their defaults."""

from __future__ import annotations

from dataclasses import dataclass

from skills.index.tokens import VERSION
from storage.errors import InvalidInput


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """What an index is made with; another value is another index. Raises InvalidInput."""

    windows: int = 1  # of the body that have a vector, beside the head's; more of them find no more
    window_characters: int = 500
    body_characters: int = 6_000  # of the body whose words count
    name_weight: float = 1.0  # of one term in the name, against one in the body
    description_weight: float = 1.0
    body_weight: float = 1.0
    k1: float = 2.0  # BM25: how fast repetition stops to count
    b: float = 0.9  # BM25: how much long texts are discounted
    count_limit: int = 20  # of one term in one field; what is repeated more often counts no more
    terms_version: int = VERSION

    def __post_init__(self) -> None:
        bounds = {
            "windows": (0, 64),
            "window_characters": (50, 100_000),
            "body_characters": (0, 10_000_000),
            "name_weight": (0, 100),
            "description_weight": (0, 100),
            "body_weight": (0, 100),
            "k1": (0.01, 10),
            "b": (0, 1),
            "count_limit": (1, 65_535),
        }
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidInput(f"{name} is {value!r}; it must lie between {least} and {most}.", field=name)
        if self.terms_version != VERSION:
            raise InvalidInput(f"Terms are of version {self.terms_version!r}; {VERSION} would be right.", field="terms")

    @property
    def slots(self) -> int:
        """Vectors a skill has room for."""
        return 1 + self.windows


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How the first stage searches."""

    lexical_top: int = 200  # skills that words find, the query's and the learned ones together
    dense_top: int = 200  # skills that vectors find
    candidates: int = 100  # of both that a ranker sees
    dense_weight: float = 0.5  # of a standardised similarity of heads, against one of BM25
    learned_weight: float = 1.0  # of a standardised similarity of learned words
    stuffing_weight: float = 2.0  # what a text that is nothing but search terms loses, in standard deviations of BM25
    most_terms: int = 64  # different terms of a query, those that say most
    query_saturation: float = 2.0  # how fast repetition in the query stops to count
