"""`antroute ask`, `route` and `demo`: put the router to work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.terminal import AsJson, columns, note, opened, run, say_answer, say_json, say_lines

if TYPE_CHECKING:
    from orchestrator.run_options import RunOptions

Text = Annotated[str, typer.Argument(help="The query.")]
Budget = Annotated[float | None, typer.Option("--budget", min=0, help="Most that it may cost, in USD.")]
Policy = Annotated[str | None, typer.Option("--policy", help="A policy's name; default: the settings' one.")]
Candidate = Annotated[str | None, typer.Option("--candidate", help="This candidate and no other.")]


def ask(
    text: Text,
    budget: Budget = None,
    policy: Policy = None,
    candidate: Candidate = None,
    plan: Annotated[str | None, typer.Option("--plan", help="A name of `antroute plans list`.")] = None,
    verifier: Annotated[str | None, typer.Option("--verifier", help="A verifier that the settings name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Routes one query, runs it and prints the answer; what it cost and why goes beside it."""
    options: RunOptions = {
        "budget_usd": budget,
        "policy": policy,
        "candidate": candidate,
        "plan": plan,
        "verifier": verifier,
    }
    run(_ask(text, options, as_json))


def route(
    text: Annotated[str | None, typer.Argument(help="The query; left out with --router.")] = None,
    budget: Budget = None,
    policy: Policy = None,
    candidate: Candidate = None,
    router: Annotated[
        Path | None, typer.Option("--router", help="Route a file of queries with the trained router in this folder.")
    ] = None,
    candidates: Annotated[Path | None, typer.Option("--candidates", help="Only these: a candidates.json.")] = None,
    source: Annotated[Path | None, typer.Option("--input", help='JSONL: {"query_id", "text", "task"?}.')] = None,
    target: Annotated[Path | None, typer.Option("--output", help="JSONL, one line for each of the input.")] = None,
    weights: Annotated[str, typer.Option("--weights", help="quality,cost[,latency[,energy]]")] = "1,0",
    explore: Annotated[float, typer.Option("--explore", min=0, max=1, help="Share of choices left to chance.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1)] = 0,
    as_json: AsJson = False,
) -> None:
    """What would be decided for this query, and why; nothing runs. With --router, for a whole file of queries."""
    if router is None:
        if text is None:
            raise typer.BadParameter("Give a query, or --router DIR --input FILE --output FILE.")
        run(_route(text, budget, policy, candidate, as_json))
        return
    if text is not None or source is None or target is None:
        raise typer.BadParameter("With --router, give --input FILE and --output FILE, and no query.")
    from orchestrator.cli.offline import route_queries

    route_queries(
        router=router,
        candidates=candidates,
        source=source,
        target=target,
        weights=weights,
        explore=explore,
        seed=seed,
        as_json=as_json,
    )


def demo(
    questions: Annotated[int, typer.Option("--questions", min=60, max=400, help="Questions in the comparison.")] = 60,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.5, help="Stop exploring and comparing after this.")
    ] = 9.0,
    store: Annotated[Path | None, typer.Option("--store", help="Database file; default: a fresh one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Routes real questions over real local models: explores, exploits, compares, explains and proves it."""
    from orchestrator.demo.result import DemoPlan
    from orchestrator.demo.run import run_demo

    plan = DemoPlan(question_count=questions, seed=seed, limit_seconds=minutes * 60, store_path=store)
    raise typer.Exit(run(run_demo(plan, as_json=as_json)))


async def _ask(text: str, options: RunOptions, as_json: bool) -> None:
    async with opened() as antroute:
        answer = await antroute.run(text, **options)
    if as_json:
        from orchestrator.views import plain

        say_json(plain(answer))
        return
    say_answer(answer.answer)
    if answer.plan != "single":
        count = len(answer.decision_ids)
        asked = f"{count} answer{'' if count == 1 else 's'} in run {answer.run_id}"
        note(f"[plan {answer.plan}: {asked}{', cut short by the budget' if answer.is_degraded else ''}]")
    note(
        f"[{answer.candidate_id}, ${answer.cost_usd:f}, {answer.latency_seconds:.2f} s;"
        f" why: antroute traces explain {answer.decision_id}]"
    )


async def _route(text: str, budget: float | None, policy: str | None, candidate: str | None, as_json: bool) -> None:
    async with opened() as antroute:
        decision = await antroute.route(text, budget_usd=budget, policy=policy, candidate=candidate)
    if as_json:
        from orchestrator.views import plain

        say_json(plain(decision))
        return
    from orchestrator.explain import explanation_lines
    from orchestrator.explanation import explanation_of
    from orchestrator.reading import Attempt

    explanation = explanation_of(Attempt(decision=decision, outcomes=(), rewards=()))
    say_lines(explanation_lines(explanation, width=columns()))
