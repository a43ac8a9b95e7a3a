"""Does a cascade of local models reach the strongest one's accuracy for less? Fitted and judged on different questions.

    python -m benchmarks.cascade --answers answers.jsonl --json cascade.json

Every candidate answers every question once, at temperature 0, for real; answers are kept in `--answers`, and a run
that was broken off goes on from there. The policy `table` learns from the questions of `--fit-seeds`; thresholds are
fitted on them (with what the table expects by the other four fifths) under a budget of `--share` of the strongest
candidate's cost, and the ladder is the one that is best there; then the seeds are played. Baselines: each candidate
alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine_facts
from orchestrator.bootstrap import bootstrap
from orchestrator.checkers import check
from orchestrator.demo.questions import Question, make_questions
from orchestrator.plan_runs import run_plan
from orchestrator.plans.base import Ask, Plan, PlanResult, Work
from orchestrator.plans.fitting import FittedCascade, Floats, RungTable, fit_cascade, play
from orchestrator.service import Service
from orchestrator.settings import load_settings
from orchestrator.terminal import progress_bar
from routing.base import Context
from routing.encoders.cached import CachedEncoder
from routing.features import TaskFeaturizer
from routing.policies.table import Table as LearnedTable
from routing.registry import choose_encoder
from storage.errors import InvalidInput, ServiceError

CANDIDATES = (
    "single_turn/qwen2.5-coder-0.5b",
    "tool_loop/qwen2.5-coder-0.5b+skills",
    "single_turn/qwen2.5-coder-1.5b",
    "tool_loop/qwen2.5-coder-1.5b+skills",
)
STRONGEST = CANDIDATES[-1]  # the dearest model with the most skills, as the demo has it
LARGE = CANDIDATES[2]
RESAMPLES = 2000
FOLDS = 5

Table = dict[tuple[str, str], dict[str, Any]]  # question id and candidate to what it answered


class Pinned(Plan):
    """One candidate, with the log-probabilities of its words."""

    source = "-"
    summary = "One candidate answers."

    def __init__(self, candidate: str) -> None:
        self.candidate = candidate

    async def run(self, work: Work) -> PlanResult:
        return PlanResult(answer=await work.ask(Ask(step="answer", candidate=self.candidate, wants_logprobs=True)))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, default=Path("cascade_answers.jsonl"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--questions", type=int, default=50, help="a seed")
    parser.add_argument("--fit-seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--fit-questions", type=int, default=60, help="a seed")
    parser.add_argument("--share", type=float, default=0.6, help="of the strongest one's cost")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    chosen = parser.parse_args(arguments)
    asked = {
        **dict.fromkeys(chosen.fit_seeds, chosen.fit_questions),
        **dict.fromkeys(chosen.seeds, chosen.questions),
    }
    seed_to_questions = {seed: make_questions(count, seed=seed) for seed, count in asked.items()}
    table = read_answers(chosen.answers)
    asyncio.run(complete(table, [q for each in seed_to_questions.values() for q in each], chosen.answers))
    found = report(table, seed_to_questions, fit_seeds=chosen.fit_seeds, share=chosen.share)
    told = json.dumps({"about": machine_facts(), **found}, indent=2)
    print(told)
    if chosen.json:
        chosen.json.write_text(told + "\n")
    return 0 if found["reached"] else 1


def read_answers(file: Path) -> Table:
    """Those of earlier runs; what failed for want of the model is asked again."""
    rows = map(json.loads, file.read_text().splitlines()) if file.exists() else ()
    return {(row["q"], row["c"]): row for row in rows if "Unavailable" not in str(row.get("error", ""))}


async def complete(table: Table, questions: Sequence[Question], file: Path) -> None:
    """Asks what is not in the table yet, and keeps it in the file; the models work side by side."""
    missing = [(q, name) for name in CANDIDATES for q in questions if (q.id, name) not in table]
    if not missing:
        return
    service = await bootstrap(load_settings(store_url="memory:", policy="uniform", encoder="hashing"))
    models = {name: service.nodes.candidates[name].model for name in CANDIDATES}
    with progress_bar() as on_progress, file.open("a") as stream:

        async def lane(model: str) -> None:
            for question, name in missing:
                if models[name] == model:
                    row = await asked(service, question, name)
                    table[question.id, name] = row
                    stream.write(json.dumps(row) + "\n")
                    stream.flush()
                    on_progress(sum((q.id, c) in table for q, c in missing), len(missing), "answers")

        await asyncio.gather(*(lane(model) for model in set(models.values())))
    await service.close()


async def asked(service: Service, question: Question, name: str) -> dict[str, Any]:
    options: Any = {"budget_usd": 1, "timeout_seconds": 900.0}
    row: dict[str, Any] = {"q": question.id, "kind": question.kind, "c": name}
    try:
        result, _ = await run_plan(service, Pinned(name), name="pinned", text=question.text, options=options)
    except ServiceError as error:
        return {**row, "error": type(error).__name__, "right": 0.0, "cost": 0.0, "mtp": None}
    answer = result.answer
    return {
        **row,
        "text": answer.text,
        "right": check(question.checker, answer.text),
        "cost": float(answer.cost_usd),
        "mtp": answer.mean_token_probability,
        "seconds": answer.seconds,
    }


def report(
    answers: Table, seed_to_questions: Mapping[int, Sequence[Question]], *, fit_seeds: Sequence[int], share: float
) -> dict[str, Any]:
    fitting = [q for seed in fit_seeds for q in seed_to_questions[seed]]
    seeds = [seed for seed in seed_to_questions if seed not in fit_seeds]
    contexts = contexts_of([q for each in seed_to_questions.values() for q in each])
    expected = expectations(answers, fitting, [q for seed in seeds for q in seed_to_questions[seed]], contexts)
    budget = share * alone(answers, fitting, STRONGEST)["cost_usd"]
    fitted = best_ladder(answers, fitting, expected, budget)
    rows = [{"seed": seed, **played(answers, seed_to_questions[seed], expected, fitted)} for seed in seeds]
    whole = played(answers, [q for seed in seeds for q in seed_to_questions[seed]], expected, fitted)
    cascade, strongest = whole["cascade"], whole["alone"][STRONGEST]
    return {
        "ladder": list(fitted.candidates),
        "thresholds": list(fitted.thresholds),
        "skip_below": list(fitted.skip_below),
        "fit": {"questions": fitted.queries, "accuracy": fitted.quality, "cost_usd": fitted.cost_usd},
        "seeds": rows,
        "all": whole,
        "target": f"accuracy of {STRONGEST} or better at {share:.0%} of its cost or less",
        "reached": cascade["accuracy"] >= strongest["accuracy"] and cascade["cost_share"] <= share,
        "strongest_model_in_one_call": f"{LARGE}: see `alone`",
    }


def played(
    answers: Table, questions: Sequence[Question], expected: Mapping[tuple[str, str], float], fitted: FittedCascade
) -> dict[str, Any]:
    table = rungs(answers, questions, expected, fitted.candidates)
    quality, cost = play(table, fitted.thresholds, fitted.skip_below)
    strongest = alone(answers, questions, STRONGEST)
    ahead = quality - np.array([answers[q.id, STRONGEST]["right"] for q in questions])
    return {
        "questions": len(questions),
        "cascade": {
            "accuracy": float(quality.mean()),
            "cost_usd": float(cost.mean()),
            "cost_share": float(cost.mean()) / strongest["cost_usd"],
            "ahead_of_strongest": interval(ahead),
        },
        "alone": {name: alone(answers, questions, name) for name in CANDIDATES},
    }


def contexts_of(questions: Sequence[Question]) -> dict[str, Context]:
    encoder = choose_encoder("auto", cache_dir=load_settings().encoder_dir).encoder
    found = TaskFeaturizer(CachedEncoder(encoder)).contexts([q.text for q in questions])
    return {q.id: context for q, context in zip(questions, found, strict=True)}


def expectations(
    answers: Table, fitting: Sequence[Question], others: Sequence[Question], contexts: Mapping[str, Context]
) -> dict[tuple[str, str], float]:
    """What the table expects of each candidate: for the questions of the fit by folds that do not hold them."""
    expected: dict[tuple[str, str], float] = {}
    for fold in range(FOLDS):
        held = fitting[fold::FOLDS]
        taught = [q for place, q in enumerate(fitting) if place % FOLDS != fold]
        expected |= expected_of(answers, taught, held, contexts)
    return {**expected, **expected_of(answers, fitting, others, contexts)}


def expected_of(
    answers: Table, taught: Sequence[Question], asked: Sequence[Question], contexts: Mapping[str, Context]
) -> dict[tuple[str, str], float]:
    policy = LearnedTable()
    for question in taught:
        for name in CANDIDATES:
            policy.update(name, contexts[question.id], answers[question.id, name]["right"])
    return {(q.id, name): policy.expected_reward(name, contexts[q.id]) for q in asked for name in CANDIDATES}


def best_ladder(
    answers: Table, questions: Sequence[Question], expected: Mapping[tuple[str, str], float], budget: float
) -> FittedCascade:
    """Of all ladders of two or three candidates the best one on these questions; of equal ones the cheapest."""
    found = []
    for count in (2, 3):
        for names in permutations(CANDIDATES, count):
            try:
                found.append(fit_cascade(rungs(answers, questions, expected, names), budget_usd=budget))
            except InvalidInput:  # its first rung is beyond the budget
                continue
    return max(found, key=lambda each: (each.quality, -each.cost_usd))


def rungs(
    answers: Table, questions: Sequence[Question], expected: Mapping[tuple[str, str], float], names: Sequence[str]
) -> RungTable:
    def column(key: str) -> Floats:
        return np.array([[float(answers[q.id, name].get(key) or 0.0) for name in names] for q in questions])

    return RungTable(
        candidates=tuple(names),
        scores=column("mtp"),
        quality=column("right"),
        cost_usd=column("cost"),
        expected=np.array([[expected[q.id, name] for name in names] for q in questions]),
    )


def alone(answers: Table, questions: Sequence[Question], name: str) -> dict[str, float]:
    rows = [answers[q.id, name] for q in questions]
    return {
        "accuracy": float(np.mean([row["right"] for row in rows])),
        "cost_usd": float(np.mean([row["cost"] for row in rows])),
    }


def interval(differences: Floats) -> dict[str, float]:
    """Mean and its 95 % bootstrap interval over questions."""
    draws = np.random.default_rng(0).integers(len(differences), size=(RESAMPLES, len(differences)))
    low, high = np.quantile(differences[draws].mean(axis=1), [0.025, 0.975])
    return {"mean": float(differences.mean()), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    sys.exit(main())
