"""Exports hold what is stored: the same in every form, in the log's order, and known by their digests."""

from __future__ import annotations

import asyncio
import gc
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import orchestrator.exports.parquet as parquet_module
import orchestrator.exports.rows as rows_module
from orchestrator.exports.exporting import MANIFEST, export_into, export_to
from orchestrator.exports.records import ExportWish, Manifest
from orchestrator.service import Service
from orchestrator.telemetry.conventions import trace_id_of
from orchestrator.views import attempt_view
from storage.errors import InvalidInput, ServiceError, StorageUnavailable
from storage.records import utc_now
from storage.stores import Stores
from storage.summary_records import SummaryFilter
from tests.conftest import MakeService, fails

QUESTION = "What is the capital of France?"
ANY = SummaryFilter()


@dataclass
class Exporter:
    """Exports of one store, into memory."""

    stores: Stores
    done: list[tuple[int, int]] = field(default_factory=list)

    async def wish(self, what: Any, format: Any, wanted: SummaryFilter = ANY, **more: Any) -> ExportWish:
        until = await self.stores.audit.last_position()
        return ExportWish(what=what, format=format, wanted=wanted, until_position=until, **more)

    async def bytes(self, what: Any, format: Any, wanted: SummaryFilter = ANY, **more: Any) -> tuple[bytes, Manifest]:
        file = io.BytesIO()
        wish = await self.wish(what, format, wanted, **more)
        manifest = await export_into(self.stores, wish, file, on_done=lambda done, of: self.done.append((done, of)))
        return file.getvalue(), manifest

    async def lines(self, what: Any, wanted: SummaryFilter = ANY, **more: Any) -> list[dict[str, Any]]:
        content, manifest = await self.bytes(what, more.pop("format", "jsonl"), wanted, **more)
        found = [json.loads(line) for line in content.splitlines()]
        assert manifest.count == len(found)
        return found

    async def table(self, what: Any, wanted: SummaryFilter = ANY, **more: Any) -> pyarrow.Table:
        content, _ = await self.bytes(what, "parquet", wanted, **more)
        return pyarrow.parquet.read_table(io.BytesIO(content))


@pytest.fixture
async def service(make_service: MakeService, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """Some runs, of which some failed and one was judged late; pages are so small that runs lie across them."""
    monkeypatch.setattr(rows_module, "WINDOW", 5)
    service = await make_service(small=fails, max_attempts=1)
    runs = [await service.run(QUESTION, candidate="large") for _ in range(4)]
    for _ in range(3):
        with pytest.raises(ServiceError):
            await service.run("Fail.", candidate="small")
    runs += [await service.run(QUESTION, candidate="large", policy="linucb") for _ in range(2)]
    await service.feedback(runs[0].decision_id, quality=0.9)
    await service.stores.summaries.catch_up(seconds=10)
    yield service


@pytest.fixture
def exporter(service: Service) -> Exporter:
    return Exporter(service.stores)


async def test_decisions_are_whole_and_oldest_first(service: Service, exporter: Exporter) -> None:
    rows = await exporter.lines("decisions")
    found = await service.stores.summaries.find(ANY)
    assert [row["position"] for row in rows] == [each.position for each in found][::-1]
    for row in rows:
        position = row.pop("position")
        assert row == json.loads(json.dumps(attempt_view(await service.attempt(row["id"]))))
        assert position > 0
    assert exporter.done[-1] == (await service.stores.audit.last_position(),) * 2


async def test_every_event_is_as_the_log_has_it(service: Service, exporter: Exporter) -> None:
    events = await service.stores.audit.events()
    rows = await exporter.lines("events")
    assert [row["canonical"] for row in rows] == [event.canonical for event in events]
    assert [row["chain_hash"] for row in rows] == [event.chain_hash for event in events]
    table = await exporter.table("events")
    assert table["leaf_hash"].to_pylist() == [event.leaf_hash for event in events]
    assert str(table.schema.field("at").type) == "timestamp[us, tz=UTC]"


@pytest.mark.parametrize(
    "wanted",
    [
        SummaryFilter(candidate_id="large"),
        SummaryFilter(status="failed"),
        SummaryFilter(policy="linucb", candidate_id="large"),
        SummaryFilter(is_judged=True),
        SummaryFilter(cost_over_usd=Decimal("0.00001")),
        SummaryFilter(candidate_id="nobody"),
    ],
)
async def test_a_filter_keeps_the_same_decisions_in_every_form(
    service: Service, exporter: Exporter, wanted: SummaryFilter
) -> None:
    found = (await service.stores.summaries.find(wanted))[::-1]
    ids, runs = [each.decision_id for each in found], [each.run_id for each in found]
    assert [row["id"] for row in await exporter.lines("decisions", wanted)] == ids
    assert (await exporter.table("decisions", wanted))["decision_id"].to_pylist() == ids
    events = await exporter.lines("events", wanted)
    assert [row["subject_id"] for row in events if row["kind"] == "decision"] == ids
    assert [row["position"] for row in events] == [
        event.position for event in await service.stores.audit.events() if event.decision_id in ids
    ]
    spans = await exporter.lines("spans", wanted)
    assert list(dict.fromkeys(row["run_id"] for row in spans)) == runs
    traces = await exporter.lines("spans", wanted, format="otlp-json")
    assert [trace_ids(each) for each in traces] == [{f"{trace_id_of(run):032x}"} for run in runs]


def trace_ids(row: dict[str, Any]) -> set[str]:
    return {span["traceId"] for span in row["resourceSpans"][0]["scopeSpans"][0]["spans"]}


async def test_a_time_leaves_out_what_was_before_or_after(service: Service, exporter: Exporter) -> None:
    moment = utc_now()
    run = await service.run(QUESTION, candidate="large")
    await service.stores.summaries.catch_up(seconds=10)
    assert [row["id"] for row in await exporter.lines("decisions", SummaryFilter(since=moment))] == [run.decision_id]
    late = await exporter.lines("events", SummaryFilter(since=moment))
    early = await exporter.lines("events", SummaryFilter(until=moment))
    assert {row["run_id"] for row in late} == {run.run_id}
    assert [*early, *late] == await exporter.lines("events")
    assert await exporter.lines("events", SummaryFilter(since=moment + timedelta(hours=1))) == []


async def test_parquet_has_types_and_row_groups(
    service: Service, exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_module, "ROWS_A_GROUP", 4)
    content, _ = await exporter.bytes("decisions", "parquet")
    file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
    found = (await service.stores.summaries.find(ANY))[::-1]
    assert [file.metadata.row_group(place).num_rows for place in range(file.num_row_groups)] == [4, 4, 1]
    types = {each.name: str(each.type) for each in file.schema_arrow}
    assert types["cost_usd"] == "decimal128(38, 9)"
    assert types["decided_at"] == "timestamp[us, tz=UTC]"
    assert (types["propensity"], types["attempt"]) == ("double", "int64")
    table = file.read()
    assert table["cost_usd"].to_pylist() == [each.cost_usd for each in found]
    assert table["decided_at"].to_pylist() == [each.decided_at for each in found]
    assert table["output_tokens"].to_pylist() == [each.usage.output for each in found]
    spans = await exporter.table("spans")
    assert dict(spans["attributes"].to_pylist()[0])["router.decision.id"] == found[0].decision_id


async def test_a_table_that_breaks_off_in_a_pipe_is_not_read_as_a_whole_one(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_module, "ROWS_A_GROUP", 2)
    file, wish = io.BytesIO(), await exporter.wish("decisions", "parquet")

    def stopped(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await export_into(exporter.stores, wish, file, on_done=stopped)
    gc.collect()  # the library ends what it has begun when it is thrown away
    assert file.getvalue().startswith(b"PAR1")
    with pytest.raises(pyarrow.ArrowInvalid, match="magic bytes"):
        pyarrow.parquet.read_table(io.BytesIO(file.getvalue()))


async def test_texts_are_left_out_unless_asked_for(service: Service, exporter: Exporter) -> None:
    for what, format in (("decisions", "jsonl"), ("decisions", "parquet"), ("spans", "jsonl"), ("spans", "otlp-json")):
        content, manifest = await exporter.bytes(what, format)
        assert b"capital of France" not in content
        assert not manifest.with_texts
    rows = await exporter.lines("decisions", with_texts=True)
    assert [(row["query"], row["answer"]) for row in rows][:5] == [(QUESTION, "Paris")] * 4 + [("Fail.", None)]
    table = await exporter.table("decisions", with_texts=True)
    assert table["query"].to_pylist() == [row["query"] for row in rows]
    first = await service.stores.decisions.get(rows[0]["id"])
    await service.stores.payloads.erase(first.payload_id)
    assert (await exporter.lines("decisions", with_texts=True))[0]["query"] is None
    traces = json.dumps(await exporter.lines("spans", format="otlp-json", with_texts=True))
    assert "capital of France" in traces


async def test_spans_for_collectors_have_their_conventions(service: Service, exporter: Exporter) -> None:
    [*_, row] = await exporter.lines(
        "spans", format="otlp-json", candidates=service.nodes.candidates, model_to_provider={"large": "scripted"}
    )
    spans = row["resourceSpans"][0]["scopeSpans"][0]["spans"]
    attributes = {span["name"]: {a["key"]: a["value"] for a in span["attributes"]} for span in spans}
    assert attributes["router.decide"]["router.selected"] == {"stringValue": "large"}
    assert attributes["invoke_agent single_turn"]["gen_ai.usage.output_tokens"].keys() == {"intValue"}
    assert attributes["chat large"]["gen_ai.provider.name"] == {"stringValue": "scripted"}
    by_id = {span["spanId"]: span for span in spans}
    roots = [span for span in spans if "parentSpanId" not in span]
    assert [span["name"] for span in roots] == ["invoke_workflow single"]
    assert all(span["parentSpanId"] in by_id for span in spans if span not in roots)
    assert all(int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) for span in spans)


async def test_spans_of_a_failure_say_so(exporter: Exporter) -> None:
    [row, *_] = await exporter.lines("spans", SummaryFilter(status="failed"), format="otlp-json")
    spans = row["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert {"code": 2, "message": "model_unavailable"} in [span["status"] for span in spans]


async def test_the_manifest_names_digest_count_and_places(exporter: Exporter, tmp_path: Path) -> None:
    out = tmp_path / "decisions.parquet"
    wish = await exporter.wish("decisions", "parquet", SummaryFilter(status="failed"))
    manifest = await export_to(exporter.stores, wish, out, on_done=nobody_looks)
    told = json.loads((tmp_path / f"decisions.parquet{MANIFEST}").read_text())
    assert told["sha256"] == manifest.sha256 == sha256(out.read_bytes()).hexdigest()
    assert told["bytes"] == out.stat().st_size
    found = await exporter.stores.summaries.find(SummaryFilter(status="failed"))
    assert (told["count"], told["first_position"], told["last_position"]) == (
        len(found),
        found[-1].position,
        found[0].position,
    )  # fmt: skip
    assert told["until_position"] == await exporter.stores.audit.last_position()
    assert (told["filters"], told["checkpoint"]) == ({"status": "failed"}, None)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_what_breaks_off_leaves_the_file_of_before(
    exporter: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("before")

    def breaks(done: int, of: int) -> None:
        raise StorageUnavailable("The database went away.")

    with pytest.raises(StorageUnavailable):
        await export_to(exporter.stores, await exporter.wish("decisions", "jsonl"), out, on_done=breaks)
    assert names_in(tmp_path) == ["out.jsonl"]
    assert out.read_text() == "before"
    with pytest.raises(InvalidInput, match="cannot be written"):
        wish = await exporter.wish("decisions", "jsonl")
        await export_to(exporter.stores, wish, tmp_path / "no" / "out", on_done=nobody_looks)


async def test_what_came_after_the_beginning_is_left_out(service: Service, exporter: Exporter) -> None:
    wish = await exporter.wish("events", "jsonl")
    await asyncio.gather(*(service.run(QUESTION, candidate="large") for _ in range(3)))
    file = io.BytesIO()
    manifest = await export_into(service.stores, wish, file, on_done=nobody_looks)
    assert manifest.last_position == manifest.count == wish.until_position


async def test_an_empty_log_makes_an_empty_file(make_service: MakeService) -> None:
    exporter = Exporter((await make_service()).stores)
    assert await exporter.lines("decisions") == []
    assert (await exporter.table("decisions")).num_rows == 0
    wish = replace(await exporter.wish("decisions", "jsonl"), until_position=0)
    manifest = await export_into(exporter.stores, wish, io.BytesIO(), on_done=nobody_looks)
    assert (manifest.count, manifest.first_position, manifest.last_position) == (0, 0, 0)


def nobody_looks(done: int, of: int) -> None:
    """An export whose progress nobody wants to know."""
