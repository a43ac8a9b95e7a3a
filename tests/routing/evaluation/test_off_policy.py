"""Estimates from simulated logs of a known matrix: they cover the truth, and refuse where the log is silent."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from routing.evaluation.off_policy import Log, OffPolicy, Refusal, always, estimate
from routing.forecasts import Matrix
from storage.errors import InvalidInput

QUERIES, CANDIDATES, RUNS = 400, 5, 120
RNG = np.random.default_rng(0)
CHANCE = np.clip(RNG.beta(2, 2, size=(QUERIES, CANDIDATES)) + np.linspace(-0.2, 0.3, CANDIDATES), 0.02, 0.98)
MODEL = np.clip(CHANCE + RNG.normal(0, 0.1, size=CHANCE.shape), 0, 1)  # a fair forecast
TARGET = always(MODEL.argmax(axis=1), CANDIDATES)
UNIFORM = np.full(CHANCE.shape, 1 / CANDIDATES)
GREEDY = 0.6 / CANDIDATES + 0.4 * always(CHANCE[:, ::-1].argmax(axis=1), CANDIDATES)
CONFOUNDED = np.exp(3 * CHANCE) / np.exp(3 * CHANCE).sum(axis=1, keepdims=True)  # picks what will do well, and says so
LOGGING = {"uniform": UNIFORM, "epsilon_greedy": GREEDY, "confounded": CONFOUNDED}
TARGETS = {"deterministic": TARGET, "soft": 0.5 * TARGET + 0.5 * UNIFORM, "uniform": UNIFORM}
RESAMPLES = 200  # for speed


def logged(propensity: Matrix, seed: int, rewards: Matrix = CHANCE) -> Log:
    rng = np.random.default_rng(seed)
    rows = np.arange(len(propensity))
    actions = (rng.random((len(rows), 1)) > propensity.cumsum(axis=1)).sum(axis=1).clip(max=propensity.shape[1] - 1)
    outcomes = (rng.random(len(rows)) < rewards[rows, actions]).astype(float)
    return Log(actions=actions, propensity=propensity[rows, actions], rewards=outcomes)


@cache
def estimates(logging: str, policy: str = "deterministic") -> list[OffPolicy]:
    logs = (logged(LOGGING[logging], seed) for seed in range(RUNS))
    found = [estimate(log, TARGETS[policy], MODEL, seed=seed, resamples=RESAMPLES) for seed, log in enumerate(logs)]
    return [one for one in found if isinstance(one, OffPolicy)]


@pytest.mark.parametrize("policy", ["deterministic", "soft"])
@pytest.mark.parametrize("logging", LOGGING)
def test_intervals_cover_the_truth(logging: str, policy: str) -> None:
    """95 % ones, in at least 88 % of 120 runs: a right interval would fail that once in a thousand times."""
    found, target = estimates(logging, policy), TARGETS[policy]
    assert len(found) == RUNS
    truth = float((target * CHANCE).sum(axis=1).mean())
    for name in ("ips", "snips", "dr"):
        for kind in ("normal", "bootstrap"):
            intervals = [getattr(getattr(one, name), kind) for one in found]
            assert np.mean([each.low <= truth <= each.high for each in intervals]) >= 0.88, (name, kind)


@pytest.mark.parametrize("logging", LOGGING)
def test_snips_and_doubly_robust_err_less_than_ips(logging: str) -> None:
    truth = float((TARGET * CHANCE).sum(axis=1).mean())
    found = estimates(logging)
    error = {
        name: np.sqrt(np.mean([(getattr(one, name).value - truth) ** 2 for one in found]))
        for name in ("ips", "snips", "dr")
    }
    assert error["snips"] < error["ips"]
    assert error["dr"] < error["ips"]


def test_ignoring_propensities_would_be_biased() -> None:
    """What the log itself earned is not what a uniform policy would earn; IPS is not fooled."""
    truth = float(CHANCE.mean())
    naive = np.mean([logged(CONFOUNDED, seed).rewards.mean() for seed in range(RUNS)])
    ips = np.mean([one.ips.value for one in estimates("confounded", "uniform")])
    assert naive - truth > 0.05
    assert ips == pytest.approx(truth, abs=0.01)


def test_policy_that_was_never_logged_is_refused() -> None:
    propensity = np.zeros(CHANCE.shape)
    propensity[:, :4] = 0.25
    found = estimate(logged(propensity, 0), always(np.full(QUERIES, 4), CANDIDATES), MODEL, seed=0)
    assert isinstance(found, Refusal)
    assert found.support.unsupported_share == 1.0
    assert "100.0% of what this policy would do are candidates that the log never picked" in found.reason


def test_policy_that_the_log_hardly_followed_is_refused() -> None:
    found = estimate(logged(UNIFORM[:60], 0, CHANCE[:60]), TARGET[:60], MODEL[:60], seed=0)
    assert isinstance(found, Refusal)
    assert found.support.effective_sample_size < 30
    assert "The 60 logged decisions are worth" in found.reason


def test_clipping_is_told() -> None:
    found = estimate(logged(UNIFORM, 0), TARGET, MODEL, seed=0, clip=2.0)
    assert isinstance(found, OffPolicy)
    assert found.support.largest_weight == pytest.approx(5.0)
    assert (found.support.clip, found.support.clipped_share) == (2.0, pytest.approx(0.2, abs=0.06))


def test_log_of_the_policy_itself_is_its_plain_mean() -> None:
    log = logged(UNIFORM, 0)
    found = estimate(log, UNIFORM, seed=0)
    assert isinstance(found, OffPolicy)
    assert found.dr is None
    assert found.ips.value == pytest.approx(log.rewards.mean())
    assert found.support.effective_sample_size == pytest.approx(QUERIES)


def test_pick_without_a_chance_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not in \\(0, 1\\]"):
        Log(actions=np.array([0]), propensity=np.array([0.0]), rewards=np.array([1.0]))
