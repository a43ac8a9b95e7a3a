"""The pheromone memory is what its events made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from threading import Thread

import numpy as np
import pytest

from routing.pheromone.base import ShownMemory, TrailMemory
from routing.pheromone.memory import PheromoneMemory
from routing.pheromone.trail_state import MOST_STAGES
from routing.policies.amro_paper import AmroPaper
from routing.policies.pheromone import Pheromone
from storage.errors import InvalidInput
from tests.routing.doubles import a_context
from tests.routing.pheromone.lessons import ARMS, NOW, a_lesson, a_memory, about, now, teach, unit_vectors


def mean_of(memory: PheromoneMemory, arm: str, **changes: object) -> float:
    return float(memory.view([arm], replace(a_context("code"), **changes)).mean[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("made", [a_memory(), Pheromone(), AmroPaper()])
def test_memory_and_policies_keep_the_keepers_contract(made: object) -> None:
    assert isinstance(made, TrailMemory)
    assert isinstance(made, ShownMemory)


def test_the_same_events_give_the_same_bits() -> None:
    taught, replayed = a_memory(), a_memory()
    teach(taught, 300)
    for event in taught.drain():
        replayed.apply(event)
    assert json.dumps(replayed.state()) == json.dumps(taught.state())
    assert replayed.digest == taught.digest
    context = about(unit_vectors(9)[4])
    np.testing.assert_array_equal(replayed.view(ARMS, context).mean, taught.view(ARMS, context).mean)


def test_a_state_and_the_events_after_it_give_what_all_events_give() -> None:
    taught, restored = a_memory(), a_memory()
    teach(taught, 120, seed=2)
    taught.drain()
    restored.restore(json.loads(json.dumps(taught.state(), sort_keys=True)))
    teach(taught, 120, seed=3)
    for event in taught.drain():
        restored.apply(event)
    assert json.dumps(restored.state(), sort_keys=True) == json.dumps(taught.state(), sort_keys=True)


def test_replayed_events_are_not_handed_out_again() -> None:
    taught, replayed = a_memory(), a_memory()
    teach(taught, 5)
    for event in taught.drain():
        replayed.apply(event)
    assert replayed.drain() == []
    assert taught.drain() == []


def test_a_decision_counts_once() -> None:
    memory = a_memory()
    for _ in range(3):
        memory.observe("small", a_context("code"), a_lesson(1.0, decision_id="decision_1"))
    events = memory.drain()
    assert len(events) == 1
    before = json.dumps(memory.state())
    memory.apply(replace(events[0], id="trail_other"))
    assert json.dumps(memory.state()) == before


def test_what_nobody_judged_and_what_judged_itself_teaches_nothing() -> None:
    memory = a_memory()
    memory.observe("small", a_context("code"), a_lesson(1.0, quality=None))
    memory.observe("small", a_context("code"), a_lesson(1.0, judged_by="self"))
    assert memory.drain() == []
    assert mean_of(memory, "small") == 0.5


def test_stages_are_apart() -> None:
    memory = a_memory()
    for _ in range(9):
        memory.observe("small", replace(a_context("code"), stage="plan"), a_lesson(1.0))
    assert mean_of(memory, "small", stage="plan") > 0.7
    assert mean_of(memory, "small", stage="solve") == 0.5


def test_stages_are_bounded() -> None:
    memory = a_memory()
    for number in range(MOST_STAGES + 3):
        memory.observe("small", replace(a_context("code"), stage=f"stage {number}"), a_lesson(1.0))
    stages = {cell.stage for cell in memory.cells(at=NOW)}
    assert len(stages) == MOST_STAGES
    assert "stage 0" not in stages


def test_a_reset_forgets_a_candidate_and_not_which_decisions_were_booked() -> None:
    memory = a_memory()
    for arm in ("small", "large"):
        memory.observe(arm, a_context("code"), a_lesson(1.0, decision_id=f"decision_{arm}"))
    memory.drain()
    event = memory.reset(stage=None, candidate_id="small")
    assert (event.kind, event.candidate_id, memory.drain()) == ("reset", "small", [])
    memory.observe("small", a_context("code"), a_lesson(1.0, decision_id="decision_small"))
    assert mean_of(memory, "small") == 0.5
    assert mean_of(memory, "large") > 0.5
    memory.reset(stage=None, candidate_id=None)
    assert memory.cells(at=NOW) == []


def test_an_erased_text_leaves_no_vector() -> None:
    memory = a_memory()
    vector = unit_vectors(1)[0]
    memory.observe("small", about(vector), a_lesson(1.0, payload_id="payload_1"))
    deposit = memory.drain()[0]
    assert deposit.embedding is not None
    assert memory.remembered()[1] == ["payload_1"]
    memory.apply(replace(deposit, kind="erased", embedding=None))
    assert memory.remembered()[1] == []
    assert memory.view(["small"], about(vector)).mean[0] == memory.view(["small"], a_context("code")).mean[0]


def test_evidence_fades_by_half_in_a_half_life() -> None:
    memory = a_memory(half_life_days=10.0)
    for _ in range(40):
        memory.observe("small", a_context("code"), a_lesson(1.0))
    fresh = sum(cell.n for cell in memory.cells(at=NOW))
    faded = memory.cells(at=NOW + timedelta(days=10))
    assert fresh == pytest.approx(40)
    assert sum(cell.n for cell in faded) == pytest.approx(20, rel=2e-3)
    assert all(cell.mean == 1.0 for cell in faded)


def test_a_change_of_quality_is_told_and_makes_the_memory_doubt() -> None:
    memory = a_memory()
    for _ in range(200):
        memory.observe("small", a_context("code"), a_lesson(0.9))
    memory.drain()
    requests = 0
    told = None
    while told is None and requests < 200:
        memory.observe("small", a_context("code"), a_lesson(0.1))
        requests += 1
        told = next((event for event in memory.drain() if event.kind == "restart"), None)
    assert told is not None, "200 failures in a run went unnoticed"
    assert (told.candidate_id, told.body["reason"], told.body["direction"]) == ("small", "quality_changed", "down")
    assert sum(cell.n for cell in memory.cells(at=NOW)) <= 2.0 + 1e-9


def test_choices_that_are_all_alike_set_the_trails_back() -> None:
    memory = a_memory()
    kinds = []
    for number in range(400):
        memory.observe(ARMS[number % 2], a_context("code"), a_lesson(float(number % 2 == 0)))
        kinds += [(event.kind, event.body.get("reason")) for event in memory.drain()]
    assert ("restart", "choices_all_alike") in kinds


def test_a_broken_state_is_refused_and_changes_nothing() -> None:
    memory = a_memory()
    teach(memory, 10)
    before = json.dumps(memory.state())
    with pytest.raises(InvalidInput):
        memory.restore({"cells": [{"stage": "answer"}]})
    assert json.dumps(memory.state()) == before


def test_threads_lose_no_lesson() -> None:
    memory = a_memory()
    threads = [Thread(target=teach, args=(memory, 50), kwargs={"seed": seed}) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(event.kind == "deposit" for event in memory.drain()) == 200


def test_times_of_lessons_and_of_reading_may_differ() -> None:
    memory = a_memory()
    memory.observe("small", a_context("code"), a_lesson(1.0, at=now() + timedelta(days=400)))
    assert mean_of(memory, "small") > 0.5
