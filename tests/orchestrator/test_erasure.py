"""Texts are erased by whose they are and how old they are; everything else stays, and the chain is whole."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.erasure import ErasureWish, Tally, erase, slices
from orchestrator.identity import Identity
from orchestrator.jobs.request import JobRequest
from orchestrator.service import Service
from storage.audit import verify
from storage.errors import InvalidInput, RecordNotFound
from storage.records import utc_now
from tests.conftest import MakeService

QUESTION = "What is the capital of France?"
EVE, ADAM = Identity(tenant="a", principal="eve"), Identity(tenant="b", principal="adam")


async def erased(service: Service, wish: ErasureWish, *, slice_events: int = 3) -> Tally:
    """All of it, in slices so small that a run lies in several."""
    tally, goal = Tally(), await service.stores.audit.last_position()
    async for piece in slices(service.stores, wish, slice_events=slice_events):
        await erase(service.stores, piece.payload_ids)
        tally.add(piece)
        if piece.position >= goal:
            break
    return tally


async def texts(service: Service, run_id: str) -> tuple[str | None, str | None]:
    trace = await service.trace(run_id)
    return trace.query_text, trace.answer_text


async def ended_job(service: Service) -> str:
    job = await service.jobs.submit(JobRequest(input={"text": QUESTION}))
    service.worker.start()
    assert (await service.jobs.wait(job.id, timeout_seconds=20)).state == "succeeded"
    return job.id


async def test_a_runs_texts_are_gone_and_all_else_stays_and_the_chain_is_whole(make_service: MakeService) -> None:
    service = await make_service()
    run, other = await service.run(QUESTION, candidate="large"), await service.run(QUESTION)
    before = await service.attempt(run.decision_id)
    tally = await erased(service, ErasureWish(run_id=run.run_id))
    assert (tally.texts, tally.decisions, tally.jobs) == (2, 1, 0)
    assert await texts(service, run.run_id) == (None, None)
    assert await texts(service, other.run_id) == (QUESTION, "Paris")
    assert await service.attempt(run.decision_id) == before
    verification = await verify(service.stores)
    assert (verification.is_whole, verification.erased_payloads) == (True, 2)
    assert (await erased(service, ErasureWish(run_id=run.run_id))).texts == 0


async def test_texts_are_found_by_decision_principal_tenant_and_time(make_service: MakeService) -> None:
    service = await make_service()
    eves = await service.run(QUESTION, identity=EVE, account="default")
    moment = utc_now()
    adams = await service.run(QUESTION, identity=ADAM, account="default")
    for wish, found in (
        (ErasureWish(principal="eve", tenant="b"), 0),
        (ErasureWish(principal="adam", before=moment), 0),
        (ErasureWish(tenant="a", before=moment), 2),
        (ErasureWish(principal="adam"), 2),
    ):
        assert (await erased(service, wish)).texts == found, wish
    last = await service.run(QUESTION)
    assert await texts(service, last.run_id) == (QUESTION, "Paris")
    assert (await erased(service, ErasureWish(decision_id=last.decision_id))).texts == 2
    for run in (eves, adams, last):
        assert await texts(service, run.run_id) == (None, None)


@pytest.mark.parametrize("by_run", [True, False])
async def test_a_jobs_request_and_result_go_with_its_runs(make_service: MakeService, by_run: bool) -> None:
    service = await make_service()
    job = await service.stores.jobs.get(await ended_job(service))
    wish = ErasureWish(run_id=job.run_id) if by_run else ErasureWish(before=utc_now() + timedelta(seconds=1))
    tally = await erased(service, wish)
    assert (tally.texts, tally.decisions, tally.jobs) == (4, 1, 1)
    with pytest.raises(RecordNotFound, match="were erased"):
        await service.jobs.result(job.id)
    assert (await verify(service.stores)).is_whole


async def test_a_job_that_has_not_ended_keeps_what_it_needs_and_is_named(make_service: MakeService) -> None:
    service = await make_service()
    job = await service.jobs.submit(JobRequest(input={"text": QUESTION}))
    tally = await erased(service, ErasureWish(before=utc_now() + timedelta(seconds=1)))
    assert (tally.texts, tally.jobs, tally.unfinished_jobs) == (0, 0, [job.id])
    assert (await service.stores.payloads.get(job.payload_id)).text is not None


async def test_an_empty_wish_is_refused_and_an_unknown_decision_told(make_service: MakeService) -> None:
    service = await make_service()
    with pytest.raises(InvalidInput, match="not said whose texts"):
        await erased(service, ErasureWish())
    with pytest.raises(RecordNotFound):
        await erased(service, ErasureWish(decision_id="decision_0000000000000000"))
    assert (await erased(service, ErasureWish(run_id="run_0000000000000000"))).texts == 0
