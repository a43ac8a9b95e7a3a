"""What an export shall hold, and what it says of itself afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from storage.records import Candidate
from storage.summary_records import SummaryFilter

What = Literal["decisions", "events", "spans"]
Format = Literal["jsonl", "parquet", "otlp-json"]
WHATS: tuple[What, ...] = ("decisions", "events", "spans")
FORMATS: tuple[Format, ...] = ("jsonl", "parquet", "otlp-json")
Row = Mapping[str, Any]
OnDone = Callable[[int, int], None]  # places of the log that are done, of how many


@dataclass(frozen=True, kw_only=True)
class ExportWish:
    """`until_position`: where the log ended when the export began; what came later is not in it."""

    what: What
    format: Format
    wanted: SummaryFilter  # its limit and cursors are not looked at
    until_position: int
    with_texts: bool = False  # questions and answers are personal data
    candidates: Mapping[str, Candidate] = field(default_factory=dict)  # by id, for OpenTelemetry's names
    model_to_provider: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some rows, and the last place of the log that was looked at for them."""

    rows: Sequence[Row]
    position: int  # up to here all is done
    first_position: int = 0  # of what the rows tell of; 0: there are none
    last_position: int = 0


Pages = AsyncIterator[Page]


class Sheet(Protocol):
    """Rows on their way into a file."""

    def add(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None:
        """Writes what waits."""
        ...


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The first signed root of the log that covers all of the export."""

    number: int
    tree_size: int
    root_hash: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What lies beside the file. Events of the log count 1, 2, 3, …: a checkpoint of `tree_size` n covers 1 to n."""

    file: str  # its name
    what: What
    format: Format
    sha256: str
    bytes: int
    count: int  # rows
    first_position: int  # of what is in it; 0: it is empty
    last_position: int
    until_position: int  # the log ended here
    with_texts: bool
    filters: Mapping[str, Any]
    checkpoint: Checkpoint | None  # None: nobody has signed so far yet
    made_at: datetime
