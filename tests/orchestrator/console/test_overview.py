"""The first page: figures of what was decided, in which period, for whom, and what needs an eye."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from orchestrator.identity import Identity
from orchestrator.jobs.request import JobRequest
from orchestrator.service import Service
from storage.budget_records import BudgetLimits
from storage.conformance_records import a_decision, a_payload
from storage.records import Amount, BudgetAccount, utc_now
from storage.webhook_records import Delivery
from tests.conftest import MakeService, fails
from tests.orchestrator.console.looking import HOSTILE, page_of
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder

FRANCE = "What is the capital of France?"


def figure(html: str, name: str) -> str:
    """What stands under that name, with its words, without its markup."""
    block = html.split(f"<dt>{name}</dt>")[1].split("</div>")[0]
    return " ".join(" ".join(piece.partition(">")[2] for piece in block.split("<")).split())


async def judged(service: Service, candidate: str, quality: float) -> None:
    run = await service.run(FRANCE, candidate=candidate)
    await service.feedback(run.decision_id, quality=quality)


async def test_without_decisions_the_page_says_how_to_ask(make_http: MakeHttp) -> None:
    http = await make_http()
    assert "antroute ask" in await page_of(http, "/console?period=all")
    assert "Show all that is stored" in await page_of(http, "/console")


async def test_figures_add_up_and_lead_to_their_decisions(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service()
    await judged(service, "small", 0.5)
    await judged(service, "large", 1.0)
    await service.run(FRANCE, candidate="small")
    text = await page_of(await make_http(service=service), "/console")
    assert figure(text, "Decisions").startswith("3 ")
    assert figure(text, "Mean judged quality").startswith("0.750 of 2 judged")
    saved = figure(text, "Saved against best single")
    assert saved.startswith("$0.0") and "that large alone would have cost" in saved
    assert "large with 1.000 over 1 judged answers" in text
    assert "status=failed" in text and "close=yes" in text
    assert text.count('<svg class="chart"') == 5


async def test_each_period_has_its_page_and_another_one_is_refused(
    make_http: MakeHttp, make_service: MakeService
) -> None:
    service = await make_service()
    await service.run(FRANCE)
    http = await make_http(service=service)
    for name in ("24h", "7d", "30d", "all"):
        assert figure(await page_of(http, f"/console?period={name}"), "Decisions").startswith("1 ")
    assert (await http.get("/console?period=1y")).status_code == 422


async def test_a_tenant_sees_its_own_figures_alone(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service()
    http = await make_http(service=service, rules=RULES)
    stranger = await holder(service, tenant="umbrella", role="reader")
    await service.run(FRANCE)
    assert "No decisions in the last 24 hours" in await page_of(http, "/console", headers=stranger.headers)
    account = (await service.stores.keys.tenant("umbrella")).account_id
    own = Identity(tenant="umbrella", principal="u", role="writer", account_id=account, key_id=stranger.id)
    await service.run(FRANCE, identity=own)
    assert figure(await page_of(http, "/console", headers=stranger.headers), "Decisions").startswith("1 ")


async def test_names_in_the_log_are_only_text(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service()
    payload = a_payload()
    await service.stores.journal.write(payload, a_decision(payload, candidate_id=HOSTILE))
    assert "&lt;img src=x" in await page_of(await make_http(service=service), "/console")


async def test_what_needs_an_eye_is_named_with_its_page(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(small=fails, large=fails, server={"secret": "s" * 48})
    job = await service.jobs.submit(JobRequest(input={"text": FRANCE}))
    service.worker.start()
    assert (await service.jobs.wait(job.id, timeout_seconds=20)).state == "failed"
    budgets = service.stores.budgets
    await budgets.open(BudgetAccount.of("pocket", BudgetLimits(usd=Decimal("0.01")), parent_id="default"))
    hold = await budgets.hold("pocket", Amount(usd=Decimal("0.009")), expires_in_seconds=60)
    dead = Delivery(
        tenant="default", job_id=job.id, url="https://example.org", kind="job.failed", body="{}", state="given_up"
    )
    await service.stores.deliveries.put(dead)
    text = await page_of(await make_http(service=service), "/console")
    assert "1 job failed" in text and "state=failed" in text
    assert "Account pocket has used 90.0 % of its usd" in text
    assert f'href="/console/jobs/{job.id}">1 webhook message was given up' in text
    await budgets.settle(hold.id, Amount())
    text = await page_of(await make_http(service=service), "/console")
    assert "pocket" not in text


async def test_a_checkpoint_that_is_late_and_a_place_outside_that_fails_are_trouble(
    make_http: MakeHttp, make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await make_service()
    checkpointer = service.audit.checkpointer
    assert checkpointer is not None
    await service.run(FRANCE)
    await checkpointer.stop()
    http = await make_http(service=service)
    assert "not signed" not in await page_of(http, "/console")
    await service.run(FRANCE)
    later = utc_now() + timedelta(seconds=checkpointer.late_seconds + 30)
    monkeypatch.setattr("orchestrator.rest.console.alerts.utc_now", lambda: later)
    checkpointer.outside_trouble = "the disk is full"
    text = await page_of(http, "/console")
    assert "events of the log are not signed; the newest checkpoint is 1 min" in text
    assert "the disk is full" in text.split("Needs an eye")[1]


async def test_a_reader_is_told_what_is_left_out(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(small=fails, large=fails)
    http, reader = await make_http(service=service, rules=RULES), await holder(service, role="reader")
    service.nodes.health.failed("small", "http://10.0.0.7 is down", retry_after_seconds=60)
    text = await page_of(http, "/console", headers=reader.headers)
    assert "are for operators" in text and "10.0.0.7" not in text
    operator = await holder(service, role="operator", name="op")
    assert "10.0.0.7" in await page_of(http, "/console", headers=operator.headers)


async def test_while_rows_are_being_made_the_page_says_so(
    make_http: MakeHttp, make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await make_service()
    monkeypatch.setattr("orchestrator.rest.console.pages.overview.CATCH_UP_SECONDS", 0.0)
    monkeypatch.setattr("storage.memory_summaries.EVENTS_A_SLICE", 1)
    http: httpx.AsyncClient = await make_http(service=service)
    await service.run(FRANCE)
    text = await page_of(http, "/console")
    assert "are not counted yet" in text and 'hx-select="#main"' in text and "No decisions" not in text
