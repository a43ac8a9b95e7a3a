"""Shares of a budget over steps: early ones cannot starve late ones, nor anybody the critical ones."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from orchestrator.allocation import Allocation, StepNeed, in_counts, share_of
from storage.budget_records import RESOURCES, Amount, BudgetLimits


@pytest.mark.parametrize(
    ("sla", "p95", "remaining", "steps_left", "share"),
    [
        (None, 0.0, 12.0, 3, 4.0),  # an even part
        (None, 5.0, 12.0, 3, 5.0),  # at least what it takes
        (2.0, 5.0, 12.0, 3, 2.0),  # never beyond its own limit
        (None, 20.0, 12.0, 3, 12.0),  # nor beyond what there is
        (None, 1.0, -1.0, 2, 0.0),
        (9.0, 0.0, 12.0, 0, 9.0),
    ],
)
def test_share_is_the_formula_s(sla: float | None, p95: float, remaining: float, steps_left: int, share: float) -> None:
    assert share_of(sla=sla, p95=p95, remaining=remaining, steps_left=steps_left) == share


def steps(*names: str, critical: str = "") -> dict[str, StepNeed]:
    return {name: StepNeed(is_critical=name == critical) for name in names}


def test_what_a_step_leaves_over_is_shared_by_those_after_it() -> None:
    allocation = Allocation(limits=BudgetLimits(tokens=900, seconds=9.0), needs=steps("a", "b", "c"))
    assert allocation.begin("a", p95=Amount()) == BudgetLimits(tokens=300, seconds=3.0)
    allocation.end("a", spent=Amount(tokens=100, seconds=1.0))
    assert allocation.begin("b", p95=Amount()) == BudgetLimits(tokens=400, seconds=4.0)
    allocation.end("b", spent=Amount(tokens=400, seconds=4.0))
    assert allocation.begin("c", p95=Amount()) == BudgetLimits(tokens=400, seconds=4.0)


def test_steps_side_by_side_leave_each_other_their_shares() -> None:
    allocation = Allocation(limits=BudgetLimits(usd=Decimal("0.9")), needs=steps("a", "b", "c"))
    shares = [allocation.begin(name, p95=Amount()).usd for name in ("a", "b", "c")]
    assert shares == [Decimal("0.3")] * 3


def test_early_steps_that_want_all_leave_the_reserve_to_the_critical_one() -> None:
    greedy = Amount(usd=Decimal(10), tokens=10_000, seconds=100.0)
    whole = BudgetLimits(usd=Decimal(1), tokens=1000, seconds=10.0)
    allocation = Allocation(limits=whole, needs=steps("a", "b", "last", critical="last"))
    first = allocation.begin("a", p95=greedy)
    assert first == BudgetLimits(usd=Decimal("0.8"), tokens=800, seconds=8.0)
    allocation.end("a", spent=Amount(usd=Decimal("0.8"), tokens=800, seconds=8.0))
    assert allocation.begin("b", p95=greedy) == BudgetLimits(usd=Decimal(0), tokens=0, seconds=0.0)
    allocation.end("b", spent=Amount())
    assert allocation.begin("last", p95=greedy) == BudgetLimits(usd=Decimal("0.2"), tokens=200, seconds=2.0)


def test_critical_steps_share_the_reserve() -> None:
    needs = {"a": StepNeed(), "x": StepNeed(is_critical=True), "y": StepNeed(is_critical=True)}
    allocation = Allocation(limits=BudgetLimits(tokens=1000), needs=needs, reserve=0.4)
    assert allocation.begin("a", p95=Amount(tokens=5000)).tokens == 600
    allocation.end("a", spent=Amount(tokens=600))
    assert allocation.begin("x", p95=Amount(tokens=5000)).tokens == 200
    assert allocation.begin("y", p95=Amount(tokens=5000)).tokens == 200


def test_a_resource_without_limit_keeps_the_step_s_own_one() -> None:
    needs = {"a": StepNeed(sla=BudgetLimits(tokens=50)), "b": StepNeed()}
    allocation = Allocation(limits=BudgetLimits(usd=Decimal(1)), needs=needs)
    assert allocation.begin("a", p95=Amount()) == BudgetLimits(usd=Decimal("0.5"), tokens=50)


@pytest.mark.parametrize("seed", range(50))
def test_shares_never_sum_to_more_than_there_is(seed: int) -> None:
    random = Random(seed)
    names = [f"s{place}" for place in range(random.randint(1, 9))]
    whole = BudgetLimits(usd=Decimal("0.01"), tokens=997, seconds=3.3, joules=7.7)
    needs = {name: StepNeed(is_critical=random.random() < 0.3) for name in names}
    allocation, taken, under_way = Allocation(limits=whole, needs=needs), Amount(), dict[str, BudgetLimits]()
    for name in names:
        p95 = Amount(usd=Decimal(random.randint(0, 5)) / 1000, tokens=random.randint(0, 500), seconds=random.random())
        under_way[name] = allocation.begin(name, p95=p95)
        while under_way and random.random() < 0.6:
            done, share = under_way.popitem()
            part = random.choice((0.0, 0.5, 1.0))
            numbers = {each: in_counts(each, float(getattr(share, each)) * part) for each in RESOURCES}
            allocation.end(done, spent=Amount.of(numbers))
            taken += Amount.of(numbers)
        left = whole.less(taken)
        for share in under_way.values():
            left = left.less(Amount.of({each: getattr(share, each) for each in RESOURCES}))
        assert left.fits(Amount()), left
