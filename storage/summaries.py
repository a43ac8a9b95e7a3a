"""Events of the log folded into a flat row a decision and sums by hour and day; no store and no I/O.

Sums are whole numbers (nano-dollars, microseconds, billionths of quality): they come out the same in whatever
slices the log is folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple, cast, get_args

from storage.canonical import Plain, moment_of, parsed
from storage.errors import LogCorrupt
from storage.money import MICRO, from_nano
from storage.records import Judge, OutcomeStatus, TokenUsage
from storage.summary_records import CLOSE_MARGIN, DecisionSummary, SummaryStatus

Row = dict[str, Any]  # columns' names to values

FOLDED_KINDS = ("decision", "outcome", "reward")
STATUSES = get_args(OutcomeStatus)
FAILED = ("failed", "refused", "cancelled")
NANO = 10**9
HOURS_A_DAY = 24
SECONDS_AN_HOUR = 3600
LONGEST_KEY = 100  # characters of a text that rows are found by; indices cannot hold any length
KEPT_OF_LONG_KEY = 60
REPLACEMENT = "\ufffd"  # of NUL, which a database's text cannot hold

# Sums are kept by what of a decision they are of, beside its tenant, so that few rows are read; by hour and by day.
SHAPES: tuple[tuple[str, ...], ...] = (
    (),
    ("candidate_id",),
    ("policy",),
    ("task",),
    ("candidate_id", "policy", "task"),
)
EVERYTHING = SHAPES[-1]

SUMS = (
    "decisions",
    "succeeded",
    "failed",
    "unanswered",
    "close_calls",
    "judged",
    "quality_nano",
    "cost_nano",
    "latency_microseconds",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
)
TOKENS = SUMS[-4:]  # in the order of TokenUsage
USAGE = ("input", "cache_read", "cache_write", "output")


class Cell(NamedTuple):
    """What a sum is of. An empty candidate: nobody was allowed; what is not of the shape is empty too."""

    grain: int
    hour: int  # since 1970; of a day its first one
    tenant: str
    candidate_id: str
    policy: str
    task: str


@dataclass(slots=True)
class Sums:
    """Counts in the order of SUMS, and where in the log the first and last decision of the cell stand."""

    counts: list[int]
    first_position: int = 0  # 0: no decision is added
    last_position: int = 0

    def add(self, counts: Sequence[int], position: int = 0) -> None:
        self.counts = [have + more for have, more in zip(self.counts, counts, strict=True)]
        self.first_position = self.first_position or position
        self.last_position = max(self.last_position, position)

    def include(self, other: Sums) -> None:
        """Adds what is of later decisions, or was told later."""
        self.add(other.counts, other.first_position)
        self.last_position = max(self.last_position, other.last_position)


class LogLine(NamedTuple):
    """What folding needs of an event."""

    position: int
    kind: str
    decision_id: str
    canonical: str


@dataclass(kw_only=True, slots=True)
class Folded:
    """What a stretch of the log adds: rows by decision, and what is to be added to the sums."""

    new: dict[str, Row] = field(default_factory=dict)
    changed: dict[str, Row] = field(default_factory=dict)
    cells: dict[Cell, Sums] = field(default_factory=dict)


def needed_decisions(lines: Iterable[LogLine]) -> list[str]:
    """Ids of earlier decisions that these events tell of: their rows are `known` to `folded`."""
    made = {line.decision_id for line in lines if line.kind == "decision"}
    return sorted({line.decision_id for line in lines} - made)


def folded(lines: Iterable[LogLine], known: Mapping[str, Row]) -> Folded:
    """Events in log order over the rows of earlier decisions, which stay as they are.

    Raises LogCorrupt, naming the place, for an event that is none, or of a decision that is not in the log.
    """
    result = Folded()
    for line in lines:
        try:
            plain = parsed(line.canonical)
            if line.kind == "decision":
                result.new[line.decision_id] = _row(line, plain)
            else:
                _tell(_row_of(line, known, result), line.kind, plain)
        except (KeyError, TypeError, ValueError, ArithmeticError, LogCorrupt) as exc:
            raise LogCorrupt(f"Event {line.position} of the log is no {line.kind} that adds up: {exc!s}.") from exc
    finest: dict[Cell, Sums] = {}
    for row in result.new.values():
        _count(finest, row, _counts(row), row["position"])
    for decision_id, row in result.changed.items():
        gained = [now - then for now, then in zip(_counts(row), _counts(known[decision_id]), strict=True)]
        _count(finest, row, gained, 0)
    for cell, sums in finest.items():
        for each in _coarser(cell):
            _sums_of(result.cells, each).include(sums)
    return result


def key_text(text: str) -> str:
    """The text as rows are found by it: one that is too long ends in its digest."""
    if not text.isprintable():
        text = text.replace("\x00", REPLACEMENT)
    if len(text) <= LONGEST_KEY:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:KEPT_OF_LONG_KEY]}…{digest[:32]}"


@lru_cache(maxsize=2048)
def _hour_at(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}:00:00+00:00").timestamp()) // SECONDS_AN_HOUR


def hour_of(at: str) -> int:
    """Hours since 1970 of a time that `iso` wrote."""
    return _hour_at(at[:13])


def grain_of(shape: Iterable[str], *, is_day: bool) -> int:
    """The number of the least shape that tells all of these apart, by hour or by day."""
    needed = set(shape)
    place = next(place for place, each in enumerate(SHAPES) if needed <= set(each))
    return place + len(SHAPES) * is_day


def summary_from(row: Mapping[Any, Any]) -> DecisionSummary:
    """The summary in this row of the table."""
    return DecisionSummary(
        position=row["position"],
        decision_id=row["decision_id"],
        run_id=row["run_id"],
        step=row["step"],
        attempt=row["attempt"],
        plan=row["plan"],
        tenant=row["tenant"],
        principal=row["principal"],
        account_id=row["account_id"],
        task=row["task"],
        candidate_id=row["candidate_id"],
        policy=row["policy"],
        policy_version=row["policy_version"],
        propensity=row["propensity"],
        margin=row["margin"],
        allowed=row["allowed"],
        masked=row["masked"],
        reserved_usd=from_nano(row["reserved_nano"]),
        decided_at=moment_of(row["decided_at"]),
        status=cast("SummaryStatus", row["status"]),
        cost_usd=from_nano(row["cost_nano"]),
        latency_seconds=row["latency_seconds"],
        usage=TokenUsage(**{name: row[column] for name, column in zip(USAGE, TOKENS, strict=True)}),
        quality=row["quality"],
        judged_by=row["judged_by"],
        reward=row["reward"],
        error_code=row["error_code"],
    )


def _row_of(line: LogLine, known: Mapping[str, Row], result: Folded) -> Row:
    """The row of the decision that the event tells of, to be changed."""
    row = result.new.get(line.decision_id) or result.changed.get(line.decision_id)
    if row is None:
        if line.decision_id not in known:
            raise ValueError(f"decision {line.decision_id!r} is not in the log before it")
        row = result.changed[line.decision_id] = dict(known[line.decision_id])
    return row


def _row(line: LogLine, plain: Plain) -> Row:
    hour_of(plain["decided_at"])  # raises for what is no time
    margin = _margin(plain)
    masked = sum(each["mask_reason"] is not None for each in plain["assessments"])
    candidate_id = plain["candidate_id"]
    return {
        "position": line.position,
        "decision_id": _text(plain["id"]),
        "run_id": _text(plain["run_id"]),
        **{name: key_text(_text(plain[name])) for name in ("step", "tenant", "principal", "account_id", "task")},
        "plan": key_text(_text(plain.get("plan", "single"))),  # older ones do not tell
        "attempt": int(plain["attempt"]),
        "candidate_id": None if candidate_id is None else key_text(_text(candidate_id)),
        "policy": key_text(_text(plain["policy"])),
        "policy_version": key_text(_text(plain["policy_version"])),
        "propensity": float(plain["propensity"]),
        "margin": margin,
        "is_close": int(margin is not None and abs(margin) < CLOSE_MARGIN),
        "allowed": len(plain["assessments"]) - masked,
        "masked": masked,
        "reserved_nano": _nano(plain["budget_reserved_usd"]),
        "decided_at": plain["decided_at"],
        "status": "running",
        "cost_nano": 0,
        "latency_seconds": 0.0,
        **dict.fromkeys(TOKENS, 0),
        "quality": None,
        "is_judged": 0,
        "judged_by": None,
        "reward": None,
        "error_code": None,
    }


def _margin(plain: Plain) -> float | None:
    """By how much the chosen one's score beats the best of the others that were allowed."""
    chosen: float | None = None
    best: float | None = None
    for each in plain["assessments"]:
        if each["candidate_id"] == plain["candidate_id"]:
            chosen = float(each["score"])
        elif each["mask_reason"] is None:
            score = float(each["score"])
            best = score if best is None else max(best, score)
    return None if chosen is None or best is None else chosen - best


def _tell(row: Row, kind: str, plain: Plain) -> None:
    """What an outcome or a reward changes of its decision's row."""
    if kind == "reward":
        row["reward"] = float(plain["value"])
        return
    status = plain["status"]
    if status not in STATUSES:
        raise ValueError(f"{status!r} is no status")
    if status != "judged":
        row["status"] = status
        row["error_code"] = None if plain["error_code"] is None else key_text(_text(plain["error_code"]))
    row["cost_nano"] += _nano(plain["cost_usd"])
    row["latency_seconds"] += float(plain["latency_seconds"])
    usage = plain["usage"]
    for name, column in zip(USAGE, TOKENS, strict=True):
        row[column] += int(usage[name])
    if plain["quality"] is not None:
        row["quality"], row["is_judged"] = float(plain["quality"]), 1
        row["judged_by"] = cast("Judge | None", plain["judged_by"])


def _counts(row: Row) -> list[int]:
    """What the decision adds to its sums, in the order of SUMS."""
    quality, status = row["quality"], row["status"]
    return [
        1,
        int(status == "succeeded"),
        int(status in FAILED),
        int(row["candidate_id"] is None),
        row["is_close"],
        row["is_judged"],
        0 if quality is None else round(quality * NANO),
        row["cost_nano"],
        round(row["latency_seconds"] * MICRO),
        *(row[column] for column in TOKENS),
    ]


def _count(cells: dict[Cell, Sums], row: Row, counts: Sequence[int], position: int) -> None:
    """Adds to the finest cell of the row."""
    names = (row["tenant"], row["candidate_id"] or "", row["policy"], row["task"])
    _sums_of(cells, Cell(len(SHAPES) - 1, hour_of(row["decided_at"]), *names)).add(counts, position)


def _coarser(finest: Cell) -> list[Cell]:
    """All cells that this one is a part of, itself included."""
    day = finest.hour - finest.hour % HOURS_A_DAY
    tenant, candidate_id, policy, task = finest[2:]
    names = (("", "", ""), (candidate_id, "", ""), ("", policy, ""), ("", "", task), (candidate_id, policy, task))
    return [
        Cell(grain + len(SHAPES) * is_day, day if is_day else finest.hour, tenant, *each)
        for is_day in (False, True)
        for grain, each in enumerate(names)
    ]


def _sums_of(cells: dict[Cell, Sums], cell: Cell) -> Sums:
    sums = cells.get(cell)
    if sums is None:
        sums = cells[cell] = Sums([0] * len(SUMS))
    return sums


def _nano(amount_usd: object) -> int:
    return int(Decimal(_text(amount_usd)).scaleb(9))


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r} is no text")
    return value
