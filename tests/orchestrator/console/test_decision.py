"""The page of a decision: why this one, what came of it, its place in the log; judged and verified from there."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from orchestrator.identity import Identity
from orchestrator.rest.console.event_check import checks_of
from orchestrator.service import Service
from storage.checkpoint_proof import check_proof
from storage.conformance_records import a_decision, a_selection, an_outcome
from storage.records import Decision, Payload
from tests.conftest import MakeService, fails
from tests.orchestrator.console.looking import HOSTILE, OWN, assert_inert, page_of
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.rest_keys import RULES, holder

FRANCE = "What is the capital of France?"
NOBODY = "decision_0000000000000000"


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    return await make_service()


@pytest.fixture
async def http(make_http: MakeHttp, service: Service) -> httpx.AsyncClient:
    return await make_http(service=service)


async def made(service: Service, text: str = FRANCE, **options: object) -> Decision:
    run = await service.run(text, **options)  # type: ignore[arg-type]  # options of a run, as the tests name them
    return await service.stores.decisions.get(run.decision_id)


async def signed(service: Service) -> None:
    """All that the log has by now is in a checkpoint."""
    assert service.audit.checkpointer is not None
    await service.audit.checkpointer.look(is_last=True)


def address(decision: Decision) -> str:
    return f"/console/decisions/{decision.id}"


async def test_the_page_says_why_with_figures_and_pictures(service: Service, http: httpx.AsyncClient) -> None:
    decision = await made(service, policy="linucb")
    text = await page_of(http, address(decision))
    assert "Picked " in text and "with probability" in text and "policy &#39;linucb&#39;" in text
    assert text.count('role="img"') >= 3
    for part in (FRANCE, "Paris", decision.policy_sha256, decision.payload_digest, "seed 7, counter"):
        assert part in text


async def test_a_masked_candidate_is_there_with_its_reason(service: Service, http: httpx.AsyncClient) -> None:
    text = await page_of(http, address(await made(service, candidate="small")))
    masked = text.split("Masked: could not be picked")[1].split("</section>")[0]
    assert "large" in masked and "only one allowed" in text


async def test_attempts_of_a_run_lead_to_each_other(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(small=fails)
    decision = await made(service, policy="uniform")
    while decision.attempt == 1:  # the one that works was drawn first
        decision = await made(service, policy="uniform")
    text = await page_of(await make_http(service=service), address(decision))
    attempts = (await service.trace(decision.run_id)).attempts
    assert all(f'href="/console/decisions/{each.decision.id}"' in text for each in attempts)
    first = await page_of(await make_http(service=service), address(attempts[0].decision))
    assert "model_unavailable" in first and "The model server is down." in first


async def test_neighbours_in_the_log_are_offered(service: Service, http: httpx.AsyncClient) -> None:
    older, middle, newer = [await made(service) for _ in range(3)]
    text = await page_of(http, address(middle))
    assert f'rel="prev" href="{address(older)}"' in text and f'rel="next" href="{address(newer)}"' in text


async def test_the_answer_is_judged_on_the_page(service: Service, http: httpx.AsyncClient) -> None:
    decision = await made(service)
    answer = await http.post(f"{address(decision)}/judge", data={"quality": "0.25"}, headers=OWN)
    assert answer.status_code == 303
    text = await page_of(http, answer.headers["location"])
    assert "The verdict is recorded" in text and "by user" in text and ">0.25<" in text
    for quality in ("2", "-1", "nan", "good", ""):
        refused = await http.post(f"{address(decision)}/judge", data={"quality": quality}, headers=OWN)
        assert refused.status_code in (400, 422)


async def test_a_reader_is_offered_no_verdict_and_may_give_none(make_http: MakeHttp, service: Service) -> None:
    decision, reader = await made(service), await holder(service, role="reader")
    http = await make_http(service=service, rules=RULES)
    assert "/judge" not in await page_of(http, address(decision), headers=reader.headers)
    sent = {"quality": "1"}
    answer = await http.post(f"{address(decision)}/judge", data=sent, headers={**OWN, **reader.headers})
    assert answer.status_code == 403


async def test_an_unknown_decision_and_another_tenants_are_told_in_the_same_words(
    make_http: MakeHttp, service: Service
) -> None:
    run = await service.run(FRANCE, identity=Identity(tenant="other", principal="p", role="writer"))
    writer = await holder(service, role="writer")
    http = await make_http(service=service, rules=RULES)
    headers = {**OWN, **writer.headers}
    for method, path in (("GET", ""), ("GET", "/question.txt"), ("POST", "/verify"), ("POST", "/judge")):
        said = []
        for decision_id in (run.decision_id, NOBODY):
            sent = {"quality": "1"} if path == "/judge" else None
            answer = await http.request(method, f"/console/decisions/{decision_id}{path}", data=sent, headers=headers)
            assert answer.status_code == 404
            said.append(answer.text.replace(decision_id, "ID"))
        assert said[0] == said[1]


async def stored(service: Service, text: str, **changes: object) -> Decision:
    """A decision as a log may hold it, with an outcome, whoever wrote it."""
    question, answer = Payload.of(text), Payload.of(text)
    decision = replace(a_decision(question), **changes)  # type: ignore[arg-type]  # fields of a decision
    outcome = replace(an_outcome(decision, answer), error_code="internal_error", error_message=text[:1000])
    await service.stores.journal.write(question, answer, decision, outcome)
    return decision


async def test_a_decision_for_nobody_says_so_and_is_not_under_way(service: Service, http: httpx.AsyncClient) -> None:
    masked = tuple(replace(each, mask_reason="too dear") for each in a_decision(Payload.of("")).assessments)
    question = Payload.of(FRANCE)
    decision = replace(a_decision(question), candidate_id=None, propensity=0.0, assessments=masked)
    await service.stores.journal.write(question, decision)
    text = await page_of(http, address(decision))
    assert "Nobody was picked" in text and "nobody was asked" in text and "/judge" not in text
    row = await page_of(http, "/console/decisions")
    assert "unanswered" in row and "data-under-way" not in row


async def test_a_whole_text_is_a_file_that_no_browser_opens(service: Service, http: httpx.AsyncClient) -> None:
    decision = await stored(service, "<script>alert(1)</script>" + "x" * 30_000)
    text = await page_of(http, address(decision))
    assert "and 10,025 characters more" in text and f'href="{address(decision)}/question.txt"' in text
    for name in ("question", "answer"):
        answer = await http.get(f"{address(decision)}/{name}.txt")
        assert len(answer.text) == 30_025
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_erased_question_is_not_there(service: Service, http: httpx.AsyncClient) -> None:
    decision = await made(service)
    await service.stores.payloads.erase(decision.payload_id)
    text = await page_of(http, address(decision))
    assert "(erased)" in text and FRANCE not in text
    assert (await http.get(f"{address(decision)}/question.txt")).status_code == 404


async def test_an_event_is_verified_on_its_own(make_http: MakeHttp, make_service: MakeService) -> None:
    service = await make_service(audit={"is_signed": False})
    decision, http = await made(service), await make_http(service=service)
    answer = await http.post(f"{address(decision)}/verify", headers={**OWN, "hx-request": "true"})
    assert answer.text.count("verified") == 3 and "broken" not in answer.text
    assert "in no signed checkpoint yet" in answer.text
    assert (await http.get(f"{address(decision)}/proof.json")).status_code == 404


async def test_without_script_a_part_is_a_page_of_its_own(service: Service, http: httpx.AsyncClient) -> None:
    decision = await made(service, policy="table")
    for what, words in (("verify", "verified"), ("replay", "bit for bit")):
        answer = await http.post(f"{address(decision)}/{what}", headers=OWN)
        assert "<!doctype html>" in answer.text and words in answer.text
        assert f'href="{address(decision)}"' in answer.text


async def test_an_event_that_was_signed_leads_to_its_checkpoint(service: Service, http: httpx.AsyncClient) -> None:
    decision = await made(service)
    await signed(service)
    answer = await http.post(f"{address(decision)}/verify", headers={**OWN, "hx-request": "true"})
    assert answer.text.count("verified") == 4 and "Checkpoint" in answer.text


async def test_the_proof_file_proves_the_decision_without_the_service(
    service: Service, http: httpx.AsyncClient
) -> None:
    decision = await made(service)
    await signed(service)
    answer = await http.get(f"{address(decision)}/proof.json")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert check_proof(answer.text).is_proven
    assert not check_proof(answer.text.replace(decision.task, "another")).is_proven


async def test_a_decision_is_replayed_from_its_page(make_http: MakeHttp, service: Service) -> None:
    decision, headers = await made(service, policy="table"), {**OWN, "hx-request": "true"}
    answer = await (await make_http(service=service)).post(f"{address(decision)}/replay", headers=headers)
    assert "the same" in answer.text and "bit for bit" in answer.text
    writer = await holder(service, role="writer")
    http = await make_http(service=service, rules=RULES)
    refused = await http.post(f"{address(decision)}/replay", headers={**headers, **writer.headers})
    assert "takes the role" in refused.text


async def test_a_changed_record_link_or_text_is_seen(make_service: MakeService) -> None:
    service = await make_service(audit={"is_signed": False})
    decision = await made(service)
    stores = service.stores
    event = await stores.audit.event("decision", decision.id)
    payload = await stores.payloads.get(decision.payload_id)
    good = await checks_of(stores, event, payload)
    changed = await checks_of(stores, replace(event, canonical=event.canonical.replace("small", "smell")), payload)
    cut = await checks_of(stores, replace(event, chain_hash="0" * 64), replace(payload, text="another"))
    missing = await checks_of(stores, event, None)
    assert [check.is_good for check in good] == [True, True, True, None]
    assert [check.is_good for check in changed] == [False, False, True, None]
    assert [check.is_good for check in cut] == [True, False, False, None]
    assert [check.is_good for check in missing] == [True, True, False, None]


@pytest.mark.parametrize(
    "more", ["\x00\x07\x1b[31m", "javascript:alert(1)", "</svg></title></textarea>", "y" * 1_000_000]
)
async def test_strangers_texts_are_shown_and_do_nothing(service: Service, http: httpx.AsyncClient, more: str) -> None:
    name = HOSTILE.replace("\x00", "") + more.replace("\x00", "")[:5000]
    skills = replace(a_selection(), reason=name, considered=(replace(a_selection().considered[0], name=name),))
    first, *others = a_decision(Payload.of("")).assessments
    decision = await stored(
        service,
        HOSTILE + more,
        assessments=(replace(first, candidate_id=name), *(replace(each, mask_reason=name) for each in others)),
        candidate_id=name,
        task=name,
        task_mixture={name: 1.0},
        policy=name,
        step=name,
        skills=skills,
    )
    for text in (await page_of(http, address(decision)), await page_of(http, "/console/decisions")):
        assert "&lt;img src=x" in text and "</title></textarea>" not in text
        assert not any(char in text for char in "\x00\x07\x1b\u202e")
        assert 'href="javascript' not in text and len(text) < 200_000
        assert_inert(text)
