"""What every policy of the registry owes, whatever it computes; a new one is tested without a change here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.base import Policy, Vector
from routing.policies.exploration import DEFAULT_EXPLORATION
from routing.registry import POLICIES, make_policy
from routing.snapshots import state_sha256
from storage.errors import InvalidInput
from tests.routing.doubles import TASKS, a_context, total

ARMS = ("small", "large", "tools", "old")

untimed = settings(deadline=None)  # how long a policy takes on a busy machine is not asked here
every_policy = pytest.mark.parametrize("name", sorted(POLICIES))
histories = st.lists(
    st.tuples(st.sampled_from(ARMS), st.sampled_from(TASKS), st.floats(0, 1, allow_nan=False)), max_size=30
)


def taught(name: str, history: Sequence[tuple[str, str, float]]) -> Policy:
    policy = make_policy(name)
    for arm, task, reward in history:
        policy.update(arm, a_context(task), reward)
    return policy


def some_history(count: int = 40) -> list[tuple[str, str, float]]:
    rng = np.random.default_rng(5)
    return [(ARMS[int(rng.integers(4))], TASKS[int(rng.integers(3))], float(rng.random())) for _ in range(count)]


def by_arm(policy: Policy, arms: Sequence[str]) -> dict[str, float]:
    return dict(zip(arms, policy.probabilities(arms, a_context()).tolist(), strict=True))


@every_policy
@untimed
@given(history=histories)
def test_probabilities_sum_to_one_and_none_is_below_the_floor(name: str, history: list[tuple[str, str, float]]) -> None:
    probabilities = taught(name, history).probabilities(ARMS, a_context())
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    assert probabilities.min() >= DEFAULT_EXPLORATION / len(ARMS) - 1e-12


@every_policy
@untimed
@given(history=histories, order=st.permutations(ARMS))
def test_the_order_of_the_arms_does_not_matter(
    name: str, history: list[tuple[str, str, float]], order: list[str]
) -> None:
    policy = taught(name, history)
    assert by_arm(policy, order) == pytest.approx(by_arm(policy, ARMS), abs=1e-9)


@every_policy
def test_arms_that_nothing_tells_apart_share_evenly(name: str) -> None:
    np.testing.assert_allclose(make_policy(name).probabilities(ARMS, a_context()), 0.25, atol=1e-9)


@every_policy
def test_asking_twice_gives_the_same_answer_and_teaches_nothing(name: str) -> None:
    policy = taught(name, some_history())
    before = state_sha256(policy.state())
    first, second = (policy.probabilities(ARMS, a_context("code")) for _ in range(2))
    policy.scores([*ARMS, "newcomer"], a_context("facts"))
    np.testing.assert_array_equal(first, second)
    assert state_sha256(policy.state()) == before


@every_policy
def test_a_single_arm_gets_all(name: str) -> None:
    np.testing.assert_allclose(taught(name, some_history()).probabilities(["small"], a_context()), [1.0])


@every_policy
def test_a_new_arm_enters_a_taught_policy(name: str) -> None:
    policy = taught(name, some_history())
    arms = [*ARMS, "newcomer"]
    before = by_arm(policy, arms)["newcomer"]
    assert before >= DEFAULT_EXPLORATION / 5 - 1e-12
    policy.update("newcomer", a_context(), 1.0)
    assert sum(by_arm(policy, arms).values()) == pytest.approx(1.0)


@every_policy
def test_a_task_never_seen_before_is_answered(name: str) -> None:
    policy = taught(name, some_history())
    unseen = a_context("poems", tasks=("poems", "songs", "plays"))
    assert policy.probabilities(ARMS, unseen).sum() == pytest.approx(1.0)


@every_policy
def test_each_arm_has_readable_contributions(name: str) -> None:
    policy = taught(name, some_history())
    scores = policy.scores(ARMS, a_context())
    assert len(scores) == len(ARMS)
    for contributions in scores:
        assert contributions
        assert all(part.isidentifier() for part in contributions)
        assert np.isfinite(total(contributions))


@every_policy
def test_the_highest_score_has_the_highest_probability(name: str) -> None:
    """Thompson sampling may prefer a less known arm; with arms known alike it may not."""
    even = [(arm, task, level) for arm, level in zip(ARMS, (0.1, 0.9, 0.4, 0.6), strict=True) for task in TASKS * 9]
    policy = taught(name, even)
    scores = [total(contributions) for contributions in policy.scores(ARMS, a_context())]
    probabilities: Vector = policy.probabilities(ARMS, a_context())
    assert probabilities[int(np.argmax(scores))] == pytest.approx(probabilities.max())


@every_policy
def test_saved_state_restores_to_the_same_policy(name: str) -> None:
    policy = taught(name, some_history())
    saved = json.loads(json.dumps(policy.state(), sort_keys=True))
    restored = make_policy(name)
    restored.restore(saved)
    assert restored.state() == policy.state()
    assert state_sha256(restored.state()) == state_sha256(policy.state())
    for twin in (policy, restored):
        twin.update("large", a_context("code"), 0.75)
    context = a_context("code")
    mixture = dict(sorted(context.task_mixture.items(), reverse=True))  # as a store may give it back
    np.testing.assert_array_equal(
        restored.probabilities(ARMS, replace(context, task_mixture=mixture)), policy.probabilities(ARMS, context)
    )


@every_policy
def test_no_arms_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        make_policy(name).probabilities([], a_context())
