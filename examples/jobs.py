"""A job that outlives its process, on scripted models, so that it runs anywhere: `python examples/jobs.py`.

The first orchestrator is closed as soon as the job is stored; a second one over the same file carries it out.
"""

import asyncio
import tempfile
from pathlib import Path

from orchestrator import Orchestrator, Workflow

MODELS = {"echo": {"provider": "scripted", "price_output_usd_per_mtok": 1}}
CANDIDATES = [{"agent": "single_turn", "model": "echo"}]


def opened(folder: Path) -> Orchestrator:
    return Orchestrator(store_url=f"sqlite:///{folder / 'jobs.db'}", models=MODELS, candidates=CANDIDATES)


async def main(folder: Path) -> None:
    workflow = Workflow("review", inputs=["text"])
    workflow.step("claims", "List the claims in: {text}", budget_usd=0.01)
    workflow.step("check", "Which of these are doubtful? {claims}")
    text = {"text": "The moon is made of cheese."}

    async with opened(folder) as antroute:
        job = await antroute.submit(workflow, text, idempotency_key="moon", metadata={"for": "example"})
        same = await antroute.submit(workflow, text, idempotency_key="moon", metadata={"for": "example"})
        print(f"{job.id} is stored; the same key and request again: {same.id == job.id}")

    async with opened(folder) as antroute:
        async for event in antroute.events(job.id):
            print(f"{event.seq} {event.kind} {event.data.get('step', '')}".rstrip())
        result = await antroute.result(job.id)
        print(result.answer)
        print(f"${result.cost_usd}, trace {result.run_id}")


with tempfile.TemporaryDirectory() as place:
    asyncio.run(main(Path(place)))
