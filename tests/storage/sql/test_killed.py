"""kill -9 in mid-work: what was acknowledged is there, the log is whole, and the accounts add up."""

from __future__ import annotations

import signal

import pytest
from sqlalchemy import select

from storage.audit import verify
from storage.budget_records import Amount
from storage.records import usd
from storage.registry import open_stores
from storage.sql.budgets import SqlBudgetStore
from storage.sql.tables import budget_holds
from tests.storage.processes import started

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
HELD, SPENT = usd("0.01"), usd("0.003")

RUN_FOREVER = """
import asyncio, sys
from decimal import Decimal
from storage.budget_records import Amount, BudgetAccount
from storage.conformance import a_decision, a_payload, an_outcome
from storage.registry import open_stores

async def main():
    stores = await open_stores(sys.argv[1], mode=sys.argv[2])
    await stores.budgets.open(BudgetAccount(id="tenant"))
    await stores.budgets.open(BudgetAccount(id="key", parent_id="tenant"))
    held, spent = Amount(usd=Decimal("0.01")), Amount(usd=Decimal("0.003"))
    async def run():
        while True:
            text = a_payload()
            decision = a_decision(text)
            hold = await stores.budgets.hold("key", held, expires_in_seconds=60, items=[text, decision])
            print("decided", decision.id, flush=True)
            await stores.budgets.settle(hold.id, spent, items=[an_outcome(decision)])
            print("ended", decision.id, flush=True)
    await asyncio.gather(*(run() for _ in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["sync", "grouped"])
@pytest.mark.parametrize("url", BACKENDS, indirect=True)
async def test_decisions_with_holds_and_outcomes_with_settlements_survive_together(url: str, mode: str) -> None:
    with started(RUN_FOREVER, url, mode) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().split() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        told += [line.split() for line in process.stdout if line.endswith("\n")]
    stores = await open_stores(url)
    for what, decision_id in told:
        await stores.decisions.get(decision_id)
        assert what == "decided" or len(await stores.decisions.outcomes_of(decision_id)) == 1
    assert (await verify(stores)).is_whole
    assert isinstance(stores.budgets, SqlBudgetStore)
    charged = await stores.budgets.read(
        lambda connection: connection.execute(select(budget_holds.c.charged_nano)).scalars().all()
    )
    under_way = charged.count(None)
    for account in await stores.budgets.accounts():
        assert account.held == Amount(usd=under_way * HELD)
        assert account.spent == Amount(usd=(len(charged) - under_way) * SPENT)
    await stores.close()
