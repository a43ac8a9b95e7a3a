"""The made-up log is whole, the same for the same seed, and has of everything that lists and charts show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.decision_log import DAYS, Traffic, fill
from storage.registry import open_stores
from storage.summary_records import DecisionSummary, SummaryFilter, TotalsFilter

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
COUNT = 800


async def made(seed: int, *, with_texts: bool = False) -> list[DecisionSummary]:
    stores = await open_stores("memory:")
    traffic = Traffic(seed=seed, until=UNTIL, with_texts=with_texts)
    await fill(stores, traffic.items(COUNT))
    await stores.summaries.catch_up(seconds=60)
    [whole] = await stores.summaries.totals(TotalsFilter(by="time", slot_hours=24 * 10_000_000))
    assert whole.decisions == COUNT
    rows = await stores.summaries.find(SummaryFilter(limit=10 * COUNT))
    if with_texts:
        decision = await stores.decisions.get(rows[-1].decision_id)
        assert (await stores.payloads.get(decision.payload_id)).text
        assert await stores.traces.spans_of(decision.run_id)
    await stores.close()
    return rows


async def test_a_seed_gives_one_log() -> None:
    one = await made(7)
    assert one == await made(7)
    assert one != await made(8)


async def test_a_log_has_of_everything() -> None:
    rows = await made(7, with_texts=True)
    assert {row.status for row in rows} == {"succeeded", "failed", "refused", "cancelled", "running"}
    assert {row.judged_by for row in rows} >= {None, "user", "verifier", "judge", "environment"}
    for many in ("tenant", "candidate_id", "policy", "task", "plan", "attempt"):
        assert len({getattr(row, many) for row in rows}) > 1, many
    assert any(row.masked for row in rows) and any(row.is_close for row in rows)
    assert any(row.margin is not None and row.margin < 0 for row in rows)
    assert rows[0].decided_at > UNTIL - timedelta(hours=6)
    assert rows[-1].decided_at < UNTIL - timedelta(days=DAYS - 1)
