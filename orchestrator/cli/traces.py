"""`antroute traces`: what was decided, why, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.terminal import AsJson, StoreUrl, opened_stores, run, say, say_json, say_table

if TYPE_CHECKING:
    from orchestrator.reading import Attempt, Trace
    from storage.stores import Stores

app = typer.Typer(help="What was decided, why, and what came of it.", no_args_is_help=True)

Limit = Annotated[int, typer.Option("--limit", min=1, max=500, help="How many, newest first.")]
Candidate = Annotated[str | None, typer.Option("--candidate", help="Only this candidate's.")]
Policy = Annotated[str | None, typer.Option("--policy", help="Only this policy's.")]
AnyId = Annotated[str, typer.Argument(help="A run's id, or a decision's.")]


@app.command("list")
def list_decisions(
    limit: Limit = 20,
    candidate: Candidate = None,
    policy: Policy = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """The newest decisions, one a line."""
    run(_list(limit, candidate, policy, store, as_json))


@app.command()
def last(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """The newest run: its spans, decisions and costs."""
    run(_show(None, store, as_json))


@app.command()
def show(id: AnyId, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """A run: its spans, decisions and costs."""
    run(_show(id, store, as_json))


@app.command()
def explain(id: AnyId, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Why: who was masked, what counted, how close it was, what would flip it, and the money."""
    run(_explain(id, store, as_json))


async def _list(limit: int, candidate: str | None, policy: str | None, store: str | None, as_json: bool) -> None:
    from orchestrator.reading import attempt_of
    from orchestrator.views import attempt_view
    from storage.money import dollars
    from storage.stores import DecisionFilter

    async with opened_stores(store) as stores:
        found = await stores.decisions.find(DecisionFilter(limit=limit, candidate_id=candidate, policy=policy))
        attempts = [await attempt_of(stores, stored.decision.id) for stored in found]
    if as_json:
        say_json([attempt_view(attempt) for attempt in attempts])
        return
    if not attempts:
        say('No decisions yet. Make one: antroute ask "What is 17% of 2340?"')
        return
    rows = []
    for attempt in attempts:
        decision, verdicts = attempt.decision, [o.quality for o in attempt.outcomes if o.quality is not None]
        rows.append(
            [
                decision.decided_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
                decision.id,
                decision.run_id,
                decision.candidate_id or "nobody",
                f"{decision.propensity:.3f}",
                decision.policy,
                decision.task,
                ", ".join(o.status for o in attempt.outcomes) or "running",
                f"{verdicts[-1]:.2f}" if verdicts else "-",
                dollars(attempt.cost_usd),
            ]
        )
    columns = ["decided", "decision", "run", "candidate", "p", "policy", "task", "outcome", "quality", "cost"]
    say_table(columns, rows)


async def _show(id: str | None, store: str | None, as_json: bool) -> None:
    from orchestrator.explain import trace_lines
    from orchestrator.views import trace_view

    async with opened_stores(store) as stores:
        trace = await _trace(stores, id)
    if as_json:
        say_json(trace_view(trace))
    else:
        say("\n".join(trace_lines(trace)))


async def _explain(id: str, store: str | None, as_json: bool) -> None:
    from orchestrator.explain import explain as explain_attempt
    from orchestrator.reading import attempt_of
    from orchestrator.views import attempt_view

    async with opened_stores(store) as stores:
        attempts: tuple[Attempt, ...]
        attempts = (await _trace(stores, id)).attempts if id.startswith("run_") else (await attempt_of(stores, id),)
    if as_json:
        say_json([attempt_view(attempt) for attempt in attempts])
    else:
        say("\n\n".join("\n".join(explain_attempt(attempt)) for attempt in attempts))


async def _trace(stores: Stores, id: str | None) -> Trace:
    from orchestrator.reading import trace_of
    from storage.errors import RecordNotFound
    from storage.stores import DecisionFilter

    if id is not None and id.startswith("decision_"):
        id = (await stores.decisions.get(id)).run_id
    if id is None:
        newest = await stores.decisions.find(DecisionFilter(limit=1))
        if not newest:
            raise RecordNotFound("No run yet.", hint='Make one: antroute ask "What is 17% of 2340?"')
        id = newest[0].decision.run_id
    return await trace_of(stores, id)
