"""Takes pages of rows to a file, and writes down what the file holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from orchestrator.exports.files import HashedFile, whole_file
from orchestrator.exports.json_lines import JsonLines
from orchestrator.exports.otlp import otlp_pages
from orchestrator.exports.records import Checkpoint, ExportWish, Format, Manifest, OnDone, Pages, Sheet, What
from orchestrator.exports.rows import decision_pages, event_pages, span_pages, summary_pages
from orchestrator.views import plain
from storage.errors import InvalidInput
from storage.records import utc_now
from storage.stores import Stores

MANIFEST = ".manifest.json"
NOT_TOLD = frozenset({"before_position", "after_position", "limit"})  # of a filter

SOURCES: dict[tuple[What, Format], Callable[[Stores, ExportWish], Pages]] = {
    ("decisions", "jsonl"): decision_pages,
    ("decisions", "parquet"): summary_pages,
    ("events", "jsonl"): event_pages,
    ("events", "parquet"): event_pages,
    ("spans", "jsonl"): span_pages,
    ("spans", "parquet"): span_pages,
    ("spans", "otlp-json"): otlp_pages,
}
WITH_TEXTS = {("decisions", "jsonl"), ("decisions", "parquet"), ("spans", "otlp-json")}


def check(what: What, format: Format, *, with_texts: bool) -> None:
    """Raises InvalidInput for what does not go together."""
    if (what, format) not in SOURCES:
        raise InvalidInput(
            f"{format} holds spans, not {what}.", field="what", hint="Add --what spans, or choose jsonl or parquet."
        )
    if with_texts and (what, format) not in WITH_TEXTS:
        raise InvalidInput(
            f"An export of {what} as {format} holds no texts.",
            field="with_texts",
            hint="Texts go with --what decisions, or with --format otlp-json.",
        )


async def export_to(stores: Stores, wish: ExportWish, path: Path, *, on_done: OnDone) -> Manifest:
    """The file, whole or not at all, and its manifest beside it. Raises InvalidInput where it cannot be written."""
    with whole_file(path) as file:
        manifest = await _write(stores, wish, file, name=path.name, on_done=on_done)
    with whole_file(path.with_name(f"{path.name}{MANIFEST}")) as file:
        file.write(orjson.dumps(plain(manifest), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return manifest


async def export_into(stores: Stores, wish: ExportWish, file: BinaryIO, *, on_done: OnDone) -> Manifest:
    """Straight into an open file: a pipe that somebody reads."""
    return await _write(stores, wish, file, name="-", on_done=on_done)


async def _write(stores: Stores, wish: ExportWish, file: BinaryIO, *, name: str, on_done: OnDone) -> Manifest:
    check(wish.what, wish.format, with_texts=wish.with_texts)
    hashed, seen = HashedFile(file), _Seen()
    sheet = _sheet(cast("BinaryIO", hashed), wish)
    try:
        async for page in SOURCES[wish.what, wish.format](stores, wish):
            sheet.add(page.rows)
            seen.add(len(page.rows), page.first_position, page.last_position)
            on_done(page.position, wish.until_position)
        sheet.close()
    except BaseException:
        hashed.cut_off()
        raise
    return Manifest(
        file=name,
        what=wish.what,
        format=wish.format,
        sha256=hashed.sha256,
        bytes=hashed.bytes_written,
        count=seen.rows,
        first_position=seen.first_position,
        last_position=seen.last_position,
        until_position=wish.until_position,
        with_texts=wish.with_texts,
        filters=_told_filters(wish),
        checkpoint=await _covering(stores, wish.until_position),
        made_at=utc_now(),
    )


def _sheet(file: BinaryIO, wish: ExportWish) -> Sheet:
    if wish.format != "parquet":
        return JsonLines(file)
    from orchestrator.exports.parquet import ParquetSheet

    return ParquetSheet(file, wish)


@dataclass
class _Seen:
    rows: int = 0
    first_position: int = 0
    last_position: int = 0

    def add(self, rows: int, first: int, last: int) -> None:
        self.rows += rows
        self.first_position = self.first_position or first
        self.last_position = max(self.last_position, last)


def _told_filters(wish: ExportWish) -> dict[str, Any]:
    values = {each.name: getattr(wish.wanted, each.name) for each in fields(wish.wanted) if each.name not in NOT_TOLD}
    return {name: plain(value) for name, value in values.items() if value is not None}


async def _covering(stores: Stores, position: int) -> Checkpoint | None:
    found = await stores.checkpoints.covering(position)
    if found is None:
        return None
    return Checkpoint(number=found.number, tree_size=found.tree_size, root_hash=found.root_hash)
