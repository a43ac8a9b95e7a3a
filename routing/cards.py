"""What is known of a candidate before it is asked, as `candidates.json` of the data contract says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.errors import InvalidInput

KNOWN = (
    "id", "name", "description", "price_input_usd_per_mtok", "price_output_usd_per_mtok", "context_window", "family",
    "size_b", "released",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CandidateCard:
    """A candidate as offline training knows it. Prices are USD for a million tokens; None: unknown."""

    id: str
    name: str = ""
    description: str = ""
    price_input_usd_per_mtok: float | None = None
    price_output_usd_per_mtok: float | None = None
    context_window: int | None = None  # tokens
    family: str = ""
    size_b: float | None = None  # billions of parameters
    released: str = ""  # ISO date, or its year and month
    extra: Mapping[str, object] = field(default_factory=dict)  # whatever else the file says; JSON values

    @classmethod
    def from_json(cls, value: object) -> CandidateCard:
        """Raises InvalidInput, which names the field and what would be right."""
        if not isinstance(value, Mapping):
            raise InvalidInput(f"A candidate is an object with an `id`, not {value!r:.80}.", field="candidate")
        return cls(
            id=_text(value, "id", needed=True),
            name=_text(value, "name"),
            description=_text(value, "description"),
            price_input_usd_per_mtok=_number(value, "price_input_usd_per_mtok"),
            price_output_usd_per_mtok=_number(value, "price_output_usd_per_mtok"),
            context_window=None if (window := _number(value, "context_window")) is None else int(window),
            family=_text(value, "family"),
            size_b=_number(value, "size_b"),
            released=_text(value, "released"),
            extra={str(key): item for key, item in value.items() if key not in KNOWN},
        )

    def to_json(self) -> dict[str, object]:
        """What `from_json` reads; unknown fields are left out."""
        known = {name: getattr(self, name) for name in KNOWN if getattr(self, name) not in (None, "")}
        return {**known, **self.extra}

    @property
    def text(self) -> str:
        """What an encoder reads of the card."""
        return " ".join(part for part in (self.name or self.id, self.family, self.description) if part)


def _text(value: Mapping[str, object], name: str, *, needed: bool = False) -> str:
    found = value.get(name)
    if found is None and not needed:
        return ""
    if not isinstance(found, str) or (needed and not found.strip()):
        raise InvalidInput(f"`{name}` is {found!r:.80}; it must be a text.", field=name)
    return found


def _number(value: Mapping[str, object], name: str) -> float | None:
    found = value.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < float("inf"):
        raise InvalidInput(f"`{name}` is {found!r:.80}; it must be a number, 0 or more.", field=name)
    return float(found)
