"""Traces become training data: who was judged, with which propensity, at what cost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.checkers import Checker
from orchestrator.training_data import import_traces
from routing.training.assembly import SplitRule
from routing.training.checks import check
from routing.training.files import write_dataset
from storage.errors import InvalidInput, ServiceError
from storage.records import utc_now
from storage.stores import DecisionFilter
from tests.conftest import MakeService, fails, scripted_settings

FRANCE = "What is the capital of France?"
SPAIN = "What is the capital of Spain?"


async def test_judged_decisions_are_taken_with_their_latest_verdict(make_service: MakeService, tmp_path: Path) -> None:
    service = await make_service()
    first = await service.run(FRANCE, checker=Checker(kind="exact", expected="Paris"))
    second = await service.run(SPAIN, candidate="large")
    await service.feedback(second.decision_id, quality=1.0)
    await service.feedback(second.decision_id, quality=0.25)
    await service.run("never judged")
    erased = await service.run("erase me", checker=Checker(kind="exact", expected="no idea"))
    decision = await service.stores.decisions.get(erased.decision_id)
    await service.stores.payloads.erase(decision.payload_id)

    told: list[tuple[int, int, str]] = []
    found = await import_traces(service.stores, scripted_settings(), on_progress=lambda *state: told.append(state))
    data = found.data
    assert told[-1] == (4, 0, "reading decisions")
    assert (found.taken, found.merged) == (2, 0)
    assert found.left_out.reason_to_first == {
        "nobody judged it": (await service.stores.decisions.find(DecisionFilter()))[1].decision.id,
        "its text was erased": erased.decision_id,
    }
    stored = {}
    for run in (first, second):
        kept = await service.stores.decisions.get(run.decision_id)
        stored[kept.query_id] = (run, kept)
    assert set(data.query_ids) == set(stored)
    for row, query_id in enumerate(data.query_ids):
        run, kept = stored[query_id]
        column = data.candidates.index(run.candidate_id)
        assert data.quality[row, column] == (0.25 if run is second else 1.0)
        assert data.propensity[row, column] == kept.propensity
        assert data.cost_usd[row, column] == pytest.approx(float(run.cost_usd))
        ran = (await service.stores.decisions.outcomes_of(kept.id))[0]
        assert data.latency_seconds[row, column] == ran.latency_seconds
        assert data.output_tokens[row, column] > 0
        assert data.tasks[row] == kept.task
    large = data.cards[data.candidates.index("large")]
    assert (large.price_input_usd_per_mtok, large.extra["agent"]) == (10.0, "single_turn")
    write_dataset(data, tmp_path / "data")
    assert "train" in data.splits or check(tmp_path / "data").findings.error_count


async def test_retries_are_cells_of_one_query(make_service: MakeService) -> None:
    service = await make_service(small=fails, large=fails)
    with pytest.raises(ServiceError):
        await service.run(FRANCE, checker=Checker(kind="exact", expected="Paris"))
    attempts = await service.stores.decisions.find(DecisionFilter())
    assert len(attempts) >= 2
    for stored in attempts:
        await service.feedback(stored.decision.id, quality=0.0)
    found = await import_traces(service.stores, scripted_settings())
    assert len(found.data) == 1
    assert found.taken == len([s for s in attempts if s.decision.candidate_id])


async def test_only_what_came_since_is_taken_and_equal_texts_share_a_split(make_service: MakeService) -> None:
    service = await make_service()
    for _ in range(6):
        run = await service.run(FRANCE)
        await service.feedback(run.decision_id, quality=1.0)
    found = await import_traces(service.stores, scripted_settings(), rule=SplitRule(dev_share=0.5, seed=1))
    assert len(found.data) == 6
    assert len(set(found.data.splits)) == 1
    with pytest.raises(InvalidInput, match="No outcome could be taken; there is none"):
        await import_traces(service.stores, scripted_settings(), since=utc_now() + timedelta(hours=1))


async def test_candidate_that_the_settings_forgot_keeps_its_id(make_service: MakeService) -> None:
    service = await make_service()
    run = await service.run(FRANCE, candidate="small")
    await service.feedback(run.decision_id, quality=1.0)
    settings = scripted_settings(candidates=[{"agent": "single_turn", "model": "large", "id": "large"}])
    (card,) = (await import_traces(service.stores, settings)).data.cards
    assert (card.id, card.price_input_usd_per_mtok) == ("small", None)
