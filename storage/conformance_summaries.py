"""What every store of summaries owes: rows and sums made from the log; part of the suite in storage.conformance."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from storage.conformance_records import a_decision, a_reward, an_outcome
from storage.errors import InvalidInput, RecordNotFound
from storage.records import Assessment, Decision, Outcome, Payload, TokenUsage, usd
from storage.stores import Stores
from storage.summary_records import DecisionSummary, SummaryFilter, Totals, TotalsFilter

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG = 60.0  # seconds: until everything is made


async def decided(stores: Stores, **changes: Any) -> Decision:
    """A decision at noon, in the log, whose text is nowhere."""
    payload = Payload.of("a question")
    given = {"payload_id": "", "payload_digest": "", "decided_at": NOON, **changes}
    decision = replace(a_decision(payload), **given)
    await stores.journal.write(decision)
    return decision


async def answered(stores: Stores, decision: Decision, **changes: Any) -> Outcome:
    outcome = replace(an_outcome(decision), **changes)
    await stores.journal.write(outcome)
    return outcome


async def found(stores: Stores, **wanted: Any) -> list[str]:
    """Ids of the decisions that fit, once everything is made."""
    await stores.summaries.catch_up(seconds=LONG)
    return [each.decision_id for each in await stores.summaries.find(SummaryFilter(**wanted))]


async def sums(stores: Stores, **wanted: Any) -> dict[str, int]:
    """Key to number of decisions, once everything is made."""
    await stores.summaries.catch_up(seconds=LONG)
    return {each.key: each.decisions for each in await stores.summaries.totals(TotalsFilter(**wanted))}


def scored(*scores: float, masked: int = 0) -> tuple[Assessment, ...]:
    """Assessments with these scores; the last `masked` ones are not allowed."""
    allowed = len(scores) - masked
    return tuple(
        Assessment(
            candidate_id=f"candidate_{index}",
            probability=0.5,
            score=score,
            mask_reason=None if index < allowed else "too dear",
        )
        for index, score in enumerate(scores)
    )


class SummaryRowConformance:
    """A row says what the log says of its decision, as of the last catching up."""

    async def test_a_row_holds_what_was_decided_and_what_became_of_it(self, stores: Stores) -> None:
        decision = await decided(stores, assessments=scored(0.9, 0.5, 0.7, 2.0, masked=1), plan="cascade")
        outcome = an_outcome(decision)
        await stores.journal.write(outcome, a_reward(decision, outcome, 0.75))
        progress = await stores.summaries.catch_up(seconds=LONG)
        assert (progress.behind, progress.since) == (0, None)
        row = await stores.summaries.get(decision.id)
        assert row == DecisionSummary(
            position=2,
            decision_id=decision.id,
            run_id=decision.run_id,
            step="answer",
            attempt=1,
            plan="cascade",
            tenant="default",
            principal="local",
            account_id="default",
            task="arithmetic",
            candidate_id="candidate_0",
            policy="linucb",
            policy_version="1",
            propensity=0.125,
            margin=0.9 - 0.7,
            allowed=3,
            masked=1,
            reserved_usd=usd("0.000123"),
            decided_at=NOON,
            status="succeeded",
            cost_usd=usd("0.000033"),
            latency_seconds=0.25,
            usage=TokenUsage(input=31, cache_read=5, output=2),
            quality=1.0,
            judged_by="environment",
            reward=0.75,
        )
        assert await stores.summaries.find(SummaryFilter()) == [row]

    async def test_nothing_is_made_before_somebody_looks(self, stores: Stores) -> None:
        decision = await decided(stores)
        assert await stores.summaries.find(SummaryFilter()) == []
        assert await stores.summaries.totals(TotalsFilter()) == []
        with pytest.raises(RecordNotFound, match=decision.id):
            await stores.summaries.get(decision.id)
        assert await found(stores) == [decision.id]

    async def test_an_empty_log_is_caught_up_with_at_once(self, stores: Stores) -> None:
        progress = await stores.summaries.catch_up(seconds=0)
        assert (progress.position, progress.last_position, progress.since) == (0, 0, None)

    async def test_what_comes_later_changes_the_row_and_the_sums_of_its_hour(self, stores: Stores) -> None:
        decision = await decided(stores)
        await stores.summaries.catch_up(seconds=LONG)
        assert (await stores.summaries.get(decision.id)).status == "running"
        changes = {"quality": None, "judged_by": None, "error_code": "model_unavailable"}
        await answered(stores, decision, status="failed", **changes)
        await stores.summaries.catch_up(seconds=LONG)
        row = await stores.summaries.get(decision.id)
        assert (row.status, row.error_code, row.quality) == ("failed", "model_unavailable", None)
        verdict = {"quality": 0.5, "judged_by": "user", "usage": TokenUsage(), "cost_usd": Decimal(0)}
        judged = await answered(stores, decision, status="judged", latency_seconds=0.0, **verdict)
        await stores.journal.write(a_reward(decision, judged, 0.25))
        await stores.summaries.catch_up(seconds=LONG)
        row = await stores.summaries.get(decision.id)
        assert (row.status, row.error_code, row.quality, row.judged_by) == ("failed", "model_unavailable", 0.5, "user")
        assert (row.reward, row.cost_usd, row.usage.input) == (0.25, usd("0.000033"), 31)
        assert await stores.summaries.totals(TotalsFilter(by="time")) == [
            Totals(
                key="2026-03-01T12:00:00.000000Z",
                decisions=1,
                failed=1,
                judged=1,
                quality_sum=0.5,
                cost_usd=usd("0.000033"),
                latency_seconds=0.25,
                usage=TokenUsage(input=31, cache_read=5, output=2),
            )
        ]

    async def test_a_margin_is_to_the_best_of_the_others_that_were_allowed(self, stores: Stores) -> None:
        rows = {
            "explored": ("candidate_1", scored(0.9, 0.5), -0.4),
            "alone": ("candidate_0", scored(0.9, 0.5, masked=1), None),
            "nobody": (None, scored(0.9, 0.5, masked=2), None),
            "close": ("candidate_0", scored(0.5, 0.46875), 0.03125),
        }
        for task, (candidate_id, assessments, margin) in rows.items():
            decision = await decided(stores, task=task, candidate_id=candidate_id, assessments=assessments)
            await stores.summaries.catch_up(seconds=LONG)
            row = await stores.summaries.get(decision.id)
            assert (row.margin, row.is_close) == (margin, task == "close"), task

    async def test_texts_that_no_index_can_hold_are_found_all_the_same(self, stores: Stores) -> None:
        long = "漢" * 5000
        for task in (long + "1", long + "2", "nul \x00", "nul \x00 and more"):
            decision = await decided(stores, task=task)
            assert await found(stores, task=task) == [decision.id]
        assert len(await sums(stores, by="task")) == 4

    async def test_rows_can_be_thrown_away_and_made_anew(self, stores: Stores) -> None:
        for number in range(3):
            decision = await decided(stores, decided_at=NOON + number * 24 * HOUR)
            await answered(stores, decision)
        await stores.summaries.catch_up(seconds=LONG)
        before = await stores.summaries.find(SummaryFilter()), await stores.summaries.totals(TotalsFilter(by="time"))
        await stores.summaries.rebuild()
        assert await stores.summaries.find(SummaryFilter()) == []
        assert await stores.summaries.totals(TotalsFilter()) == []
        progress = await stores.summaries.catch_up(seconds=LONG)
        assert progress.behind == 0
        after = await stores.summaries.find(SummaryFilter()), await stores.summaries.totals(TotalsFilter(by="time"))
        assert after == before

    async def test_many_who_catch_up_at_once_count_nothing_twice(self, stores: Stores) -> None:
        for _ in range(30):
            await answered(stores, await decided(stores))
        await asyncio.gather(*(stores.summaries.catch_up(seconds=LONG) for _ in range(5)))
        assert len(await found(stores, limit=100)) == 30
        [all_of_them] = await stores.summaries.totals(TotalsFilter())
        assert (all_of_them.decisions, all_of_them.succeeded, all_of_them.judged) == (30, 30, 30)
        assert all_of_them.cost_usd == 30 * usd("0.000033")


class SummaryFindingConformance:
    """Every filter picks what it names, newest first, also with others."""

    async def test_filters_pick_what_they_name(self, stores: Stores) -> None:
        ours = await decided(stores, tenant="ours", assessments=scored(0.9, 0.1))
        cheap = await decided(stores, candidate_id="candidate_1", policy="uniform", assessments=scored(0.5, 0.5))
        await answered(stores, ours, quality=None, judged_by=None, cost_usd=usd("0.5"))
        await answered(stores, cheap, status="failed")
        last = await decided(stores, task="facts", plan="vote", decided_at=NOON + HOUR, assessments=scored(0.9, 0.1))
        expected: dict[SummaryFilter, list[Decision]] = {
            SummaryFilter(): [last, cheap, ours],
            SummaryFilter(tenant="ours"): [ours],
            SummaryFilter(run_id=cheap.run_id): [cheap],
            SummaryFilter(candidate_id="candidate_1"): [cheap],
            SummaryFilter(policy="uniform"): [cheap],
            SummaryFilter(task="facts"): [last],
            SummaryFilter(plan="vote"): [last],
            SummaryFilter(status="succeeded"): [ours],
            SummaryFilter(status="failed"): [cheap],
            SummaryFilter(status="running"): [last],
            SummaryFilter(since=NOON + timedelta(minutes=1)): [last],
            SummaryFilter(since=NOON, until=NOON + HOUR): [cheap, ours],
            SummaryFilter(until=NOON): [],
            SummaryFilter(cost_over_usd=usd("0.000033")): [ours],
            SummaryFilter(cost_over_usd=Decimal(-1)): [last, cheap, ours],
            SummaryFilter(cost_over_usd=Decimal("1e30")): [],
            SummaryFilter(margin_under=0.05): [cheap],
            SummaryFilter(margin_under=0.9): [last, cheap, ours],
            SummaryFilter(is_judged=True): [cheap],
            SummaryFilter(is_judged=False): [last, ours],
            SummaryFilter(before_position=3): [ours],
            SummaryFilter(after_position=3): [last],
            SummaryFilter(limit=1): [last],
            SummaryFilter(limit=0): [],
            SummaryFilter(tenant="ours", candidate_id="candidate_0", since=NOON, status="succeeded"): [ours],
            SummaryFilter(tenant="ours", candidate_id="candidate_1"): [],
            SummaryFilter(tenant="default", task="facts", margin_under=0.05): [],
            SummaryFilter(tenant="other", since=NOON): [],
            SummaryFilter(cost_over_usd=Decimal(0), status="failed", is_judged=True): [cheap],
        }
        for wanted, decisions in expected.items():
            await stores.summaries.catch_up(seconds=LONG)
            rows = await stores.summaries.find(wanted)
            assert [each.decision_id for each in rows] == [each.id for each in decisions], wanted

    async def test_pages_hold_every_decision_once_newest_first(self, stores: Stores) -> None:
        written = [(await decided(stores)).id for _ in range(7)]
        await stores.summaries.catch_up(seconds=LONG)
        seen: list[DecisionSummary] = []
        before = None
        while page := await stores.summaries.find(SummaryFilter(before_position=before, limit=3)):
            seen += page
            before = page[-1].position
            await decided(stores)  # a newer one must not shift the pages
            await stores.summaries.catch_up(seconds=LONG)
        assert [each.decision_id for each in seen] == written[::-1]

    async def test_beyond_the_first_and_the_last_place_there_is_nothing(self, stores: Stores) -> None:
        await decided(stores)
        await stores.summaries.catch_up(seconds=LONG)
        for wanted in (SummaryFilter(after_position=2**63 - 1), SummaryFilter(before_position=0)):
            assert await stores.summaries.find(wanted) == []

    async def test_decisions_of_other_times_than_the_logs_order_are_found(self, stores: Stores) -> None:
        late, early = await decided(stores, decided_at=NOON + 50 * HOUR), await decided(stores, decided_at=NOON)
        assert await found(stores, since=NOON + HOUR) == [late.id]
        assert await found(stores, until=NOON + HOUR) == [early.id]
        assert await found(stores, since=NOON + HOUR, task="arithmetic", tenant="default") == [late.id]

    async def test_what_cannot_be_compared_is_refused(self, stores: Stores) -> None:
        for wanted in (
            SummaryFilter(since=NOON.replace(tzinfo=None)),
            SummaryFilter(until=NOON.replace(tzinfo=None)),
            SummaryFilter(cost_over_usd=Decimal("NaN")),
        ):
            with pytest.raises(InvalidInput):
                await stores.summaries.find(wanted)
        for sums_of in (TotalsFilter(slot_hours=0), TotalsFilter(until=NOON.replace(tzinfo=None))):
            with pytest.raises(InvalidInput):
                await stores.summaries.totals(sums_of)


class TotalsConformance:
    """Sums over groups are those of the rows."""

    async def test_sums_go_by_candidate_policy_task_and_slot(self, stores: Stores) -> None:
        for hour, (candidate_id, policy, task) in enumerate(
            [("candidate_1", "linucb", "a"), ("candidate_0", "uniform", "b"), (None, "linucb", "a")]
        ):
            await decided(stores, candidate_id=candidate_id, policy=policy, task=task, decided_at=NOON + hour * HOUR)
        assert await sums(stores, by="candidate") == {"": 1, "candidate_0": 1, "candidate_1": 1}
        assert await sums(stores, by="policy") == {"linucb": 2, "uniform": 1}
        assert await sums(stores, by="task") == {"a": 2, "b": 1}
        day = "2026-03-01T{:02}:00:00.000000Z"
        assert await sums(stores, by="time") == {day.format(hour): 1 for hour in (12, 13, 14)}
        assert await sums(stores, by="time", slot_hours=2) == {day.format(12): 2, day.format(14): 1}
        assert await sums(stores, by="time", slot_hours=24) == {day.format(0): 3}
        assert await sums(stores, by="time", policy="linucb") == {day.format(hour): 1 for hour in (12, 14)}
        assert await sums(stores, by="task", candidate_id="candidate_0") == {"b": 1}
        assert await sums(stores, by="task", tenant="other") == {}
        [nobody, *_] = await stores.summaries.totals(TotalsFilter(by="candidate"))
        assert (nobody.decisions, nobody.unanswered, nobody.quality) == (1, 1, None)

    async def test_times_are_rounded_out_to_full_hours_whatever_lies_between(self, stores: Stores) -> None:
        hours = [*range(0, 80, 7), 23, 24, 25, 47, 48]
        start = NOON - 12 * HOUR
        for hour in hours:
            await decided(stores, decided_at=start + hour * HOUR + timedelta(minutes=59))
        for first, end in [(0, 80), (1, 79), (24, 48), (23, 49), (22, 24), (30, 31), (25, 72), (24, 25)]:
            between = {"since": start + first * HOUR + timedelta(minutes=59), "until": start + end * HOUR}
            inside = sum(first <= hour < end for hour in hours)
            for by in ("candidate", "policy", "task", "time"):
                assert sum((await sums(stores, by=by, **between)).values()) == inside, (first, end, by)
            one_more = {"since": between["since"], "until": between["until"] + timedelta(microseconds=1)}
            inside += sum(hour == end for hour in hours)
            assert sum((await sums(stores, by="task", **one_more)).values()) == inside
        assert sum((await sums(stores, since=start + 24 * HOUR)).values()) == sum(hour >= 24 for hour in hours)
        assert sum((await sums(stores, until=start + 25 * HOUR)).values()) == sum(hour < 25 for hour in hours)


class SummaryConformance(SummaryRowConformance, SummaryFindingConformance, TotalsConformance):
    """The whole of it."""
