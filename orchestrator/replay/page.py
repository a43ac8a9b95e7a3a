"""The report of a replay as one HTML file that fetches nothing; jinja2 escapes the strangers' names in it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from orchestrator.replay.records import Comparison, Standing, TrafficReplay
from orchestrator.replay.tables import (
    Table,
    changes_table,
    comparison_lines,
    headline,
    quality_words,
    sources,
    standings_table,
    switches_table,
    traffic_lines,
)

TEMPLATE = "replay.html.j2"
SHOWN_SWITCHES = 100


def traffic_page(found: TrafficReplay) -> str:
    """The HTML of one router's replay."""
    tables = [
        standings_table([found.router, found.logged, *found.references]),
        switches_table(found.switches, title="Who takes whose place", most=SHOWN_SWITCHES),
        changes_table(found.changes, title=f"The largest of {found.changed} changes"),
    ]
    return _page(
        title=f"Replay of {found.router.router.name}",
        sentences=[headline(found), f"Quality: {quality_words(found.router.quality)}"],
        lines=list(traffic_lines(found))[1:],
        tables=tables,
        standings=[found.router, found.logged, *found.references],
        found=found,
    )


def comparison_page(found: Comparison) -> str:
    """The HTML of two routers side by side."""
    first, second = found.first, found.second
    standings = [first.router, second.router, first.logged, *first.references]
    tables = [
        standings_table(standings),
        switches_table(found.switches, title="From the first one's candidate to the second's", most=SHOWN_SWITCHES),
        changes_table(found.changes, title=f"The largest of {found.changed} differences"),
    ]
    return _page(
        title=f"{first.router.router.name} and {second.router.router.name}",
        sentences=[headline(first), headline(second)],
        lines=[line for line in comparison_lines(found) if line],
        tables=tables,
        standings=standings,
        found=first,
    )


def _page(
    *,
    title: str,
    sentences: Sequence[str],
    lines: Sequence[str],
    tables: Sequence[Table],
    standings: Sequence[Standing],
    found: TrafficReplay,
) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("orchestrator.replay").joinpath(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        title=title,
        sentences=sentences,
        facts=[_fact(line) for line in lines],
        tables=[table for table in tables if table.rows],
        standings=standings,
        sources=sources,
        found=found,
    )


def _fact(line: str) -> tuple[str, str]:
    """A line of the terminal's as a term and what is said of it."""
    term, _, words = line.strip().partition("  ")
    return (term, words.strip()) if words else ("", term)
