"""Spend over a period is paced: near the allowance at its end, and not gone before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from routing.base import Option
from routing.pacing import Allowance, PacedRouter, Pacer, Period
from routing.router import sample
from storage.errors import InvalidInput
from storage.records import Query
from tests.routing.doubles import a_candidate, a_decision, a_reward
from tests.routing.routers import ScoredRouter, an_outcome

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
DAY = 86_400.0
MONTH = 30 * DAY
USUAL_USD = {"small": 0.001, "medium": 0.01, "large": 0.05}
QUALITY = {"small": 0.4, "medium": 0.6, "large": 0.8}
OPTIONS = [Option(candidate=a_candidate(id), worst_case_usd=Decimal(str(3 * cost))) for id, cost in USUAL_USD.items()]
CALLS = 1500
SEEDS = range(3)


@dataclass(frozen=True, kw_only=True)
class Month:
    spent_usd: float
    quality: float
    last_quality: float  # of the calls of the last six days
    last_spent_usd: float


def arrivals(rng: np.random.Generator) -> list[float]:
    """Seconds into the month: busy by day, all but idle by night."""
    seconds: list[float] = []
    while len(seconds) < CALLS:
        at = float(rng.uniform(0, MONTH))
        if rng.random() < 0.1 + 0.9 * max(0.0, math.sin(at % DAY / DAY * 2 * math.pi)):
            seconds.append(at)
    return sorted(seconds)


async def simulated(allowance: Allowance | None, *, seed: int) -> Month:
    """Every call wants the large one; real costs vary around a third of the worst case."""
    rng = np.random.default_rng(seed)
    router = PacedRouter(ScoredRouter(QUALITY, seed=seed), whole=allowance)
    rows = []
    for at in arrivals(rng):
        choice = await router.route(Query(text="?"), OPTIONS)
        id = choice.candidate_id or ""
        cost = round(min(USUAL_USD[id] * float(rng.lognormal(-0.125, 0.5)), 3 * USUAL_USD[id]), 9)
        reserved = Decimal(str(3 * USUAL_USD[id]))
        decision = a_decision(choice, budget_reserved_usd=reserved, decided_at=JUNE + timedelta(seconds=at))
        router.ended(decision, an_outcome(decision, str(cost)))
        rows.append((at, cost, QUALITY[id]))
    months = np.array(rows)
    last = months[months[:, 0] > MONTH - 6 * DAY]
    return Month(
        spent_usd=float(months[:, 1].sum()),
        quality=float(months[:, 2].mean()),
        last_quality=float(last[:, 2].mean()),
        last_spent_usd=float(last[:, 1].sum()),
    )


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
async def test_a_months_spend_is_within_five_percent_of_the_allowance_and_the_end_is_not_starved(share: float) -> None:
    for seed in SEEDS:
        free = await simulated(None, seed=seed)
        usd = share * free.spent_usd
        paced = await simulated(Allowance(usd=usd), seed=seed)
        assert free.spent_usd > 1.2 * usd
        assert paced.spent_usd == pytest.approx(usd, rel=0.05)
        assert paced.last_spent_usd > 0.75 * usd / 5
        assert paced.last_quality > 0.93 * paced.quality


async def test_an_allowance_that_is_never_reached_changes_nothing() -> None:
    free, paced = await simulated(None, seed=1), await simulated(Allowance(usd=10_000), seed=1)
    assert free == paced


async def test_the_price_shows_in_the_scores_and_the_propensity_is_the_one_that_was_drawn_with() -> None:
    router = PacedRouter(ScoredRouter(QUALITY), whole=Allowance(usd=1.0))
    for _ in range(20):
        choice = await router.route(Query(text="?"), OPTIONS)
        decision = a_decision(choice, budget_reserved_usd=Decimal("0.15"), decided_at=JUNE + timedelta(days=1))
        router.ended(decision, an_outcome(decision, "0.05"))
    assert router.price("default") > 0
    for _ in range(50):
        choice = await router.route(Query(text="?"), OPTIONS)
        small, _, large = choice.assessments
        assert large.contributions["pacing"] < small.contributions["pacing"] < 0
        assert large.score == pytest.approx(sum(large.contributions.values()))
        probabilities = {a.candidate_id: a.probability for a in choice.assessments}
        assert sum(probabilities.values()) == pytest.approx(1.0)
        assert min(probabilities.values()) >= 0.01 / 3
        assert choice.propensity == probabilities[choice.candidate_id or ""]
        again = sample(
            list(probabilities.values()), list(probabilities), seed=choice.rng_seed, counter=choice.rng_counter
        )
        assert again == choice.candidate_id


async def test_each_account_has_a_price_of_its_own() -> None:
    router = PacedRouter(ScoredRouter(QUALITY), accounts={"team": Allowance(usd=0.1, period="day")})
    choice = await router.route(Query(text="?", account_id="team"), OPTIONS)
    decision = a_decision(choice, account_id="team", decided_at=JUNE + timedelta(hours=1))
    router.ended(decision, an_outcome(decision, "0.09"))
    assert router.price("team") > 0
    assert router.price("other") == 0


async def test_what_a_runs_own_account_spends_counts_for_the_account_it_draws_on() -> None:
    async def ancestors(account_id: str) -> list[str]:
        return {"run_1": ["team", "default"]}.get(account_id, [])

    accounts = {"team": Allowance(usd=0.1, period="day"), "rival": Allowance(usd=0.1, period="day")}
    router = PacedRouter(ScoredRouter(QUALITY), accounts=accounts, ancestors=ancestors)
    choice = await router.route(Query(text="?", account_id="run_1"), OPTIONS)
    decision = a_decision(choice, account_id="run_1", decided_at=JUNE + timedelta(hours=1))
    router.ended(decision, an_outcome(decision, "0.09"))
    assert router.price("team") == router.price("run_1") > 0
    assert router.price("rival") == 0


async def test_a_cost_is_booked_once_whether_its_reward_comes_or_not() -> None:
    inner = ScoredRouter(QUALITY)
    router = PacedRouter(inner, whole=Allowance(usd=1.0))
    choice = await router.route(Query(text="?"), OPTIONS)
    decision = a_decision(choice, decided_at=JUNE + timedelta(hours=1))
    router.ended(decision, an_outcome(decision, "0.5"))
    once = router.price("default")
    router.learn(decision, a_reward(decision, 1.0))
    router.ended(decision, an_outcome(decision, "0.5"))
    assert router.price("default") == once
    assert inner.heard == [f"ended {decision.id}", f"learn {decision.id}", f"ended {decision.id}"]


def test_a_new_period_has_its_whole_allowance_and_an_old_cost_does_not_count_in_it() -> None:
    pacer = Pacer(Allowance(usd=10.0))
    pacer.spend(9.0, JUNE + timedelta(days=3))
    assert pacer.spent_usd == 9.0
    pacer.spend(1.0, JUNE + timedelta(days=31))
    pacer.spend(5.0, JUNE + timedelta(days=3))
    assert pacer.spent_usd == 1.0


def test_overspending_raises_the_price_to_its_bound_and_thrift_brings_it_down() -> None:
    pacer = Pacer(Allowance(usd=1.0))
    for hour in range(20):
        pacer.spend(0.5, JUNE + timedelta(hours=hour))
    assert pacer.price == 1.0
    for day in range(31, 60):
        for hour in range(24):
            pacer.spend(0.0, JUNE + timedelta(days=day, hours=hour))
    assert pacer.price < 0.1


@pytest.mark.parametrize(
    ("period", "begin", "days"),
    [
        ("hour", datetime(2026, 2, 18, 13, tzinfo=UTC), 1 / 24),
        ("day", datetime(2026, 2, 18, tzinfo=UTC), 1),
        ("week", datetime(2026, 2, 16, tzinfo=UTC), 7),
        ("month", datetime(2026, 2, 1, tzinfo=UTC), 28),
    ],
)
def test_periods_are_those_of_the_calendar(period: Period, begin: datetime, days: float) -> None:
    allowance = Allowance(usd=1.0, period=period)
    assert allowance.begin(datetime(2026, 2, 18, 13, 37, 5, 9, tzinfo=UTC)) == begin
    assert allowance.seconds(begin) == pytest.approx(days * DAY)


@pytest.mark.parametrize("usd", [0.0, -1.0, math.inf, math.nan])
def test_an_allowance_is_an_amount(usd: float) -> None:
    with pytest.raises(InvalidInput, match="must be an amount above 0"):
        Allowance(usd=usd)
