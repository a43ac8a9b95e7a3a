"""What the examples of plans share: small local models, and a run told as a trace."""

from __future__ import annotations

from typing import Any, Unpack

from orchestrator import Orchestrator
from orchestrator.explain_trace import trace_lines
from orchestrator.run_options import RunOptions

SMALL, LARGE = "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"  # 491 MB and 1.1 GB, fetched once
TOOLS = ["calculator", "days_between", "convert_units"]
CANDIDATES = [
    {"id": "small", "agent": "single_turn", "model": SMALL},
    {"id": "small-tools", "agent": "tool_loop", "model": SMALL, "skills": TOOLS},
    {"id": "large", "agent": "single_turn", "model": LARGE},
    {"id": "large-steps", "agent": "step_by_step", "model": LARGE},
]


async def shown(question: str, *, settings: dict[str, Any] | None = None, **options: Unpack[RunOptions]) -> None:
    """Runs one question under a plan and prints the answer, what it cost, and every ask that went into it."""
    given: dict[str, Any] = {"store_url": "memory:", "candidates": CANDIDATES, **(settings or {})}
    async with Orchestrator(**given) as antroute:
        for notice in antroute.service.notices:
            print(f"note: {notice}")
        run = await antroute.run(question, **{"budget_usd": 0.05, "timeout_seconds": 600, **options})
        print(*trace_lines(await antroute.trace(run.run_id)), sep="\n")
        judged = "" if run.verdict is None else f", judged {'right' if run.verdict.passed else 'wrong'}"
        print(f"\n{run.plan}: {run.answer!r} from {run.candidate_id} for ${run.cost_usd:f}{judged}")
