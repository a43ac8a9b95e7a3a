"""`antroute verifiers`: what says whether answers are right, and how often it errs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.terminal import AsJson, StoreUrl, opened_stores, run, say, say_json, say_table

if TYPE_CHECKING:
    from orchestrator.verifiers.rates import VerifierRates

app = typer.Typer(help="Verifiers: which there are, and how often they err.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A verifier of the settings, or of the log.")]
Outcomes = Annotated[int, typer.Option("--outcomes", min=0, help="The newest outcomes of the log that are counted.")]
NEWEST = 100_000
EVEN = 0.5  # chance that an answer is right before anything is said, for the example


@app.command("list")
def list_verifiers(outcomes: Outcomes = NEWEST, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """All that the settings name or the log knows, with their error rates."""
    run(_list(outcomes, store, as_json))


@app.command()
def show(name: Name, outcomes: Outcomes = NEWEST, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """One verifier: its options, what it said of answers whose truth became known, and what its word is worth."""
    run(_show(name, outcomes, store, as_json))


async def _rates(outcomes: int, store: str | None) -> VerifierRates:
    from orchestrator.settings import load_settings
    from orchestrator.verifiers.rates import VerifierRates

    rates = VerifierRates({name: each.kind for name, each in load_settings().verifiers.items()})
    async with opened_stores(store) as stores:
        await rates.restore(stores, limit=outcomes)
    return rates


async def _list(outcomes: int, store: str | None, as_json: bool) -> None:
    rates = await _rates(outcomes, store)
    views = [_view(name, rates) for name in sorted({*rates.name_to_kind, *rates.name_to_counts})]
    if as_json:
        say_json(views)
    elif not views:
        say("No verifiers yet. Name one in the settings, under `verifiers`, or give a run a verifier.")
    else:
        columns = ["verifier", "kind", "judged", "false accept", "false reject"]
        rows = [
            [v["name"], v["kind"], str(v["judged"]), f"{v['false_accept']:.3f}", f"{v['false_reject']:.3f}"]
            for v in views
        ]
        say_table(columns, rows)


async def _show(name: str, outcomes: int, store: str | None, as_json: bool) -> None:
    from orchestrator.settings import load_settings
    from routing.registry import unknown
    from storage.errors import InvalidInput

    rates, settings = await _rates(outcomes, store), load_settings().verifiers
    known = {*rates.name_to_kind, *rates.name_to_counts}
    if name not in known:
        raise InvalidInput(unknown("verifier", name, sorted(known)), field="name")
    view = _view(name, rates) | {"options": dict(settings[name].spec.options) if name in settings else {}}
    if as_json:
        say_json(view)
        return
    say(f"verifier      {view['name']} ({view['kind']})")
    for option, value in view["options"].items():
        say(f"  {option:<18} {value}")
    say(f"judged        {view['judged']} answers whose truth became known")
    for what in ("accepted_right", "rejected_right", "accepted_wrong", "rejected_wrong"):
        say(f"  {what.replace('_', ' '):<18} {view['counts'][what]}")
    say(f"false accept  {view['false_accept']:.3f}  (prior {view['prior']['false_accept']:g})")
    say(f"false reject  {view['false_reject']:.3f}  (prior {view['prior']['false_reject']:g})")
    say(f"an even chance becomes {view['even_if_passed']:.3f} if it passes, {view['even_if_failed']:.3f} if not")


def _view(name: str, rates: VerifierRates) -> dict[str, Any]:
    from orchestrator.verifiers.rates import Counts
    from orchestrator.views import plain

    found = rates.of(name)
    return {
        "name": name,
        "kind": rates.name_to_kind.get(name, name),
        **plain(found),
        "counts": plain(rates.name_to_counts.get(name, Counts())),
        "prior": plain(rates.prior_of(name)),
        "even_if_passed": found.chance_right(True, EVEN),
        "even_if_failed": found.chance_right(False, EVEN),
    }
