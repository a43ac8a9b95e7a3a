"""Two routed steps under one budget, on scripted models, so that it runs anywhere: `python examples/workflow.py`."""

import asyncio

from orchestrator import Orchestrator, Workflow

MODELS = {"echo": {"provider": "scripted", "price_output_usd_per_mtok": 1}}


async def main() -> None:
    workflow = Workflow("review", inputs=["text"])
    workflow.step("claims", "List the claims in: {text}", budget_usd=0.01)
    workflow.step("check", "Which of these are doubtful? {claims}")
    async with Orchestrator(
        store_url="memory:", models=MODELS, candidates=[{"agent": "single_turn", "model": "echo"}]
    ) as antroute:
        result = await antroute.run_workflow(workflow, text="The moon is made of cheese.", budget_usd=0.02)
        print(result.answer)
        print(f"{len(result.runs)} steps, ${result.cost_usd}, trace {result.run_id}")


asyncio.run(main())
