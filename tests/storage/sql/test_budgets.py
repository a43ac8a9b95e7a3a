"""Four processes with twenty-five callers each share one account, and together never overspend it."""

from __future__ import annotations

import subprocess

import pytest

from storage.conformance import NOTHING, opened
from storage.records import BudgetAccount, usd
from storage.registry import open_stores
from tests.storage.processes import started

CALL = """
import asyncio, sys
from storage.errors import BudgetExceeded
from storage.records import Amount, usd
from storage.registry import open_stores

async def main(url, key):
    stores = await open_stores(url)
    print("ready", flush=True)
    sys.stdin.readline()
    async def call():
        try:
            hold = await stores.budgets.hold(key, Amount(usd=usd("0.0007")), expires_in_seconds=60)
        except BudgetExceeded:
            return 0
        await stores.budgets.settle(hold.id, Amount(usd=usd("0.0007")))
        return 1
    print(sum(await asyncio.gather(*(call() for _ in range(25)))), flush=True)
    await stores.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
async def test_four_processes_never_overspend_together(url: str) -> None:
    stores = await open_stores(url)
    await opened(stores, BudgetAccount(id="tenant", limit_usd=usd("0.01")))
    await opened(stores, *(BudgetAccount(id=f"key_{index}", parent_id="tenant") for index in range(4)))
    callers = [started(CALL, url, f"key_{index}") for index in range(4)]
    for caller in callers:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
    granted = sum(int(caller.communicate(timeout=60)[0]) for caller in callers_released(callers))
    tenant = await stores.budgets.get("tenant")
    assert granted == 14  # 14 x $0.0007 = $0.0098
    assert (tenant.spent_usd, tenant.held_usd) == (usd("0.0098"), NOTHING)
    assert sum((each.spent_usd for each in await stores.budgets.accounts()), NOTHING) == usd("0.0196")
    await stores.close()


def callers_released(callers: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """The callers, all started at once."""
    for caller in callers:
        assert caller.stdin is not None
        caller.stdin.write("go\n")
        caller.stdin.flush()
    return callers
