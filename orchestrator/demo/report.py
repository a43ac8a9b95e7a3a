"""What the demo prints at its end, and the same as JSON."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from orchestrator.demo.contest import Answered, Standing
from orchestrator.demo.result import DemoResult
from orchestrator.explain import explanation_lines
from orchestrator.explanation import explanation_of, margin_of
from orchestrator.service import Service
from orchestrator.views import plain
from storage.audit import Verification
from storage.money import dollars

WIDTH = 120
EXPLAINED = 3  # decisions


async def report(result: DemoResult, verification: Verification, service: Service) -> str:
    """Tables, three decisions explained, where the trace is, and whether the log is whole."""
    console = Console(file=io.StringIO(), width=WIDTH)
    for notice in result.notices:
        console.print(f"note: {notice}", markup=False)
    compared = len(result.standings[0].answered) if result.standings else 0
    console.print(
        f"{len(result.explored)} questions explored, {compared} compared, {len(result.candidates)} candidates, "
        f"{result.seconds:.0f} s, seed {result.plan.seed}"
    )
    if result.standings:
        console.print(_standings_table(result.standings))
        for line in verdict(result.standings):
            console.print(line, markup=False)
        console.print(_kinds_table(result.standings))
    for answered in await chosen_for_explaining(result.standings, service):
        console.print()
        console.print(f"Q: {answered.question.text}\nA: {answered.answer}", markup=False)
        explanation = explanation_of(await service.attempt(answered.decision_id))
        for each in explanation_lines(explanation, width=console.width):
            console.print(each, soft_wrap=True)
    console.print()
    for line in _epilogue(result, verification):
        console.print(line, markup=False, soft_wrap=True)
    file = console.file
    return file.getvalue() if isinstance(file, io.StringIO) else ""


def report_view(result: DemoResult, verification: Verification) -> dict[str, Any]:
    return {
        "seed": result.plan.seed,
        "store_url": result.store_url,
        "seconds": round(result.seconds, 1),
        "candidates": list(result.candidates),
        "notices": list(result.notices),
        "explored": len(result.explored),
        "policies": [
            {
                "policy": standing.name,
                "questions": len(standing.answered),
                "accuracy": round(standing.accuracy, 4),
                "utility": round(standing.utility, 4),
                "cost_usd": f"{standing.cost_usd:f}",
                "seconds": round(standing.seconds, 1),
                "shares": {name: round(share, 3) for name, share in standing.shares().items()},
                "accuracy_by_kind": {kind: round(right, 3) for kind, right in by_kind(standing.answered).items()},
            }
            for standing in result.standings
        ],
        "verification": plain(verification),
    }


def verdict(standings: Sequence[Standing]) -> Iterator[str]:
    """How the learned policy stands against each other one, in words, whoever is ahead."""
    learned, *others = standings
    for other in others:
        gap = learned.utility - other.utility
        place = "ahead of" if gap > 0 else "behind" if gap < 0 else "level with"
        cost = float(learned.cost_usd / other.cost_usd) if other.cost_usd else float("inf")
        yield (
            f"  The learned policy is {place} {other.name}: utility {gap:+.3f}, "
            f"accuracy {learned.accuracy - other.accuracy:+.1%}, at {cost:.0%} of its cost."
        )


def by_kind(answered: Sequence[Answered]) -> dict[str, float]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    for each in answered:
        found[each.question.kind].append(each.quality)
    return {kind: sum(qualities) / len(qualities) for kind, qualities in sorted(found.items())}


async def chosen_for_explaining(standings: Sequence[Standing], service: Service) -> list[Answered]:
    """Of the learner's: the clearest choice, the closest one, and one that explored (or the dearest)."""
    if not standings:
        return []
    found = []
    for answered in standings[0].answered:
        gap = margin_of((await service.attempt(answered.decision_id)).decision)
        if gap is not None:
            found.append((gap, answered))
    if not found:
        return standings[0].answered[:EXPLAINED]
    found.sort(key=lambda pair: pair[0])
    picks = [found[-1][1], min(found, key=lambda pair: abs(pair[0]))[1], found[0][1]]
    return list({each.decision_id: each for each in picks}.values())[:EXPLAINED]


def _standings_table(standings: Sequence[Standing]) -> Table:
    table = Table(title="Same questions, four ways to choose", title_justify="left", box=SIMPLE_HEAD)
    for column in ("policy", "right", "accuracy", "cost", "seconds", "utility", "mostly picked"):
        table.add_column(column, justify="left" if column in ("policy", "mostly picked") else "right")
    for standing in standings:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in list(standing.shares().items())[:2])
        table.add_row(
            standing.name,
            f"{sum(each.quality for each in standing.answered):.0f}/{len(standing.answered)}",
            f"{standing.accuracy:.1%}",
            dollars(standing.cost_usd),
            f"{standing.seconds:.0f}",
            f"{standing.utility:.3f}",
            shares,
        )
    return table


def _kinds_table(standings: Sequence[Standing]) -> Table:
    table = Table(title="Right by kind of question", title_justify="left", box=SIMPLE_HEAD)
    kinds = list(by_kind(standings[0].answered))
    table.add_column("policy")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for standing in standings:
        right = by_kind(standing.answered)
        table.add_row(standing.name, *(f"{right[kind]:.0%}" for kind in kinds))
    return table


def _epilogue(result: DemoResult, verification: Verification) -> Iterator[str]:
    bad = verification.first_bad_event
    state = f"broken at event {bad.position}: {bad.reason}" if bad else f"whole, {verification.events_checked} events"
    yield f"Audit log: {state}"
    yield f"Everything is in {result.store_url}; look at it with"
    yield f"  antroute traces list --store {result.store_url}"
    yield f"  antroute audit verify --store {result.store_url}"
    weight = result.cost_weight
    yield f"Utility is quality - {weight:g} * cost / (a usual call of the dearest model), clipped to [0, 1]."
    yield "Seconds add up what the candidates took; an answer that an earlier policy had got already is billed again,"
    yield "but not computed again."
