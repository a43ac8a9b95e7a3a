"""The files that list what there is: candidates.json and queries.jsonl, read with every problem told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import orjson

from routing.cards import CandidateCard
from routing.dataset import Split
from routing.training.problems import Findings
from routing.training.sources import contents, utf8
from routing.training.splits import stable_split
from storage.errors import InvalidInput

SPLITS: tuple[Split, ...] = get_args(Split)
QUERY_FIELDS = ("query_id", "text", "task", "split")
LIKELY_SPLITS = {"validation": "dev", "valid": "dev", "val": "dev", "development": "dev", "training": "train"}


@dataclass(kw_only=True)
class QueryRows:
    """The lines whose `query_id` could be read; other fields that could not are "" or None, and told."""

    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    tasks: list[str | None] = field(default_factory=list)
    splits: list[Split | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def read_cards(path: Path, findings: Findings) -> list[CandidateCard] | None:
    """None, and told: the file as a whole cannot be used."""
    raw = contents(path, findings)
    if raw is None:
        return None
    text, file = utf8(raw, path.name, findings), path.name
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        findings.error(file, exc.lineno, "", f"not JSON: {exc.msg} (column {exc.colno}).")
        return None
    if not isinstance(value, list) or not value:
        findings.error(file, None, "", 'must be a list of at least one candidate: [{"id": "…"}, …].')
        return None
    lines = _lines_of_items(text)
    id_to_card: dict[str, CandidateCard] = {}
    for line, item in zip(lines, value, strict=True):
        try:
            card = CandidateCard.from_json(item)
        except InvalidInput as exc:
            findings.error(file, line, exc.field, str(exc))
            continue
        if card.id in id_to_card:
            findings.error(file, line, "id", f"{card.id!r} is there already; each candidate has an id of its own.")
        id_to_card[card.id] = card
    if len(value) == 1:
        findings.warning(file, None, "", "only one candidate: there is nothing to choose; add another.")
    return list(id_to_card.values())


def cards_of(path: Path) -> list[CandidateCard]:
    """The cards of one `candidates.json`. Raises InvalidInput, which tells what is wrong with it."""
    findings = Findings()
    cards = read_cards(path, findings)
    findings.refuse_errors(str(path))
    return cards or []


def read_queries(path: Path, findings: Findings) -> QueryRows | None:
    """None, and told: the file as a whole cannot be used. A missing split is None, and nothing is said of it here."""
    raw = contents(path, findings)
    if raw is None:
        return None
    rows, extra = QueryRows(), dict[str, int]()
    for number, line in enumerate(utf8(raw, path.name, findings).split("\n"), start=1):
        if line.strip():
            value = _object(line, path.name, number, findings)
            if value is not None:
                _add_query(rows, value, path.name, number, findings)
                extra |= {name: number for name in value if name not in QUERY_FIELDS and name not in extra}
    for name, number in extra.items():
        findings.warning(path.name, number, name, "this field is not read.")
    if not rows.ids:
        findings.error(path.name, None, "", 'no query could be read; a line is {"query_id": …, "text": …, "split": …}.')
        return None
    if len(rows.ids) == 1:
        findings.warning(path.name, None, "", "only one query: nothing can be learned from it; add more.")
    _tell_twice(rows, path.name, findings)
    return rows


def settle_splits(rows: QueryRows, file: str, findings: Findings, *, dev_share: float | None, seed: int = 0) -> None:
    """Fills in missing splits (`dev_share` given) or tells them (None); tells empty splits and texts in two of them."""
    missing = [place for place, split in enumerate(rows.splits) if split is None]
    if dev_share is not None:
        for place in missing:
            rows.splits[place] = stable_split(rows.texts[place], dev_share=dev_share, seed=seed)
    elif len(missing) == len(rows.splits):
        message = (
            'no query has a split; add "split": "train" (or dev, or test) to each line,'
            " or have one made: antroute data import DIR --out NEW_DIR"
        )
        findings.error(file, None, "split", message)
        return
    else:
        findings.errors_at(file, rows.lines, "split", missing, lambda _: "is missing here, though other lines have it.")
    _tell_leaks(rows, file, findings)


def _object(line: str, file: str, number: int, findings: Findings) -> dict[str, object] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        findings.error(file, number, "", f"not JSON: {exc.msg} (column {exc.colno} of {len(line)}).")
        return None
    if not isinstance(value, dict):
        findings.error(file, number, "", f"{line!r:.60} is not an object with `query_id`, `text` and `split`.")
        return None
    return value


def _add_query(rows: QueryRows, value: dict[str, object], file: str, number: int, findings: Findings) -> None:
    id, text, task, split = (value.get(name) for name in QUERY_FIELDS)
    if not isinstance(text, str):
        findings.error(file, number, "text", f"{text!r:.60} is not a text." if "text" in value else "is missing.")
    elif not text.strip():
        findings.warning(file, number, "text", f"{text!r:.20} says nothing; such a query is routed blindly.")
    if task is not None and not isinstance(task, str):
        findings.error(file, number, "task", f"{task!r:.60} is not a text; leave it out where it is unknown.")
    if split is not None and split not in SPLITS:
        likely = LIKELY_SPLITS.get(str(split).strip().lower(), str(split).strip().lower())
        meant = f"; is {likely} meant?" if likely in SPLITS else "."
        findings.error(file, number, "split", f"{split!r:.60} is not one of {', '.join(SPLITS)}{meant}")
    if not isinstance(id, str) or not id:
        message = f"{id!r:.60} must be a text that is not empty." if "query_id" in value else "is missing."
        findings.error(file, number, "query_id", message)
        return
    rows.ids.append(id)
    rows.texts.append(text if isinstance(text, str) else "")
    rows.tasks.append(task if isinstance(task, str) and task else None)
    rows.splits.append(split if split in SPLITS else None if split is None else "train")
    rows.lines.append(number)


def _tell_twice(rows: QueryRows, file: str, findings: Findings) -> None:
    id_to_line: dict[str, int] = {}
    for id, line in zip(rows.ids, rows.lines, strict=True):
        first = id_to_line.setdefault(id, line)
        if first != line:
            findings.error(file, line, "query_id", f"{id!r:.60} stands in line {first} already; ids are unique.")


def _tell_leaks(rows: QueryRows, file: str, findings: Findings) -> None:
    text_to_place: dict[str, int] = {}
    leaks = []
    for place, text in enumerate(rows.texts):
        first = text_to_place.setdefault(text.strip(), place)
        if text.strip() and rows.splits[first] != rows.splits[place]:
            leaks.append((place, first))
    if leaks:
        place, first = leaks[0]
        message = (
            f"{len(leaks)} texts stand in two splits (this one also in line {rows.lines[first]}, as"
            f" {rows.splits[first]}), so that dev results flatter; put equal texts into one split."
        )
        findings.warning(file, rows.lines[place], "split", message)


def _lines_of_items(text: str) -> Sequence[int]:
    """In which line each item of a JSON list begins; the text is known to be one."""
    decoder = json.JSONDecoder()
    lines: list[int] = []
    place = text.index("[") + 1
    while True:
        while text[place] in " \t\r\n,":
            place += 1
        if text[place] == "]":
            return lines
        lines.append(text.count("\n", 0, place) + 1)
        place = decoder.raw_decode(text, place)[1]
