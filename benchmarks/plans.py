"""Every plan on the same questions with the same local models: what it gets right, what it spends, how it goes wrong.

    python -m benchmarks.plans --json plans.json

The candidates answer `--teach` questions first, so that the router expects something of each; then each plan answers
the same `--questions`. Answers at temperature 0 are computed once and billed each time. Beside the plans: one small and
one large candidate alone, and three models with a majority, which is what ACAR's and PRISM's savings are measured on.
Agreed but wrong: a plan stopped because its answers agreed, and what they agreed on was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.machine import machine_facts
from orchestrator.bootstrap import bootstrap
from orchestrator.checkers import check
from orchestrator.demo.questions import Question, make_questions
from orchestrator.demo.remembering import RememberingLLM
from orchestrator.plans.base import PlanSpec
from orchestrator.run_options import RunOptions
from orchestrator.service import Run, Service
from orchestrator.settings import load_settings
from orchestrator.terminal import progress_bar
from storage.errors import ServiceError

SMALL, LARGE = "single_turn/qwen2.5-coder-0.5b", "single_turn/qwen2.5-coder-1.5b"
TOOLS_SMALL, TOOLS_LARGE = "tool_loop/qwen2.5-coder-0.5b+skills", "tool_loop/qwen2.5-coder-1.5b+skills"
NAMES = (SMALL, TOOLS_SMALL, LARGE, TOOLS_LARGE)
TEACH_SEED = 50


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A plan with options, or a candidate alone."""

    name: str
    options: RunOptions


CONTENDERS = (
    Contender(name="small alone", options={"candidate": SMALL}),
    Contender(name="large alone", options={"candidate": LARGE}),
    Contender(name="large with tools alone", options={"candidate": TOOLS_LARGE}),
    Contender(name="single (learned table)", options={"policy": "table"}),
    Contender(
        name="three models, majority",
        options={"plan": PlanSpec(name="vote", options={"most": 3, "mass": 1.0, "temperature": 100.0})},
    ),
    Contender(
        name="cascade", options={"plan": PlanSpec(name="cascade", options={"order": [SMALL, LARGE, TOOLS_LARGE]})}
    ),
    Contender(name="probe", options={"plan": "probe"}),
    Contender(name="strategy", options={"plan": "strategy"}),
    Contender(name="vote", options={"plan": "vote"}),
    Contender(name="refine", options={"plan": PlanSpec(name="refine", options={"most": 2})}),
    Contender(name="path", options={"plan": "path"}),
    Contender(name="rounds", options={"plan": PlanSpec(name="rounds", options={"leader": LARGE, "most": 2})}),
    Contender(
        name="glimpse", options={"plan": PlanSpec(name="glimpse", options={"small": SMALL, "large": LARGE, "steps": 3})}
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=35)
    parser.add_argument("--teach", type=int, default=14)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=45.0, help="begin no further question after this")
    parser.add_argument("--only", nargs="+", help="names of contenders")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    chosen = parser.parse_args(arguments)
    contenders = [each for each in CONTENDERS if not chosen.only or each.name in chosen.only]
    rows = asyncio.run(played(contenders, chosen))
    found = {"about": machine_facts(), "questions": len(next(iter(rows.values()), [])), "rows": summaries(rows)}
    told = json.dumps(found, indent=2)
    print(told)
    if chosen.json:
        chosen.json.write_text(told + "\n")
    return 0


async def played(contenders: Sequence[Contender], chosen: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Question by question, so that every contender has answered the same ones whenever time is up."""
    until = time.monotonic() + chosen.minutes * 60
    settings = load_settings(store_url="memory:", policy="table", seed=chosen.seed)
    kept = tuple(each for each in settings.candidates if each.candidate_id in NAMES)
    service = await bootstrap(settings.model_copy(update={"candidates": kept}), wrap_llm=RememberingLLM)
    rows: dict[str, list[dict[str, Any]]] = {each.name: [] for each in contenders}
    try:
        with progress_bar() as on_progress:
            lessons = [(q, name) for q in make_questions(chosen.teach, seed=TEACH_SEED) for name in NAMES]
            for place, (question, name) in enumerate(lessons, start=1):
                await answered(service, question, {"candidate": name, "checker": question.checker})
                on_progress(place, len(lessons), "teaching")
            questions = make_questions(chosen.questions, seed=chosen.seed)
            for place, question in enumerate(questions, start=1):
                if time.monotonic() > until:
                    break
                for contender in contenders:
                    rows[contender.name].append(await answered(service, question, contender.options))
                on_progress(place, len(questions), "questions")
    finally:
        await service.close()
    return rows


async def answered(service: Service, question: Question, options: RunOptions) -> dict[str, Any]:
    """Judged here: what contenders answer must teach nobody."""
    given: RunOptions = {**options, "budget_usd": 1, "timeout_seconds": 900.0}
    try:
        run = await service.run(question.text, **given)
    except ServiceError as error:
        return {"quality": 0.0, "cost_usd": 0.0, "calls": 0, "seconds": 0.0, "error": error.code, "notes": {}}
    return {
        "quality": check(question.checker, run.answer),
        "cost_usd": float(run.cost_usd),
        "calls": max(1, len(run.decision_ids)),
        "seconds": run.latency_seconds,
        "error": None,
        "notes": await notes_of(service, run),
    }


async def notes_of(service: Service, run: Run) -> dict[str, str]:
    spans = (await service.trace(run.run_id)).spans
    return next((dict(span.attributes) for span in spans if span.name == "plan"), {})


def has_agreed(notes: Mapping[str, str]) -> bool:
    """Whether the plan stopped because its answers were the same, or because one strategy was clear."""
    return notes.get("plan.sigma") == "0" or notes.get("plan.strategies") in ("1", "2")


def summaries(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    dear = (
        mean(each["cost_usd"] for each in rows["three models, majority"]) if "three models, majority" in rows else None
    )
    return [
        {
            "contender": name,
            "accuracy": round(mean(each["quality"] for each in given), 4),
            "cost_usd": mean(each["cost_usd"] for each in given),
            "cost_of_three_models": round(mean(each["cost_usd"] for each in given) / dear, 3) if dear else None,
            "calls": round(mean(each["calls"] for each in given), 2),
            "agreed": round(mean(has_agreed(each["notes"]) for each in given), 3),
            "agreed_but_wrong": round(mean(has_agreed(each["notes"]) and each["quality"] < 0.5 for each in given), 3),
            "failed": sum(each["error"] is not None for each in given),
        }
        for name, given in rows.items()
        if given
    ]


if __name__ == "__main__":
    sys.exit(main())
