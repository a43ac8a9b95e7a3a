"""The router: masks, draws that can be repeated, learning, and both at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest

from routing.base import Policy
from routing.encoders.cached import CachedEncoder
from routing.encoders.hashing import HashingEncoder
from routing.errors import NoCandidate, UnknownPolicy
from routing.features import TaskCatalog, TaskFeaturizer
from routing.registry import POLICIES, make_policy
from routing.router import PolicyRouter, context_of, sample
from routing.snapshots import state_sha256
from storage.errors import InvalidInput
from storage.records import Query
from tests.routing.doubles import a_decision, a_reward, an_option

CATALOG = TaskCatalog(task_to_examples={"sums": ["add 3 and 4"], "poems": ["write a poem"]})
GOLDEN_DRAWS = "bccbcddaccbadbca"  # taken down once
QUERY = Query(text="add 5 and 6")
OPTIONS = [an_option("small"), an_option("large"), an_option("broken", mask_reason="already tried")]


def a_router(*, default: str = "table", seed: int | None = 7, **policies: Policy) -> PolicyRouter:
    featurizer = TaskFeaturizer(CachedEncoder(HashingEncoder()), CATALOG)
    return PolicyRouter(policies or {"table": make_policy("table")}, featurizer, default=default, seed=seed)


def all_policies() -> dict[str, Policy]:
    return {name: make_policy(name) for name in POLICIES}


async def test_masked_option_is_assessed_and_never_picked() -> None:
    router = a_router(**all_policies())
    for name in router.policies:
        choices = [await router.route(QUERY, OPTIONS, policy=name) for _ in range(50)]
        assert {choice.candidate_id for choice in choices} <= {"small", "large"}
        masked = choices[0].assessments[2]
        assert (masked.candidate_id, masked.probability, masked.mask_reason) == ("broken", 0.0, "already tried")


async def test_the_choice_says_all_that_a_decision_needs() -> None:
    choice = await a_router().route(QUERY, OPTIONS)
    assert [a.candidate_id for a in choice.assessments] == ["small", "large", "broken"]
    assert sum(a.probability for a in choice.assessments) == pytest.approx(1.0)
    for assessment in choice.assessments:
        assert sum(assessment.contributions.values()) == assessment.score
    picked = next(a for a in choice.assessments if a.candidate_id == choice.candidate_id)
    assert choice.propensity == picked.probability > 0
    assert (choice.policy, choice.policy_version, choice.rng_seed, choice.rng_counter) == ("table", "1", 7, 0)
    assert choice.context.task == "sums"
    assert choice.policy_sha256 == state_sha256(make_policy("table").state())


@pytest.mark.parametrize("options", [[], [an_option("a", mask_reason="too dear"), an_option("b", mask_reason="down")]])
async def test_nobody_is_chosen_when_nobody_is_allowed(options: list[object]) -> None:
    choice = await a_router().route(QUERY, options)
    assert (choice.candidate_id, choice.propensity) == (None, 0.0)
    assert len(choice.assessments) == len(options)


async def test_a_stored_choice_is_drawn_again_from_its_own_figures() -> None:
    router = a_router(default="thompson", **all_policies())
    for _ in range(30):
        choice = await router.route(QUERY, OPTIONS)
        ids = [a.candidate_id for a in choice.assessments]
        probabilities = [a.probability for a in choice.assessments]
        again = sample(probabilities, ids, seed=choice.rng_seed, counter=choice.rng_counter)
        assert again == choice.candidate_id


async def test_two_routers_with_one_seed_choose_alike_whatever_the_order() -> None:
    one, other = a_router(), a_router()
    for _ in range(20):
        first = await one.route(QUERY, OPTIONS)
        second = await other.route(QUERY, OPTIONS[::-1])
        assert first.candidate_id == second.candidate_id


async def test_a_router_without_a_seed_draws_its_own() -> None:
    seeds = {(await a_router(seed=None).route(QUERY, OPTIONS)).rng_seed for _ in range(3)}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)


async def test_the_first_counter_continues_where_a_restart_left_off() -> None:
    featurizer = TaskFeaturizer(CachedEncoder(HashingEncoder()), CATALOG)
    router = PolicyRouter({"table": make_policy("table")}, featurizer, default="table", seed=7, first_counter=41)
    assert (await router.route(QUERY, OPTIONS)).rng_counter == 41


def test_draws_do_not_depend_on_the_order_and_follow_the_probabilities() -> None:
    id_to_probability = {"a": 0.7, "b": 0.2, "c": 0.1, "never": 0.0}
    drawn = Counter()
    for counter in range(5000):
        picks = {
            sample([id_to_probability[id] for id in order], order, seed=3, counter=counter)
            for order in list(permutations(id_to_probability))[::7]
        }
        assert len(picks) == 1
        drawn.update(picks)
    assert drawn["never"] == 0
    for id, probability in id_to_probability.items():
        assert drawn[id] / 5000 == pytest.approx(probability, abs=0.02)


def test_draws_are_the_same_on_every_machine() -> None:
    ids = ["a", "b", "c", "d"]
    assert "".join(sample([0.25] * 4, ids, seed=2026, counter=n) for n in range(16)) == GOLDEN_DRAWS


def test_nobody_to_draw_is_an_error() -> None:
    with pytest.raises(NoCandidate, match="positive probability"):
        sample([0.0], ["a"], seed=1, counter=1)


async def test_unknown_policy_names_the_nearest() -> None:
    with pytest.raises(UnknownPolicy, match=r"No policy 'tabel'; did you mean 'table'\? known: auto, table"):
        await a_router().route(QUERY, OPTIONS, policy="tabel")
    with pytest.raises(UnknownPolicy, match="No policy 'gone'"):
        a_router(default="gone")


async def test_two_options_of_one_id_are_refused() -> None:
    with pytest.raises(InvalidInput, match="more than once: 'a'"):
        await a_router().route(QUERY, [an_option("a"), an_option("a")])


async def test_every_policy_learns_from_one_reward_and_the_hash_follows() -> None:
    router = a_router(**all_policies())
    before = {name: await router.route(QUERY, OPTIONS, policy=name) for name in router.policies}
    decision = a_decision(before["table"], candidate_id="large")
    router.learn(decision, a_reward(decision, 1.0))
    after = {name: await router.route(QUERY, OPTIONS, policy=name) for name in router.policies}
    changed = {name for name in router.policies if before[name].policy_sha256 != after[name].policy_sha256}
    assert changed >= {"table", "thompson", "linucb", "lints", "best_single", "graph"}
    assert not changed & {"uniform", "cheapest"}
    for name in changed:
        assert after[name].policy_sha256 == state_sha256(router.state(name))
    assert router.ignored == {}


async def test_learning_shifts_the_choice() -> None:
    router = a_router()
    for _ in range(20):
        choice = await router.route(QUERY, OPTIONS)
        decision = a_decision(choice)
        router.learn(decision, a_reward(decision, 1.0 if choice.candidate_id == "large" else 0.0))
    choice = await router.route(QUERY, OPTIONS)
    assert choice.assessments[1].probability > 0.9


async def test_decisions_that_do_not_fit_are_counted_and_teach_nothing() -> None:
    router = a_router()
    choice = await router.route(QUERY, OPTIONS)
    for changes in (
        {"encoder": "another"},
        {"context": (1.0, 0.5)},
        {"task_mixture": {"sums": 0.5, "songs": 0.5}},
    ):
        decision = a_decision(choice, **changes)
        router.learn(decision, a_reward(decision, 1.0))
    nobody = a_decision(await router.route(QUERY, []))
    router.learn(nobody, a_reward(nobody, 1.0))
    assert router.ignored == {
        "made with encoder 'another'": 1,
        "made with other tasks or signals": 2,
        "nobody was chosen": 1,
    }
    assert router.state("table") == make_policy("table").state()


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
async def test_reward_out_of_range_is_refused(value: float) -> None:
    router = a_router()
    decision = a_decision(await router.route(QUERY, OPTIONS))
    with pytest.raises(InvalidInput, match=r"must lie in \[0, 1\]"):
        router.learn(decision, a_reward(decision, value))


async def test_policies_can_be_rebuilt_from_stored_decisions_or_from_their_state() -> None:
    router = a_router(**all_policies())
    taught = []
    for number in range(10):
        decision = a_decision(await router.route(Query(text=f"write poem {number}"), OPTIONS))
        taught.append((decision, a_reward(decision, number / 9)))
        router.learn(*taught[-1])
    replayed, restored = a_router(**all_policies()), a_router(**all_policies())
    for decision, reward in taught:
        replayed.learn(decision, reward)
    for name in router.policies:
        restored.restore(name, router.state(name))
        assert replayed.state(name) == restored.state(name) == router.state(name)


async def test_the_stored_context_is_what_the_policy_saw() -> None:
    choice = await a_router().route(QUERY, OPTIONS)
    context = context_of(a_decision(choice))
    assert context.vector.tolist() == choice.context.vector.tolist()
    assert (context.task, context.task_mixture) == (choice.context.task, choice.context.task_mixture)


async def test_routes_and_rewards_from_many_threads_leave_a_state_that_adds_up() -> None:
    router = a_router(default="linucb", **all_policies())
    decision = a_decision(await router.route(QUERY, OPTIONS), candidate_id="large")

    def learn(_: int) -> None:
        router.learn(decision, a_reward(decision, 0.5))

    def route(number: int) -> int:
        return asyncio.run(router.route(Query(text=f"text {number % 5}"), OPTIONS)).rng_counter

    with ThreadPoolExecutor(8) as threads:
        learned = [threads.submit(learn, number) for number in range(100)]
        counters = list(threads.map(route, range(60)))
        for future in learned:
            future.result()
    assert sorted(counters) == list(range(1, 61))
    twin = a_router(default="linucb", **all_policies())
    for _ in range(100):
        twin.learn(decision, a_reward(decision, 0.5))
    for name in router.policies:
        assert router.state(name) == twin.state(name)
