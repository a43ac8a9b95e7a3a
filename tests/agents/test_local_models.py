"""A real model in a real process: started once, killed in mid-answer, started again, gone with its parent."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from agents.errors import AnswerCut, ModelFileMissing, ModelRefused, ModelUnavailable
from agents.llm import CompletionRequest
from agents.llm_local import LocalLLM
from agents.local_models import STARTS_LIMIT, LocalModelServer
from agents.registry import AGENTS, make_agent
from storage.records import Generation, Message, Query
from tests.agents.scripted import ScriptedLibrary

pytestmark = pytest.mark.local_model


def asking(text: str, *, tokens: int, wants_logprobs: bool = False) -> CompletionRequest:
    return CompletionRequest(
        messages=(Message(role="user", content=text),),
        generation=Generation(max_output_tokens=tokens),
        wants_logprobs=wants_logprobs,
    )


SHORT, LONG = asking("Say hello.", tokens=4), asking("Tell me a very long story.", tokens=400)


@pytest_asyncio.fixture
async def llm(smallest_model: Path) -> AsyncIterator[LocalLLM]:
    local = LocalLLM(LocalModelServer(smallest_model, context_window=2048), timeout_seconds=30)
    yield local
    await local.close()


async def test_one_start_serves_many_callers_and_stopping_ends_the_process(llm: LocalLLM) -> None:
    assert llm.server.pid is None
    completions = await asyncio.gather(*(llm.complete(SHORT) for _ in range(4)))
    assert all(completion.text and completion.usage.output == 4 for completion in completions)
    pid = llm.server.pid
    assert pid is not None
    await llm.close()
    assert llm.server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_server_is_loaded_ahead_of_its_calls_and_rests_only_between_them(llm: LocalLLM) -> None:
    await llm.server.load()
    pid = llm.server.pid
    assert pid is not None
    answering = asyncio.create_task(llm.complete(SHORT))
    await asyncio.sleep(0)  # it takes its turn
    await llm.server.rest()
    assert (await answering).text
    assert llm.server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_log_probs_come_with_every_token(llm: LocalLLM) -> None:
    chunks = [chunk async for chunk in llm.stream(asking("Say hello.", tokens=4, wants_logprobs=True))]
    completion = chunks[-1].completion
    assert completion is not None
    assert len(completion.token_logprobs) == 4
    assert all(logprob <= 0 for logprob in completion.token_logprobs)


async def test_a_model_killed_in_mid_answer_is_cut_and_the_next_call_works(llm: LocalLLM) -> None:
    received = 0
    with pytest.raises(AnswerCut) as caught:
        async for _ in llm.stream(LONG):
            received += 1
            if received == 3:
                killed = llm.server.pid
                assert killed is not None
                os.kill(killed, signal.SIGKILL)
    assert caught.value.usage_so_far.output >= 3
    assert (await llm.complete(SHORT)).text
    assert llm.server.pid not in (None, killed)


async def test_a_model_killed_while_idle_is_started_again(llm: LocalLLM) -> None:
    await llm.complete(SHORT)
    pid = llm.server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    results = [await asyncio.gather(llm.complete(SHORT), return_exceptions=True) for _ in range(2)]
    assert not isinstance(results[1][0], BaseException)  # the first may still have met the dying process


async def test_a_model_that_hangs_is_replaced(llm: LocalLLM) -> None:
    await llm.complete(SHORT)
    pid = llm.server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    impatient = LocalLLM(llm.server, timeout_seconds=1)
    with pytest.raises(ModelUnavailable, match="did not answer within 1 s"):
        await impatient.complete(SHORT)
    assert (await llm.complete(SHORT)).text
    assert llm.server.pid != pid
    await impatient.close()


async def test_who_waits_too_long_for_a_turn_is_told_so(smallest_model: Path) -> None:
    llm = LocalLLM(LocalModelServer(smallest_model, context_window=2048, queue_timeout_seconds=0.1))
    stream = llm.stream(LONG)
    await anext(stream)
    with pytest.raises(ModelUnavailable, match=r"busy for 0\.1 s"):
        await llm.complete(SHORT)
    await stream.aclose()
    assert (await llm.complete(SHORT)).text
    await llm.close()


async def test_a_prompt_beyond_the_context_window_is_refused(llm: LocalLLM) -> None:
    with pytest.raises(ModelRefused, match="exceeds the available context size"):
        await llm.complete(asking("word " * 5000, tokens=1))
    assert (await llm.complete(SHORT)).text


@pytest.mark.parametrize("name", AGENTS)
async def test_every_agent_gets_an_answer_out_of_the_smallest_model(llm: LocalLLM, name: str) -> None:
    query = Query(text="What is 17*23?", generation=Generation(max_output_tokens=16))
    assert await make_agent(name).run(query, llm=llm, skills=ScriptedLibrary())


async def test_a_file_that_is_no_model_is_reported_and_not_started_for_ever(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no model")
    llm = LocalLLM(LocalModelServer(broken))
    for _ in range(STARTS_LIMIT):
        with pytest.raises(ModelUnavailable, match=r"did not start.*cannot be served"):
            await llm.complete(SHORT)
    with pytest.raises(ModelUnavailable, match="started 5 times") as caught:
        await llm.complete(SHORT)
    assert caught.value.retry_after_seconds is not None
    assert 0 < caught.value.retry_after_seconds <= 60


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match=r"none\.gguf"):
        await LocalLLM(LocalModelServer(tmp_path / "none.gguf")).complete(SHORT)


def test_a_server_ends_when_its_parent_is_killed(smallest_model: Path) -> None:
    parent_code = f"""
import asyncio, os, signal
from pathlib import Path
from agents.local_models import LocalModelServer
async def main():
    server = LocalModelServer(Path({str(smallest_model)!r}), context_window=512)
    async with server.turn():
        print(server.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    parent = subprocess.run([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, check=False)
    assert parent.returncode == -signal.SIGKILL
    assert _is_gone_soon(int(parent.stdout))


def _is_gone_soon(pid: int, *, seconds: float = 10) -> bool:
    """The process is not our child, so it can be watched but not waited for."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], seconds)[0])
    finally:
        os.close(watched)
