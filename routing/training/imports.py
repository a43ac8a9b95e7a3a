"""Training data from tables of one's own (CSV, Parquet, JSONL), long or wide, whatever their columns are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import cast

import orjson

from routing.cards import CandidateCard
from routing.dataset import MEASURES, Split
from routing.training.assembly import DEFAULT_SPLIT_RULE, Imported, LeftOut, Measurement, SplitRule, assemble
from routing.training.checks import Expectations, check
from routing.training.listings import LIKELY_SPLITS, SPLITS, read_cards
from routing.training.outcomes import LARGEST
from routing.training.problems import Findings
from routing.training.sources import Table, contents, numbers, read_csv, utf8
from routing.training.tables import read_parquet
from storage.errors import InvalidInput

TEXT_FIELDS = ("query_id", "text", "task", "split", "candidate")
FIELDS = (*TEXT_FIELDS, *MEASURES)
SLOT = "{candidate}"
TRUTHS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """A table, and what its columns are called where not as in the data contract.

    A column name with `{candidate}` in it makes the table a wide one: a row for each query, and for each candidate
    the columns that fit. For example {"quality": "{candidate}", "cost_usd": "{candidate}|total_cost"}.
    """

    path: Path
    field_to_column: Mapping[str, str] = field(default_factory=dict)
    candidates: Path | None = None  # a candidates.json; None: nothing but the ids is known
    rule: SplitRule = DEFAULT_SPLIT_RULE


def import_data(source: TableSource) -> Imported:
    """Raises InvalidInput where nothing can be made of it; single rows that cannot be taken are counted."""
    if source.path.is_dir():
        return _folder(source)
    cards, left_out, findings = _cards(source.candidates), LeftOut(), Findings()
    table = _table(source.path, findings)
    if table is None:
        raise InvalidInput("\n".join(map(str, findings.shown())), field="source")
    for problem in findings.shown():
        left_out.add(problem.message, f"{problem.file}:{problem.line}")
    if more := findings.error_count - len(findings.shown()):
        left_out.add("rows that cannot be read, like those", "further down", count=more)
    named = _named(table, source.field_to_column)
    if any(SLOT in column for column in named.values()):
        measurements = _wide(table, named, cards, left_out)
    else:
        measurements = _long(table, named, left_out)
    return assemble(measurements, cards=cards, rule=source.rule, left_out=left_out)


def parse_columns(given: Sequence[str]) -> dict[str, str]:
    """`["text=prompt"]` as {"text": "prompt"}. Raises InvalidInput."""
    field_to_column = {}
    for pair in given:
        name, mark, column = pair.partition("=")
        if not mark or name not in FIELDS or not column:
            raise InvalidInput(
                f"--column {pair!r} is not FIELD=COLUMN with a field of: {', '.join(FIELDS)}.",
                field="column",
                hint="For example --column text=prompt --column candidate=model",
            )
        field_to_column[name] = column
    return field_to_column


def _cards(path: Path | None) -> list[CandidateCard] | None:
    findings = Findings()
    cards = None if path is None else read_cards(path, findings)
    if findings.error_count:
        raise InvalidInput("\n".join(map(str, findings.shown())), field="candidates")
    return cards


def _folder(source: TableSource) -> Imported:
    """A folder in the contract's form that lacks splits."""
    rule = Expectations(needs_train=False, dev_share=source.rule.dev_share, seed=source.rule.seed)
    checked = check(source.path, rule)
    checked.findings.refuse_errors(str(source.path))
    if checked.data is None:
        raise InvalidInput(f"No data could be read from {str(source.path)!r}.", field="source")
    known = int((~(checked.data.quality != checked.data.quality)).sum())
    return Imported(data=checked.data, taken=known, merged=0, left_out=LeftOut())


def _table(path: Path, findings: Findings) -> Table | None:
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    if kind == "parquet":
        return read_parquet(path, findings)
    if kind == "csv":
        return read_csv(path, findings)
    if kind in ("jsonl", "ndjson"):
        return _json_lines(path, findings)
    raise InvalidInput(
        f"{str(path)!r} is no table that can be read; give .csv, .jsonl (each also .gz) or .parquet, or a data folder.",
        field="source",
    )


def _json_lines(path: Path, findings: Findings) -> Table | None:
    raw = contents(path, findings)
    if raw is None:
        return None
    rows: list[dict[str, object]] = []
    lines = []
    for number, line in enumerate(utf8(raw, path.name, findings).split("\n"), start=1):
        try:
            value = orjson.loads(line) if line.strip() else None
        except orjson.JSONDecodeError:
            value = line
        if isinstance(value, dict):
            rows.append(value)
            lines.append(number)
        elif value is not None:
            findings.error(path.name, number, "", "the line is not a JSON object")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(file=path.name, columns={name: [row.get(name) for row in rows] for name in names}, lines=lines)


def _named(table: Table, field_to_column: Mapping[str, str]) -> dict[str, str]:
    """Field to column, of those that are there. Raises InvalidInput where one that is needed is not."""
    named = {name: field_to_column.get(name, name) for name in FIELDS}
    is_wide = any(SLOT in column for column in field_to_column.values())
    needed = {"text", *(() if is_wide else ("candidate",)), "quality", *field_to_column}
    for name in sorted(needed, key=FIELDS.index):
        if SLOT not in named[name] and named[name] not in table.columns:
            raise InvalidInput(
                f"{table.file} has no column {named[name]!r}; it has: {', '.join(map(repr, table.columns))}.",
                field=name,
                hint=f"Say which column holds the {name}: --column {name}=NAME"
                + (
                    f"; where each candidate has a column of its own: --column {name}='{SLOT}'"
                    if name == "candidate"
                    else ""
                ),
            )
    return {name: column for name, column in named.items() if SLOT in column or column in table.columns}


def _long(table: Table, named: Mapping[str, str], left_out: LeftOut) -> Iterator[Measurement]:
    candidates = _texts(table.columns[named["candidate"]])
    columns = {name: named[name] for name in MEASURES if name in named}
    yield from _measurements(table, named, candidates, columns, left_out)


def _wide(
    table: Table, named: Mapping[str, str], cards: Sequence[CandidateCard] | None, left_out: LeftOut
) -> Iterator[Measurement]:
    patterns = {name: column for name, column in named.items() if SLOT in column}
    if "quality" not in patterns or not set(patterns) <= set(MEASURES):
        raise InvalidInput(f"`{SLOT}` belongs into the column name of quality, and of other measures.", field="column")
    candidate_to_columns = _candidate_columns(table, named, patterns)
    if cards is not None:
        ids = {card.id for card in cards}
        candidate_to_columns = {id: columns for id, columns in candidate_to_columns.items() if id in ids}
    if not candidate_to_columns:
        raise InvalidInput(f"No column of {table.file} fits {patterns['quality']!r}.", field="quality")
    for candidate, columns in candidate_to_columns.items():
        yield from _measurements(table, named, [candidate] * len(table.lines), columns, left_out)


def _candidate_columns(
    table: Table, named: Mapping[str, str], patterns: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Candidate to measure to column. A column goes to the longest pattern that it fits; others need a quality too."""
    found: dict[str, dict[str, str]] = {}
    taken = set(named.values())
    for name, pattern in sorted(patterns.items(), key=lambda item: -len(item[1])):
        head, _, tail = pattern.partition(SLOT)
        fits = re.compile(f"{re.escape(head)}(.+){re.escape(tail)}")
        for column in table.columns:
            match = fits.fullmatch(column)
            if match and column not in taken:
                taken.add(column)
                found.setdefault(match[1], {})[name] = column
    return {candidate: columns for candidate, columns in found.items() if "quality" in columns}


def _measurements(
    table: Table, named: Mapping[str, str], candidates: Sequence[str], columns: Mapping[str, str], left_out: LeftOut
) -> Iterator[Measurement]:
    """One for each row that is whole; the others are counted by what they lack."""
    values = {name: _numbers(table.columns[column]) for name, column in columns.items()}
    texts = {name: _texts(table.columns[named[name]]) for name in TEXT_FIELDS if name in named and name != "candidate"}
    nothing = [""] * len(table.lines)
    for row, line in enumerate(table.lines):
        measures = {name: column[row] for name, column in values.items()}
        split = texts.get("split", nothing)[row].strip().lower()
        reason = _refusal(texts["text"][row], candidates[row], LIKELY_SPLITS.get(split, split), measures)
        if reason:
            left_out.add(reason, f"{table.file}:{line}")
            continue
        yield Measurement(
            place=f"{table.file}:{line}",
            text=texts["text"][row],
            candidate=candidates[row],
            measures=measures,
            query_id=texts.get("query_id", nothing)[row] or None,
            task=texts.get("task", nothing)[row] or None,
            split=cast(Split, LIKELY_SPLITS.get(split, split)) if split else None,
        )


def _refusal(text: str, candidate: str, split: str, measures: Mapping[str, float]) -> str | None:
    """Why a row cannot be taken."""
    quality = measures["quality"]
    is_no_chance = not isnan(chance := measures.get("propensity", 1.0)) and not 0 < chance <= 1
    is_no_amount = any(not 0 <= value <= LARGEST for value in measures.values() if not isnan(value))
    reasons = {
        "no text": not text.strip(),
        "no candidate": not candidate.strip(),
        f"the split {split!r:.40} is not one of {', '.join(SPLITS)}": bool(split) and split not in SPLITS,
        "no quality, or one that is not a number": isnan(quality),
        "a quality outside 0 to 1 (divide by the best mark there is)": not 0 <= quality <= 1,
        f"an amount outside 0 to {LARGEST:g}, or a propensity not above 0 or beyond 1": is_no_amount or is_no_chance,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def _texts(cells: Sequence[object]) -> list[str]:
    return [cell if isinstance(cell, str) else "" if cell is None else str(cell) for cell in cells]


def _numbers(cells: Sequence[object]) -> list[float]:
    """NaN where there is none; true and false are 1 and 0."""
    plain = [TRUTHS.get(str(cell).lower(), cell) if isinstance(cell, str | bool) else cell for cell in cells]
    values: list[float] = numbers(plain).values.tolist()
    return values
