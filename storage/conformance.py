"""The tests that every store must pass; a new one is done when these are green.

Subclass `StoresConformance` and give it a fixture `stores`, freshly opened and empty, that is closed afterwards.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storage.audit import verify
from storage.conformance_budgets import NOTHING as NOTHING
from storage.conformance_budgets import BudgetConformance
from storage.conformance_budgets import opened as opened
from storage.conformance_checkpoints import AuditCheckpointConformance
from storage.conformance_deliveries import DeliveryConformance
from storage.conformance_job_ends import JobConformance
from storage.conformance_keys import KeyConformance
from storage.conformance_records import a_decision as a_decision
from storage.conformance_records import a_payload as a_payload
from storage.conformance_records import a_reward as a_reward
from storage.conformance_records import a_selection as a_selection
from storage.conformance_records import an_outcome as an_outcome
from storage.conformance_skills import SkillConformance
from storage.conformance_summaries import SummaryConformance
from storage.conformance_trails import TrailConformance
from storage.conformance_versions import PolicyVersionConformance
from storage.errors import InvalidInput, RecordNotFound
from storage.records import (
    Decision,
    Span,
    utc_now,
)
from storage.stores import DecisionFilter, Stores

HARD_TEXT = 'π ‰ 漢字 🦊 \x00 \ud800 \\ " \n'


async def written_decision(stores: Stores, **changes: object) -> Decision:
    """A decision in the log with its payload."""
    payload = a_payload()
    decision = replace(a_decision(payload), **changes)  # type: ignore[arg-type]  # fields by name, checked by use
    await stores.journal.write(payload, decision)
    return decision


class RecordsConformance:
    """What is written is read back equal, and nothing else is taken."""

    async def test_records_are_read_back_equal(self, stores: Stores) -> None:
        question, answer = a_payload(HARD_TEXT), a_payload("51")
        decision = a_decision(question)
        outcome = an_outcome(decision, answer)
        reward = a_reward(decision, outcome)
        await stores.journal.write(question, answer, decision, outcome, reward)
        assert await stores.payloads.get(question.id) == question
        assert await stores.decisions.get(decision.id) == decision
        assert await stores.decisions.outcomes_of(decision.id) == [outcome]
        assert await stores.decisions.rewards_of(decision.id) == [reward]

    async def test_a_read_sees_every_acknowledged_write(self, stores: Stores) -> None:
        for _ in range(20):
            decision = await written_decision(stores)
            assert await stores.decisions.get(decision.id) == decision

    @pytest.mark.parametrize("late", ["outcome", "reward"])
    async def test_outcome_and_reward_of_unknown_decision_are_refused(self, stores: Stores, late: str) -> None:
        decision = a_decision(a_payload())
        outcome = an_outcome(decision)
        item = outcome if late == "outcome" else a_reward(decision, outcome)
        with pytest.raises(RecordNotFound, match=decision.id):
            await stores.journal.write(item)
        await stores.journal.flush()
        assert await stores.decisions.outcomes_of(decision.id) == []

    async def test_a_refused_write_leaves_nothing_and_spares_its_neighbours(self, stores: Stores) -> None:
        payload = a_payload()
        good, bad = a_decision(payload), a_payload("of the refused write")
        stray = an_outcome(a_decision(payload))
        results = await asyncio.gather(
            stores.journal.write(payload, good),
            stores.journal.write(bad, stray),
            stores.journal.write(a_payload()),
            return_exceptions=True,
        )
        assert [type(each) for each in results] == [type(None), RecordNotFound, type(None)]
        assert await stores.decisions.get(good.id) == good
        with pytest.raises(RecordNotFound, match=bad.id):
            await stores.payloads.get(bad.id)

    async def test_a_verdict_whose_id_is_taken_is_refused_to_its_caller_alone(self, stores: Stores) -> None:
        decision, other = await written_decision(stores), await written_decision(stores)
        first = replace(an_outcome(decision), status="judged")
        verdicts = (first, replace(first, quality=0.0))
        results = await asyncio.gather(*(stores.journal.write(each) for each in verdicts), return_exceptions=True)
        assert [type(each) for each in results] == [type(None), InvalidInput]
        innocent = an_outcome(other)
        await stores.journal.write(innocent)
        await stores.journal.flush()
        assert await stores.decisions.outcomes_of(other.id) == [innocent]
        assert await stores.decisions.outcomes_of(decision.id) == [first]

    async def test_a_record_that_quotes_an_unknown_payload_is_refused(self, stores: Stores) -> None:
        with pytest.raises(RecordNotFound, match="payload_"):
            await stores.journal.write(a_decision(a_payload()))

    async def test_a_wrong_digest_is_refused(self, stores: Stores) -> None:
        payload = a_payload()
        with pytest.raises(InvalidInput, match="payload_digest"):
            await stores.journal.write(payload, replace(a_decision(payload), payload_digest="00" * 32))

    async def test_a_decision_may_quote_no_payload(self, stores: Stores) -> None:
        decision = replace(a_decision(a_payload()), payload_id="", payload_digest="")
        await stores.journal.write(decision)
        assert await stores.decisions.get(decision.id) == decision
        assert (await verify(stores)).is_whole

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    async def test_a_number_that_json_lacks_is_refused(self, stores: Stores, value: float) -> None:
        payload = a_payload()
        with pytest.raises(InvalidInput, match="propensity"):
            await stores.journal.write(payload, replace(a_decision(payload), propensity=value))

    async def test_a_lone_surrogate_in_free_text_is_replaced_and_in_an_id_refused(self, stores: Stores) -> None:
        decision = await written_decision(stores, task="\ud83d half a fox")
        assert (await stores.decisions.get(decision.id)).task == "\ufffd half a fox"
        with pytest.raises(InvalidInput, match="tenant"):
            await written_decision(stores, tenant="\ud800")
        with pytest.raises(InvalidInput, match="run_id"):
            await written_decision(stores, run_id="nul \x00")

    async def test_the_same_item_again_changes_nothing(self, stores: Stores) -> None:
        payload = a_payload()
        decision = a_decision(payload)
        outcome = an_outcome(decision)
        span = a_span(decision.run_id, "route", utc_now())
        for _ in range(2):
            await stores.journal.write(payload, decision, outcome, span)
            await stores.journal.flush()
        assert await stores.decisions.outcomes_of(decision.id) == [outcome]
        assert await stores.traces.spans_of(decision.run_id) == [span]
        assert (await verify(stores)).events_checked == 3  # writer_opened, decision, outcome

    async def test_unknown_ids_are_not_found(self, stores: Stores) -> None:
        with pytest.raises(RecordNotFound, match="decision_none"):
            await stores.decisions.get("decision_none")
        with pytest.raises(RecordNotFound, match="payload_none"):
            await stores.payloads.get("payload_none")
        with pytest.raises(RecordNotFound, match="payload_none"):
            await stores.payloads.erase("payload_none")
        assert await stores.traces.spans_of("run_none") == []

    async def test_runs_are_read_whole_and_at_once(self, stores: Stores) -> None:
        kept = {}
        for _ in range(2):
            decision = await written_decision(stores)
            outcome = an_outcome(decision)
            reward = a_reward(decision, outcome)
            span = a_span(decision.run_id, "route", utc_now())
            await stores.journal.write(outcome, reward, span)
            kept[decision.run_id] = ([decision], [outcome], [reward], [span])
        await written_decision(stores)  # of a run that nobody asks for
        found = await stores.traces.runs([*kept, "run_none"])
        told = {id: (run.decisions, run.outcomes, run.rewards, run.spans) for id, run in found.items()}
        assert told == {**kept, "run_none": ([], [], [], [])}

    async def test_spans_come_by_start(self, stores: Stores) -> None:
        start = utc_now()
        spans = [a_span("run_a", name, start + timedelta(milliseconds=offset)) for name, offset in SPAN_STARTS]
        await stores.journal.write(*spans, a_span("run_b", "other", start))
        found = await stores.traces.spans_of("run_a")
        assert found == sorted(spans, key=lambda span: span.started_at)
        assert [span.name for span in found] == ["run", "route", HARD_TEXT.replace("\ud800", "\ufffd"), "record"]


SPAN_STARTS = (("record", 3), ("route", 1), (HARD_TEXT.replace("\ud800", "\ufffd"), 2), ("run", 0))


def a_span(run_id: str, name: str, started_at: datetime) -> Span:
    attributes = {"candidate": "candidate_0", "note": "a\x00b"}
    return Span(run_id=run_id, name=name, started_at=started_at, seconds=0.5, attributes=attributes)


class FindingConformance:
    """Filters, pages and what a policy learns again."""

    async def test_filters_pick_what_they_name(self, stores: Stores) -> None:
        noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
        ours = await written_decision(stores, tenant="ours", decided_at=noon)
        cheap = await written_decision(stores, candidate_id="cheap", policy="uniform", decided_at=noon)
        nobody = await written_decision(stores, candidate_id=None, decided_at=noon + timedelta(hours=1))
        expected = {
            DecisionFilter(tenant="ours"): [ours],
            DecisionFilter(candidate_id="cheap"): [cheap],
            DecisionFilter(policy="uniform"): [cheap],
            DecisionFilter(run_id=nobody.run_id): [nobody],
            DecisionFilter(since=noon + timedelta(minutes=1)): [nobody],
            DecisionFilter(tenant="ours", candidate_id="cheap"): [],
            DecisionFilter(): [nobody, cheap, ours],
            DecisionFilter(limit=0): [],
        }
        for wanted, decisions in expected.items():
            assert [each.decision for each in await stores.decisions.find(wanted)] == decisions, wanted

    async def test_pages_hold_every_decision_once_newest_first(self, stores: Stores) -> None:
        written = [await written_decision(stores) for _ in range(7)]
        seen: list[Decision] = []
        before = None
        while page := await stores.decisions.find(DecisionFilter(before_position=before, limit=3)):
            seen += [each.decision for each in page]
            before = page[-1].position
            await written_decision(stores)  # a newer one must not shift the pages
        assert seen == written[::-1]

    async def test_rewarded_gives_the_newest_with_their_latest_reward_oldest_first(self, stores: Stores) -> None:
        decisions = [await written_decision(stores) for _ in range(4)]
        for index, decision in enumerate(decisions[:3]):
            outcome = an_outcome(decision)
            await stores.journal.write(outcome, a_reward(decision, outcome, index / 10))
        again = an_outcome(decisions[0])
        await stores.journal.write(again, a_reward(decisions[0], again, 0.9))
        pairs = await stores.decisions.rewarded(limit=2)
        assert [(each.decision, each.reward.value) for each in pairs] == [(decisions[2], 0.2), (decisions[0], 0.9)]
        assert len(await stores.decisions.rewarded(limit=50)) == 3

    async def test_outcomes_gives_the_newest_of_all_decisions_oldest_first(self, stores: Stores) -> None:
        decisions = [await written_decision(stores) for _ in range(2)]
        plain, seen, told = (an_outcome(decision) for decision in (*decisions, decisions[0]))
        judged = replace(seen, verifier="tests", has_passed=False)
        await stores.journal.write(plain)
        await stores.journal.write(judged, told)
        assert await stores.decisions.outcomes(limit=2) == [judged, told]
        assert len(await stores.decisions.outcomes(limit=50)) == 3
        assert await stores.decisions.outcomes(limit=0) == []

    async def test_payload_ids_are_told_of_those_that_are_there(self, stores: Stores) -> None:
        first, second = [await written_decision(stores) for _ in range(2)]
        wanted = [second.id, "decision_0000000000000000", first.id]
        found = await stores.decisions.payload_ids(wanted)
        assert found == {first.id: first.payload_id, second.id: second.payload_id}
        assert await stores.decisions.payload_ids([]) == {}


class AuditConformance:
    """The log verifies, also after an erasure."""

    async def test_the_log_is_whole_and_dense(self, stores: Stores) -> None:
        for _ in range(3):
            decision = await written_decision(stores)
            outcome = an_outcome(decision)
            await stores.journal.write(outcome, a_reward(decision, outcome))
        progress: list[int] = []
        verification = await verify(stores, on_progress=progress.append)
        assert (verification.is_whole, verification.events_checked, verification.writers) == (True, 10, 1)
        assert progress[-1] == 10
        events = await stores.audit.events()
        assert [event.position for event in events] == list(range(1, 11))
        assert events[0].kind == "writer_opened"
        assert await stores.audit.events(after_position=4, limit=3) == events[4:7]

    async def test_an_empty_log_is_whole(self, stores: Stores) -> None:
        verification = await verify(stores)
        assert (verification.is_whole, verification.events_checked, verification.writers) == (True, 0, 0)

    async def test_erasure_removes_text_and_salt_and_keeps_the_log_whole(self, stores: Stores) -> None:
        decision = await written_decision(stores)
        erased = await stores.payloads.erase(decision.payload_id)
        assert (erased.text, erased.salt, erased.digest) == (None, None, decision.payload_digest)
        assert erased.erased_at is not None
        assert await stores.payloads.erase(decision.payload_id) == erased
        assert await stores.payloads.get(decision.payload_id) == erased
        verification = await verify(stores)
        assert (verification.is_whole, verification.erased_payloads) == (True, 1)
        assert [event.kind for event in await stores.audit.events()].count("payload_erased") == 1


class StoresConformance(
    RecordsConformance,
    FindingConformance,
    AuditConformance,
    BudgetConformance,
    PolicyVersionConformance,
    SkillConformance,
    TrailConformance,
    JobConformance,
    KeyConformance,
    DeliveryConformance,
    SummaryConformance,
    AuditCheckpointConformance,
):
    """The whole suite."""
