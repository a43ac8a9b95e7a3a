"""What every budget store owes; part of the suite in storage.conformance."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from storage.audit import verify
from storage.errors import BudgetExceeded, InvalidInput, RecordNotFound
from storage.records import BudgetAccount, Hold, usd, utc_now
from storage.stores import Stores

CALLERS = 100
NOTHING = Decimal(0)


class BudgetConformance:
    """Money that is held or spent is never given twice."""

    async def test_hold_and_settle_are_counted_on_the_account_and_its_ancestors(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="tenant", limit_usd=usd(1)), BudgetAccount(id="key", parent_id="tenant"))
        hold = await stores.budgets.hold("key", usd("0.4"), seconds=60)
        assert await spent_and_held(stores) == [(NOTHING, usd("0.4"))] * 2
        await stores.budgets.settle(hold.id, usd("0.1"))
        await stores.budgets.settle(hold.id, usd("0.3"))  # changes nothing
        assert await spent_and_held(stores) == [(usd("0.1"), NOTHING)] * 2
        assert (await stores.budgets.get("tenant")).remaining_usd == usd("0.9")

    async def test_a_hold_that_does_not_fit_is_refused_and_changes_nothing(self, stores: Stores) -> None:
        await opened(
            stores, BudgetAccount(id="tenant", limit_usd=usd("0.01")), BudgetAccount(id="key", parent_id="tenant")
        )
        await stores.budgets.hold("key", usd("0.004"), seconds=60)
        with pytest.raises(BudgetExceeded, match=r"needs \$0\.0061, has \$0\.006 of \$0\.01 left on account 'tenant'"):
            await stores.budgets.hold("key", usd("0.0061"), seconds=60)
        assert [each.held_usd for each in await stores.budgets.accounts()] == [usd("0.004")] * 2

    async def test_what_was_really_spent_is_charged_even_beyond_the_hold(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd("0.01")))
        hold = await stores.budgets.hold("a", usd("0.01"), seconds=60)
        await stores.budgets.settle(hold.id, usd("0.03"))
        assert (await stores.budgets.get("a")).spent_usd == usd("0.03")
        with pytest.raises(BudgetExceeded, match=r"has \$0\.00 of \$0\.01 left"):
            await stores.budgets.hold("a", usd("0.000000001"), seconds=60)

    async def test_opening_again_sets_the_limit_and_keeps_the_counts(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd(1)))
        hold = await stores.budgets.hold("a", usd("0.5"), seconds=60)
        await stores.budgets.settle(hold.id, usd("0.5"))
        lowered = await stores.budgets.open(BudgetAccount(id="a", limit_usd=usd("0.1")))
        assert lowered == await stores.budgets.get("a")
        assert (lowered.limit_usd, lowered.spent_usd, lowered.remaining_usd) == (usd("0.1"), usd("0.5"), usd("-0.4"))
        assert (await stores.budgets.open(BudgetAccount(id="a"))).remaining_usd is None

    async def test_what_no_account_can_be_is_refused(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="a", limit_usd=usd(1)))
        with pytest.raises(RecordNotFound, match="'nobody'"):
            await stores.budgets.hold("nobody", usd(0), seconds=60)
        with pytest.raises(RecordNotFound, match="'nobody'"):
            await stores.budgets.open(BudgetAccount(id="b", parent_id="nobody"))
        with pytest.raises(RecordNotFound, match="hold_none"):
            await stores.budgets.settle("hold_none", usd(0))
        with pytest.raises(InvalidInput, match="amount_usd"):
            await stores.budgets.hold("a", Decimal(-1), seconds=60)
        await opened(stores, BudgetAccount(id="c"))
        with pytest.raises(InvalidInput, match="cannot move"):
            await stores.budgets.open(BudgetAccount(id="a", parent_id="c"))

    async def test_holds_past_their_time_are_forfeited_once_and_logged(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="tenant", limit_usd=usd(1)), BudgetAccount(id="key", parent_id="tenant"))
        late = await stores.budgets.hold("key", usd("0.2"), seconds=1)
        await stores.budgets.hold("key", usd("0.3"), seconds=3600)
        now = utc_now() + timedelta(seconds=60)
        assert await stores.budgets.reap(now) == [late]
        assert await stores.budgets.reap(now) == []
        await stores.budgets.settle(late.id, usd("0.01"))  # too late: changes nothing
        assert await spent_and_held(stores) == [(usd("0.2"), usd("0.3"))] * 2
        [event] = [each for each in await stores.audit.events() if each.kind == "hold_forfeited"]
        assert event.subject_id == late.id
        assert (await verify(stores)).is_whole

    async def test_a_hundred_callers_never_overspend_together(self, stores: Stores) -> None:
        await opened(stores, BudgetAccount(id="tenant", limit_usd=usd("0.01")))
        await opened(stores, *(BudgetAccount(id=f"key_{index}", parent_id="tenant") for index in range(4)))
        calls = (stores.budgets.hold(f"key_{index % 4}", usd("0.001"), seconds=60) for index in range(CALLERS))
        results: Sequence[object] = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in results} == {Hold, BudgetExceeded}
        holds = [each for each in results if isinstance(each, Hold)]
        assert len(holds) == 10
        await asyncio.gather(*(stores.budgets.settle(hold.id, usd("0.001")) for hold in holds))
        tenant = await stores.budgets.get("tenant")
        assert (tenant.spent_usd, tenant.held_usd, tenant.remaining_usd) == (usd("0.01"), NOTHING, NOTHING)


async def opened(stores: Stores, *accounts: BudgetAccount) -> None:
    for account in accounts:
        await stores.budgets.open(account)


async def spent_and_held(stores: Stores) -> list[tuple[Decimal, Decimal]]:
    return [(account.spent_usd, account.held_usd) for account in await stores.budgets.accounts()]
