"""What every budget store owes; part of the suite in storage.conformance."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from storage.audit import verify
from storage.budget_records import RESOURCES, Resource
from storage.conformance_records import a_decision, a_payload, an_outcome
from storage.errors import BudgetExceeded, InvalidInput, RecordNotFound
from storage.records import Amount, BudgetAccount, BudgetLimits, Hold, usd, utc_now
from storage.stores import Stores

CALLERS = 100
NOTHING = Decimal(0)
DIME = Amount(usd=usd("0.1"))
# What a shared account may spend of a resource, and what each caller takes: fourteen of them fit.
LIMIT_AND_PART: dict[Resource, tuple[Any, Any]] = {
    "usd": (usd("0.01"), usd("0.0007")),
    "tokens": (100, 7),
    "seconds": (1.0, 0.07),
    "joules": (10.0, 0.7),
}


class BudgetConformance:
    """What is held or spent is never given twice, of any resource."""

    async def test_hold_and_settle_are_counted_on_the_account_and_its_ancestors(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="tenant", limit_usd=usd(1)), BudgetAccount(id="key", parent_id="tenant"))
        hold = await stores.budgets.hold("key", Amount(usd=usd("0.4")), expires_in_seconds=60)
        assert await spent_and_held(stores) == [(NOTHING, usd("0.4"))] * 2
        await stores.budgets.settle(hold.id, Amount(usd=usd("0.1")))
        await stores.budgets.settle(hold.id, Amount(usd=usd("0.3")))  # changes nothing
        assert await spent_and_held(stores) == [(usd("0.1"), NOTHING)] * 2
        assert (await stores.budgets.get("tenant")).remaining_usd == usd("0.9")

    async def test_a_hold_that_does_not_fit_is_refused_and_changes_nothing(self, stores: Stores) -> None:
        await opened(
            stores, BudgetAccount(id="tenant", limit_usd=usd("0.01")), BudgetAccount(id="key", parent_id="tenant")
        )
        await stores.budgets.hold("key", Amount(usd=usd("0.004")), expires_in_seconds=60)
        with pytest.raises(BudgetExceeded, match=r"needs \$0\.0061, has \$0\.006 of \$0\.01 left on account 'tenant'"):
            await stores.budgets.hold("key", Amount(usd=usd("0.0061")), expires_in_seconds=60)
        assert [each.held_usd for each in await stores.budgets.accounts()] == [usd("0.004")] * 2

    async def test_what_was_really_spent_is_charged_even_beyond_the_hold(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd("0.01")))
        hold = await stores.budgets.hold("a", Amount(usd=usd("0.01")), expires_in_seconds=60)
        await stores.budgets.settle(hold.id, Amount(usd=usd("0.03")))
        assert (await stores.budgets.get("a")).spent_usd == usd("0.03")
        with pytest.raises(BudgetExceeded, match=r"has \$0\.00 of \$0\.01 left"):
            await stores.budgets.hold("a", Amount(usd=usd("0.000000001")), expires_in_seconds=60)

    async def test_opening_again_sets_the_limit_and_keeps_the_counts(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd(1)))
        hold = await stores.budgets.hold("a", Amount(usd=usd("0.5")), expires_in_seconds=60)
        await stores.budgets.settle(hold.id, Amount(usd=usd("0.5")))
        lowered = await stores.budgets.open(BudgetAccount(id="a", limit_usd=usd("0.1")))
        assert lowered == await stores.budgets.get("a")
        assert (lowered.limit_usd, lowered.spent_usd, lowered.remaining_usd) == (usd("0.1"), usd("0.5"), usd("-0.4"))
        assert (await stores.budgets.open(BudgetAccount(id="a"))).remaining_usd is None

    async def test_what_no_account_can_be_is_refused(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd(1)))
        with pytest.raises(RecordNotFound, match="'nobody'"):
            await stores.budgets.hold("nobody", Amount(usd=usd(0)), expires_in_seconds=60)
        with pytest.raises(RecordNotFound, match="'nobody'"):
            await stores.budgets.open(BudgetAccount(id="b", parent_id="nobody"))
        with pytest.raises(RecordNotFound, match="hold_none"):
            await stores.budgets.settle("hold_none", Amount(usd=usd(0)))
        with pytest.raises(InvalidInput, match="amount_usd"):
            await stores.budgets.hold("a", Amount(usd=Decimal(-1)), expires_in_seconds=60)
        await opened(stores, BudgetAccount(id="c"))
        with pytest.raises(InvalidInput, match="cannot move"):
            await stores.budgets.open(BudgetAccount(id="a", parent_id="c"))

    async def test_what_is_held_and_what_ran_out_can_be_looked_at(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a"), BudgetAccount(id="run_1", parent_id="a"))
        late = await stores.budgets.hold("a", DIME, expires_in_seconds=600)
        soon = await stores.budgets.hold("run_1", Amount(usd=usd("0.2"), tokens=7), expires_in_seconds=60)
        assert [hold.id for hold in await stores.budgets.open_holds(limit=9)] == [soon.id, late.id]
        assert [hold.id for hold in await stores.budgets.open_holds(limit=1)] == [soon.id]
        assert await stores.budgets.forfeits(limit=9) == []
        now = utc_now() + timedelta(seconds=90)
        await stores.budgets.reap(now)
        assert [hold.id for hold in await stores.budgets.open_holds(limit=9)] == [late.id]
        [forfeit] = await stores.budgets.forfeits(limit=9)
        assert (forfeit.hold_id, forfeit.account_id, forfeit.forfeited_at) == (soon.id, "run_1", now)
        assert forfeit.amount == Amount(usd=usd("0.2"), tokens=7)
        assert [each.id for each in await stores.budgets.accounts(without="run_")] == ["a"]

    async def test_holds_past_their_time_are_forfeited_once_and_logged(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="tenant", limit_usd=usd(1)), BudgetAccount(id="key", parent_id="tenant"))
        late = await stores.budgets.hold("key", Amount(usd=usd("0.2")), expires_in_seconds=1)
        await stores.budgets.hold("key", Amount(usd=usd("0.3")), expires_in_seconds=3600)
        now = utc_now() + timedelta(seconds=60)
        assert await stores.budgets.reap(now) == [late]
        assert await stores.budgets.reap(now) == []
        await stores.budgets.settle(late.id, Amount(usd=usd("0.01")))  # too late: changes nothing
        assert await spent_and_held(stores) == [(usd("0.2"), usd("0.3"))] * 2
        [event] = [each for each in await stores.audit.events() if each.kind == "hold_forfeited"]
        assert event.subject_id == late.id
        assert (await verify(stores)).is_whole

    async def test_every_resource_is_counted_apart_here_and_above(self, stores: Stores) -> None:
        whole = BudgetLimits(usd=usd(1), tokens=1000, seconds=10.0, joules=50.0)
        await opened(stores, BudgetAccount.of("tenant", whole), BudgetAccount(id="key", parent_id="tenant"))
        wanted = Amount(usd=usd("0.1"), tokens=300, seconds=0.7, joules=20.5)
        hold = await stores.budgets.hold("key", wanted, expires_in_seconds=60)
        assert hold.amount == wanted
        assert [(each.spent, each.held) for each in await stores.budgets.accounts()] == [(Amount(), wanted)] * 2
        actual = Amount(usd=usd("0.05"), tokens=212, seconds=0.2, joules=3.25)
        await stores.budgets.settle(hold.id, actual)
        tenant = await stores.budgets.get("tenant")
        assert (tenant.spent, tenant.held, tenant.limits) == (actual, Amount(), whole)
        assert tenant.remaining == BudgetLimits(usd=usd("0.95"), tokens=788, seconds=9.8, joules=46.75)
        assert (await stores.budgets.get("key")).remaining == BudgetLimits()

    async def test_one_resource_that_is_short_refuses_all_and_is_named(self, stores: Stores) -> None:
        limits = BudgetLimits(usd=usd(1), tokens=1000, seconds=10.0, joules=50.0)
        await opened(stores, BudgetAccount.of("tenant", limits), BudgetAccount(id="key", parent_id="tenant"))
        for amount, said in (
            (Amount(tokens=1001), "needs 1001 tokens, has 1000 tokens of 1000 tokens left on account 'tenant'"),
            (Amount(seconds=10.5), "needs 10.5 s, has 10 s of 10 s left"),
            (Amount(joules=50.000001), "needs 50.000001 J, has 50 J of 50 J left"),
            (Amount(usd=usd(2), tokens=2000), r"needs \$2\.00, has \$1\.00 .*; needs 2000 tokens"),
        ):
            with pytest.raises(BudgetExceeded, match=said):
                await stores.budgets.hold("key", amount, expires_in_seconds=60)
        assert all(each.held == Amount() for each in await stores.budgets.accounts())

    async def test_tenths_that_binary_cannot_hold_fill_a_limit_exactly(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_seconds=1.0, limit_joules=0.3))
        for _ in range(10):
            hold = await stores.budgets.hold("a", Amount(seconds=0.1, joules=0.03), expires_in_seconds=60)
            await stores.budgets.settle(hold.id, hold.amount)
        account = await stores.budgets.get("a")
        assert (account.spent, account.held) == (Amount(seconds=1.0, joules=0.3), Amount())
        with pytest.raises(BudgetExceeded, match=r"needs 0\.000001 s, has 0 s of 1 s left"):
            await stores.budgets.hold("a", Amount(seconds=1e-9), expires_in_seconds=60)

    async def test_lifting_raises_what_is_limited_by_that_much(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd(1), limit_tokens=100))
        await asyncio.gather(*(stores.budgets.lift("a", BudgetLimits(tokens=10, joules=5.0)) for _ in range(20)))
        account = await stores.budgets.get("a")
        assert account.limits == BudgetLimits(usd=usd(1), tokens=300)
        assert await stores.budgets.lift("a", BudgetLimits(usd=usd("0.5"))) == await stores.budgets.get("a")
        with pytest.raises(InvalidInput, match="more_tokens"):
            await stores.budgets.lift("a", BudgetLimits(tokens=-1))
        with pytest.raises(RecordNotFound, match="'nobody'"):
            await stores.budgets.lift("nobody", BudgetLimits(tokens=1))

    @pytest.mark.parametrize("resource", RESOURCES)
    async def test_a_hundred_callers_never_overspend_any_resource(self, stores: Stores, resource: Resource) -> None:
        limit, each = LIMIT_AND_PART[resource]
        await opened(stores, BudgetAccount.of("tenant", BudgetLimits(**{resource: limit})))
        await opened(stores, *(BudgetAccount(id=f"key_{index}", parent_id="tenant") for index in range(4)))
        part = Amount(**{resource: each})
        calls = (stores.budgets.hold(f"key_{n % 4}", part, expires_in_seconds=60) for n in range(CALLERS))
        results: Sequence[object] = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {Hold, BudgetExceeded}
        holds = [result for result in results if isinstance(result, Hold)]
        assert len(holds) == 14
        await asyncio.gather(*(stores.budgets.settle(hold.id, part) for hold in holds))
        tenant = await stores.budgets.get("tenant")
        assert (tenant.held, tenant.remaining.missing(Amount())) == (Amount(), Amount())
        assert sum((key.spent for key in await stores.budgets.accounts() if key.parent_id), Amount()) == tenant.spent

    async def test_a_hundred_callers_never_overspend_together(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="tenant", limit_usd=usd("0.01")))
        await opened(stores, *(BudgetAccount(id=f"key_{index}", parent_id="tenant") for index in range(4)))
        calls = (
            stores.budgets.hold(f"key_{index % 4}", Amount(usd=usd("0.001")), expires_in_seconds=60)
            for index in range(CALLERS)
        )
        results: Sequence[object] = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in results} == {Hold, BudgetExceeded}
        holds = [each for each in results if isinstance(each, Hold)]
        assert len(holds) == 10
        await asyncio.gather(*(stores.budgets.settle(hold.id, Amount(usd=usd("0.001"))) for hold in holds))
        tenant = await stores.budgets.get("tenant")
        assert (tenant.spent_usd, tenant.held_usd, tenant.remaining_usd) == (usd("0.01"), NOTHING, NOTHING)

    async def test_a_line_goes_from_the_account_to_the_root(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="tenant", limit_usd=usd(1)), BudgetAccount(id="key", parent_id="tenant"))
        await stores.budgets.hold("key", Amount(usd=usd("0.4")), expires_in_seconds=60)
        line = await stores.budgets.line("key")
        assert [(each.id, each.held_usd) for each in line] == [("key", usd("0.4")), ("tenant", usd("0.4"))]
        assert line == [await stores.budgets.get("key"), await stores.budgets.get("tenant")]
        with pytest.raises(RecordNotFound, match="'nobody'"):
            await stores.budgets.line("nobody")

    async def test_items_are_written_with_the_hold_and_with_its_settlement(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd(1)))
        question, answer = a_payload("2 + 2?"), a_payload("4")
        decision = a_decision(question)
        outcome = an_outcome(decision, answer)
        hold = await stores.budgets.hold("a", DIME, expires_in_seconds=60, items=[question, decision])
        assert await stores.decisions.get(decision.id) == decision
        await stores.budgets.settle(hold.id, DIME, items=[answer, outcome])
        await stores.budgets.settle(hold.id, DIME, items=[answer, outcome])  # the same again changes nothing
        assert await stores.decisions.outcomes_of(decision.id) == [outcome]
        assert await spent_and_held(stores) == [(usd("0.1"), NOTHING)]
        assert (await verify(stores)).is_whole

    async def test_a_hold_that_does_not_fit_leaves_its_items_written(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd("0.01")))
        question = a_payload("2 + 2?")
        decision = a_decision(question)
        with pytest.raises(BudgetExceeded):
            await stores.budgets.hold("a", DIME, expires_in_seconds=60, items=[question, decision])
        assert await stores.decisions.get(decision.id) == decision
        assert await spent_and_held(stores) == [(NOTHING, NOTHING)]

    async def test_items_that_are_refused_hold_nothing_and_settle_all_the_same(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd(1)))
        question = a_payload("2 + 2?")
        decision = a_decision(question)
        with pytest.raises(RecordNotFound, match="No payload"):
            await stores.budgets.hold("a", DIME, expires_in_seconds=60, items=[decision])
        assert await spent_and_held(stores) == [(NOTHING, NOTHING)]
        hold = await stores.budgets.hold("a", DIME, expires_in_seconds=60)
        with pytest.raises(RecordNotFound, match="No decision"):
            await stores.budgets.settle(hold.id, DIME, items=[an_outcome(decision)])
        assert await spent_and_held(stores) == [(usd("0.1"), NOTHING)]

    async def test_many_at_once_hold_and_settle_with_their_items_and_all_adds_up(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="tenant", limit_usd=usd(1)), BudgetAccount(id="key", parent_id="tenant"))

        async def run(number: int) -> bool:
            question = a_payload(f"{number}?")
            decision = a_decision(question)
            try:
                hold = await stores.budgets.hold("key", DIME, expires_in_seconds=60, items=[question, decision])
            except BudgetExceeded:
                return False
            await stores.budgets.settle(hold.id, Amount(usd=usd("0.03")), items=[an_outcome(decision)])
            return True

        answered = sum(await asyncio.gather(*map(run, range(CALLERS))))
        assert 10 <= answered <= 33  # ten at once, and never more than the limit pays for
        assert await spent_and_held(stores) == [(answered * usd("0.03"), NOTHING)] * 2
        assert (await verify(stores)).is_whole


async def opened(stores: Stores, *accounts: BudgetAccount) -> None:
    for account in accounts:
        await stores.budgets.open(account)


async def spent_and_held(stores: Stores) -> list[tuple[Decimal, Decimal]]:
    return [(account.spent_usd, account.held_usd) for account in await stores.budgets.accounts()]
