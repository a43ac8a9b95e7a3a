"""`antroute plans`: which plans there are, what each takes, and a cascade's thresholds from one's own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.terminal import AsJson, say, say_json, say_table

app = typer.Typer(help="How candidates are run: one, a cascade, a vote …", no_args_is_help=True)


@app.command("list")
def list_plans(as_json: AsJson = False) -> None:
    """Every plan with its source; with --json its options, too."""
    from orchestrator.plans.registry import PLANS, options_of, plan_class

    rows = [
        {
            "plan": name,
            "summary": plan_class(name).summary,
            "source": plan_class(name).source,
            "options": {key: default for key, default in options_of(name).items() if name != "path" or key != "stages"},
        }
        for name in PLANS
    ]
    if as_json:
        say_json(rows)
        return
    say_table(
        ["plan", "what it does", "from"], [[str(row[key]) for key in ("plan", "summary", "source")] for row in rows]
    )
    say("Options: antroute plans show NAME. Use: antroute ask --plan NAME … Which to take: docs/choose-a-plan.md")


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="A plan's name.")], as_json: AsJson = False) -> None:
    """What a plan does, and its options with their defaults."""
    from inspect import getdoc

    from orchestrator.plans.registry import options_of, plan_class

    made, options = plan_class(name), options_of(name)
    if as_json:
        say_json(
            {"plan": name, "summary": made.summary, "source": made.source, "about": getdoc(made), "options": options}
        )
        return
    say(f"{name}: {made.summary} ({made.source})\n\n{getdoc(made)}\n")
    say_table(["option", "default"], [[key, str(default)[:80]] for key, default in options.items()])


@app.command("fit")
def fit(
    data: Annotated[
        Path,
        typer.Option(
            "--data", help='JSONL: {"query_id", "rungs": [{"candidate", "score", "quality", "cost_usd", "expected"?}]}.'
        ),
    ],
    budget: Annotated[float, typer.Option("--budget", min=0, help="Mean USD a query.")],
    as_json: AsJson = False,
) -> None:
    """Fits a cascade's thresholds on answers whose worth is known: the best quality within the budget."""
    from orchestrator.plans.fitting import fit_cascade, frontier, read_rungs

    table = read_rungs(data)
    found = fit_cascade(table, budget_usd=budget)
    options = {
        "order": list(found.candidates),
        "thresholds": [round(each, 6) for each in found.thresholds],
        "skip_below": list(found.skip_below),
        "signal": "confidence",
    }
    reached = frontier(table)
    points = [{"cost_usd": each.cost_usd, "quality": each.quality, "thresholds": each.thresholds} for each in reached]
    if as_json:
        say_json(
            {
                "options": options,
                "quality": found.quality,
                "cost_usd": found.cost_usd,
                "queries": found.queries,
                "frontier": points,
            }
        )
        return
    say(f"Quality {found.quality:.3f} at ${found.cost_usd:.6f} a query, on the {found.queries} queries of the fit.")
    say_table(
        ["mean cost", "quality", "thresholds"],
        [
            [f"${each.cost_usd:.6f}", f"{each.quality:.3f}", " ".join(f"{t:.3f}" for t in each.thresholds)]
            for each in reached
        ],
    )
    say("Into the settings:\nplans:\n  cascade:")
    for key, value in options.items():
        say(f"    {key}: {value}")
