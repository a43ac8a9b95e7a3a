"""One job at a time: the same choices as in the simulator, within limits, quickly."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from routing.steps.artifact import StepArtifact, save
from routing.steps.episodes import Step
from routing.steps.evaluation import world_of
from routing.steps.serving import StepPolicy
from routing.steps.simulator import play_all
from routing.steps.training import StepInputs, StepOptions, train
from storage.errors import InvalidInput
from tests.routing.steps.small_episodes import LARGE, LARGE_USD, SMALL, SMALL_USD, small_inputs

DECISIONS = 300
LONGEST_SECONDS = 0.001  # of the quickest tenth; about 0.1 ms on a free core


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StepInputs:
    return small_inputs(tmp_path_factory.mktemp("serving") / "data")


@pytest.fixture(scope="module")
def artifact(inputs: StepInputs, tmp_path_factory: pytest.TempPathFactory) -> StepArtifact:
    trained = train("cql", inputs, StepOptions(small=SMALL, large=LARGE))
    return save(tmp_path_factory.mktemp("serving") / "policy", trained)


def served(policy: StepPolicy, inputs: StepInputs, task_id: str, limit_usd: float | None) -> tuple[list[str], float]:
    """Who took each step, and what was spent."""
    text = inputs.texts_of([task_id])[0]
    state, taken, spent = policy.begin(text), list[str](), 0.0
    while True:
        decision = policy.decide(state, None if limit_usd is None else limit_usd - spent)
        if decision.candidate is None:
            return taken, spent
        steps = inputs.data.episodes[decision.candidate, task_id].steps
        step = steps[taken.count(decision.candidate)]
        taken.append(decision.candidate)
        spent += step.cost_usd or 0.0
        state.saw(decision.candidate, step)
        if taken.count(decision.candidate) == len(steps):
            return taken, spent


@pytest.mark.parametrize("weight", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("limit_usd", [None, 0.065, 0.5])
def test_serving_chooses_as_the_simulator_does(
    artifact: StepArtifact, inputs: StepInputs, weight: float, limit_usd: float | None
) -> None:
    world = world_of(artifact, inputs, split="dev")
    limit = np.inf if limit_usd is None else limit_usd / world.unit_usd
    played = play_all(world, artifact.scorer, weight=weight, remaining=limit)
    policy = StepPolicy(artifact, weight=weight)
    for place, task_id in enumerate(world.journeys.task_ids):
        taken, _ = served(policy, inputs, task_id, limit_usd)
        assert [taken.count(id) for id in policy.candidates] == played.taken[place].tolist()


def test_no_limit_is_overspent(artifact: StepArtifact, inputs: StepInputs) -> None:
    rng = np.random.default_rng(0)
    policy = StepPolicy(artifact, weight=0.1, exploration=0.3)
    for task in inputs.data.tasks:
        limit_usd = float(np.exp(rng.uniform(np.log(0.01), np.log(1.0))))
        assert served(policy, inputs, task.id, limit_usd)[1] <= limit_usd + 1e-9


def test_decision_tells_what_is_masked_and_why_nothing_can_be_begun(artifact: StepArtifact) -> None:
    policy = StepPolicy(artifact)
    state = policy.begin("Count the ships.")
    poor = policy.decide(state, 0.5 * policy.least_usd)
    assert (poor.action, poor.candidate, poor.is_forced) == ("stop", None, True)
    assert set(poor.masked) == {"continue", SMALL, LARGE}
    enough = policy.decide(state, policy.least_usd + 1e-9)
    assert (enough.action, enough.candidate) == ("restart", SMALL)
    assert policy.least_usd == pytest.approx(6 * SMALL_USD)
    assert policy.unit_usd == pytest.approx(0.75 * 2 * LARGE_USD + 0.25 * 6 * LARGE_USD)


def test_errors_of_small_begin_large(artifact: StepArtifact) -> None:
    policy = StepPolicy(artifact, weight=0.5)
    state = policy.begin("Count the towns.")
    for number in range(2):
        step = Step(action=f"select {number} from x", observation="Error: no such table", reward=0.0)
        state.saw(SMALL, step)
    decision = policy.decide(state)
    assert (decision.action, decision.candidate) == ("restart", LARGE)
    assert decision.probabilities == {"continue": 0.0, "stop": 0.0, SMALL: 0.0, LARGE: 1.0}
    assert policy.decide(state) == decision


def test_exploration_spreads_over_what_may_be_done(artifact: StepArtifact) -> None:
    policy = StepPolicy(artifact, exploration=0.2)
    decision = policy.decide(policy.begin("Count the songs."))
    assert decision.probabilities == pytest.approx({"continue": 0.0, "stop": 0.0, SMALL: 0.9, LARGE: 0.1})


def test_wrong_input_is_refused(artifact: StepArtifact) -> None:
    policy = StepPolicy(artifact)
    with pytest.raises(InvalidInput, match="No candidate 'nobody' in this step policy; known: 'mini', 'grand'"):
        policy.begin("?").saw("nobody", Step(action="a"))
    with pytest.raises(InvalidInput, match="`exploration` is 2"):
        StepPolicy(artifact, exploration=2)
    with pytest.raises(InvalidInput, match="`weight` is nan"):
        StepPolicy(artifact, weight=float("nan"))


def test_policy_with_vectors_needs_one(inputs: StepInputs, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    seen = StepInputs(data=inputs.data, vectors={t.id: rng.normal(size=4) for t in inputs.data.tasks}, encoder="e-1")
    policy = StepPolicy(save(tmp_path, train("cql", seen, StepOptions(small=SMALL, large=LARGE))))
    with pytest.raises(InvalidInput, match="needs the text's vector by 'e-1'"):
        policy.begin("Count.")
    assert policy.decide(policy.begin("Count.", np.zeros(4))).candidate == SMALL


def test_deciding_is_cheap(artifact: StepArtifact) -> None:
    policy = StepPolicy(artifact)
    state = policy.begin("Count the names.")
    state.saw(SMALL, Step(action="select 0 from x", observation="3 rows", reward=0.5))
    seconds = []
    for _ in range(DECISIONS):
        began = time.perf_counter()
        policy.decide(state, 1.0)
        seconds.append(time.perf_counter() - began)
    assert np.quantile(seconds, 0.1) < LONGEST_SECONDS
