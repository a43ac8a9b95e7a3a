"""The page of budgets: the tree, what is left of each resource, what is held and what ran out, and whose it is."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from orchestrator.rest.console.pages.budgets import row_of, tree_of
from orchestrator.service import Service
from storage.budget_records import BudgetLimits
from storage.records import Amount, BudgetAccount, utc_now
from tests.conftest import MakeService
from tests.orchestrator.console.looking import HOSTILE, page_of
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder


async def opened(service: Service, id: str, usd: str | None = None, *, parent_id: str = "default") -> None:
    limits = BudgetLimits(usd=None if usd is None else Decimal(usd))
    await service.stores.budgets.open(BudgetAccount.of(id, limits, parent_id=parent_id))


async def held(service: Service, id: str, amount: str, *, seconds: float = 60) -> str:
    budgets = service.stores.budgets
    return (await budgets.hold(id, Amount(usd=Decimal(amount)), expires_in_seconds=seconds)).id


async def test_accounts_are_a_tree_with_what_is_left(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service()
    await opened(service, "team", "2")
    await opened(service, "intern", "0.5", parent_id="team")
    await opened(service, "run_1", "0.1", parent_id="intern")
    hold_id = await held(service, "intern", "0.25")
    await service.stores.budgets.settle(hold_id, Amount(usd=Decimal("0.3")))
    await held(service, "intern", "0.15")
    text = await page_of(await make_http(service=service), "/console/budgets")
    assert 'class="depth-2">intern<' in text and "run_1" not in text
    row = text.split(">intern<")[1].split("</tr>")[0]
    assert "$0.30" in row and "$0.15" in row and "$0.50" in row and "$0.05" in row
    assert 'class="warn" x="0" y="0" width="60.0%"' in row and 'x="60.0%" y="0" width="30.0%"' in row


async def test_what_is_held_and_what_ran_out_is_listed(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service()
    await opened(service, "pocket")
    await held(service, "pocket", "0.07", seconds=3600)
    await held(service, "pocket", "0.03", seconds=1)
    await service.stores.budgets.reap(utc_now() + timedelta(seconds=5))
    text = await page_of(await make_http(service=service), "/console/budgets")
    now, ran_out = text.split("Held now")[1].split("Ran out and")
    assert "$0.07" in now and "$0.03" not in now
    assert "$0.03" in ran_out and "$0.07" not in ran_out


async def test_accounts_are_found_by_their_id_and_listed_page_by_page(
    make_http: MakeHttp, make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.rest.console.pages.budgets.ACCOUNTS_A_PAGE", 2)
    service = await make_service()
    for name in ("a-team", "b-team", "c-crew"):
        await opened(service, name)
    http = await make_http(service=service)
    first = await page_of(http, "/console/budgets")
    assert ">a-team<" in first and ">c-crew<" not in first
    second = await page_of(http, first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&"))
    assert ">c-crew<" in second and ">a-team<" not in second
    found = await page_of(http, "/console/budgets?q=CREW")
    assert ">c-crew<" in found and ">a-team<" not in found
    assert "No such account" in await page_of(http, "/console/budgets?q=%3Cb%3E")


async def test_a_tenant_sees_its_own_accounts_holds_and_forfeits(
    make_http: MakeHttp, make_service: MakeService
) -> None:
    service = await make_service()
    http = await make_http(service=service, rules=RULES)
    stranger = await holder(service, tenant="umbrella", role="reader")
    own = (await service.stores.keys.tenant("umbrella")).account_id
    await opened(service, "rival")
    await opened(service, "run_7", parent_id=own)
    for account in ("rival", "run_7"):
        await held(service, account, "0.11", seconds=3600)
        await held(service, account, "0.13", seconds=1)
    await service.stores.budgets.reap(utc_now() + timedelta(seconds=5))
    text = await page_of(http, "/console/budgets", headers=stranger.headers)
    assert own in text and "rival" not in text and "default<" not in text
    assert text.count("run_7") == 2 and "$0.11" in text and "$0.13" in text


async def test_names_of_accounts_are_only_text(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service()
    await opened(service, HOSTILE)
    assert "&lt;img src=x" in await page_of(await make_http(service=service), "/console/budgets")


def test_a_parent_that_is_not_shown_is_named() -> None:
    rows = tree_of(
        [BudgetAccount(id="child", parent_id="elsewhere"), BudgetAccount(id="grandchild", parent_id="child")]
    )
    assert [(row.account.id, row.depth, row.parent_id) for row in rows] == [
        ("child", 0, "elsewhere"), ("grandchild", 1, None),
    ]  # fmt: skip


def test_every_limited_or_used_resource_has_a_line_and_a_bar_never_leaves_its_box() -> None:
    account = BudgetAccount(
        id="a", limit_tokens=100, limit_usd=Decimal(0), spent=Amount(tokens=90, seconds=3.0), held=Amount(tokens=30)
    )
    uses = {use.resource: use for use in row_of(account, depth=0).uses}
    assert list(uses) == ["usd", "tokens", "seconds"]
    assert (uses["tokens"].spent_width, round(uses["tokens"].held_width, 6), uses["tokens"].look) == (90.0, 10.0, "bad")
    assert (uses["usd"].spent_width, uses["usd"].held_width) == (100.0, 0.0)
    assert (uses["seconds"].limit, uses["seconds"].left) == (None, None)
