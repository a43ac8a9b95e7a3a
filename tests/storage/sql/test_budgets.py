"""Four processes with twenty-five callers each share one account, and together never overspend it."""

from __future__ import annotations

import subprocess

import pytest

from storage.conformance import opened
from storage.records import Amount, BudgetAccount, BudgetLimits, usd
from storage.registry import open_stores
from tests.storage.processes import started

LIMITS = BudgetLimits(usd=usd("0.01"), tokens=100, seconds=1.0, joules=10.0)
CALL = """
import asyncio, sys
from storage.errors import BudgetExceeded
from storage.records import Amount, usd
from storage.registry import open_stores

PART = Amount(usd=usd("0.0007"), tokens=7, seconds=0.07, joules=0.7)

async def main(url, key):
    stores = await open_stores(url)
    print("ready", flush=True)
    sys.stdin.readline()
    async def call():
        try:
            hold = await stores.budgets.hold(key, PART, expires_in_seconds=60)
        except BudgetExceeded:
            return 0
        await stores.budgets.settle(hold.id, PART)
        return 1
    print(sum(await asyncio.gather(*(call() for _ in range(25)))), flush=True)
    await stores.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
async def test_four_processes_never_overspend_together(url: str) -> None:
    stores = await open_stores(url)
    await opened(stores, BudgetAccount.of("tenant", LIMITS))
    await opened(stores, *(BudgetAccount(id=f"key_{index}", parent_id="tenant") for index in range(4)))
    callers = [started(CALL, url, f"key_{index}") for index in range(4)]
    for caller in callers:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
    granted = sum(int(caller.communicate(timeout=60)[0]) for caller in callers_released(callers))
    tenant = await stores.budgets.get("tenant")
    spent = Amount(usd=usd("0.0098"), tokens=98, seconds=0.98, joules=9.8)  # 14 times what each takes
    assert granted == 14
    assert (tenant.spent, tenant.held) == (spent, Amount())
    assert sum((each.spent for each in await stores.budgets.accounts()), Amount()) == spent + spent
    await stores.close()


def callers_released(callers: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """The callers, all started at once."""
    for caller in callers:
        assert caller.stdin is not None
        caller.stdin.write("go\n")
        caller.stdin.flush()
    return callers
