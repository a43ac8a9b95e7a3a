"""`antroute skills scan|copies|groups|doctor`: what is wrong with skills, and how they hang together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.skill_catalog import Library, finding_line, line_of, opened_skills
from orchestrator.terminal import AsJson, StoreUrl, existing, opened_stores, progress_bar, run, say, say_json

if TYPE_CHECKING:
    from orchestrator.skill_report import Defect, LibraryHealth
    from skills.groups.base import SkillGroups
    from skills.groups.confusion import Confusion, ConfusionReport
    from storage.skill_records import Finding

TOLD = 10
WOULD_BE_QUARANTINED = 1

Index = Annotated[Path | None, typer.Option("--index", help="Folder of an index; default: the catalogue's.")]


def scan(
    path: Annotated[str | None, typer.Argument(metavar="PATH", help="A source, as `skills add` takes it.")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="All that is catalogued, by the rules of today.")] = False,
    library: Library = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """What the scan finds. A PATH is added nowhere, and the exit code is 1 where something would be quarantined."""
    from storage.errors import InvalidInput

    if (path is None) != (is_all or library is not None):
        raise InvalidInput("Give either a PATH, or --all or --library NAME.", field="path")
    if path is None:
        run(_scan_catalogue(library, store, as_json))
    else:
        run(_scan_source(path, as_json))


def copies(library: Library = None, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Active skills that say the same, or nearly so, in groups."""
    run(_copies(library, store, as_json))


def groups(
    index: Index = None,
    again: Annotated[bool, typer.Option("--again", help="Anew, without regard to former names.")] = False,
    as_json: AsJson = False,
) -> None:
    """The groups of a library that is too large to choose from at once, with their telling words."""
    from orchestrator.settings import load_settings
    from orchestrator.skill_report import open_index
    from skills.groups.indexed import groups_of_index

    settings = load_settings()
    with progress_bar() as on_progress:
        opened = open_index(settings, index)
        found = groups_of_index(opened, index or settings.skills.index_dir, again=again, on_progress=on_progress)
    if as_json:
        say_json({"encoder": found.encoder, "groups": _groups_view(found)})
    elif not found.groups:
        say(f"{opened.arrays.count} skills are few enough to be shown at once: no groups.")
    else:
        say("\n".join(_group_lines(found, None, "")))


def doctor(
    index: Index = None,
    queries: Annotated[
        Path | None, typer.Option("--queries", help="Real queries with their skills, as for `skills train`.")
    ] = None,
    examined: Annotated[int, typer.Option("--examined", min=1, help="At most so many skills are asked for.")] = 2000,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Which skills take each other's queries, and what to say instead; copies; texts too short or too long."""
    run(_doctor(index, queries, examined, store, as_json))


async def _scan_source(path: str, as_json: bool) -> None:
    from orchestrator.settings import load_settings
    from orchestrator.skill_libraries import Session
    from orchestrator.skill_sources import known_source, opened_source
    from skills.safety.scanning import is_quarantined
    from skills.safety.scanning import scan as scanned

    settings = load_settings()
    source = opened_source(settings, known_source(settings, path))
    try:
        reading = await source.read()
    finally:
        if isinstance(source, Session):
            await source.close()
    found: dict[str, Sequence[Finding]] = {}
    with progress_bar() as on_progress:
        for place, skill in enumerate(reading.skills, start=1):
            if findings := scanned(skill):
                found[skill.skill_id] = findings
            on_progress(place, len(reading.skills), "scanning skills")
    bad = [skill_id for skill_id, findings in found.items() if is_quarantined(findings)]
    if as_json:
        from orchestrator.views import plain

        view = {"scanned": len(reading.skills), "would_be_quarantined": bad, "findings": plain(found)}
        say_json({**view, "refused": plain(reading.refused)})
    else:
        say("\n".join(_finding_lines(found)) or "Nothing was found.")
        for refused in reading.refused:
            say(f"refused: {line_of(refused.where)}: {line_of(refused.reason)}")
        say(f"{len(reading.skills)} skills scanned, {len(bad)} would be quarantined, {len(reading.refused)} refused")
    raise typer.Exit(WOULD_BE_QUARANTINED if bad else 0)


async def _scan_catalogue(library: str | None, store: str | None, as_json: bool) -> None:
    async with opened_skills(store) as skills:
        with progress_bar() as on_progress:
            change = await skills.catalog.scan(library=library, on_progress=on_progress)
    if as_json:
        from orchestrator.views import plain

        view = {"scanned": change.scanned, "quarantined": change.quarantined, "findings": change.id_to_findings}
        say_json(plain(view))
        return
    say("\n".join(_finding_lines(change.id_to_findings)) or "Nothing was found.")
    say(f"{change.scanned} skills scanned, {len(change.quarantined)} quarantined that were active")
    for skill_id in change.quarantined:
        say(f"  {line_of(skill_id)}: look at it with `antroute skills show`, let it through with `skills allow`")


def _finding_lines(found: dict[str, Any]) -> Iterator[str]:
    for skill_id, findings in found.items():
        yield line_of(skill_id)
        yield from (f"  {finding_line(finding)}" for finding in findings)


async def _copies(library: str | None, store: str | None, as_json: bool) -> None:
    from orchestrator.skill_report import copies_of

    async with opened_stores(store) as stores:
        with progress_bar() as on_progress:
            found = await copies_of(stores.skills, library=library, on_progress=on_progress)
    if as_json:
        from orchestrator.views import plain

        say_json({"groups": plain(found)})
        return
    for group in found:
        say(line_of(group.first))
        for copy in group.copies:
            say(f"  {'same' if copy.is_exact else f'{copy.similarity:.2f}'}  {line_of(copy.skill_id)}")
    say(f"copies: {sum(len(group.copies) for group in found)}, of {len(found)} skills")
    if found:
        say("Remove one: antroute skills remove ID --reason WHY")


def _groups_view(found: SkillGroups) -> list[dict[str, Any]]:
    return [
        {
            "name": group.name,
            "description": group.description,
            "terms": group.terms,
            "parent": None if group.parent is None else found.groups[group.parent].name,
            "skill_ids": group.skill_ids,
        }
        for group in found.groups
    ]


def _group_lines(found: SkillGroups, parent: int | None, indent: str) -> Iterator[str]:
    for place in found.places_below.get(parent, ()):
        group = found.groups[place]
        yield f"{indent}{group.name}: {line_of(group.description)}"
        yield from _group_lines(found, place, indent + "  ")


async def _doctor(index: Path | None, queries: Path | None, examined: int, store: str | None, as_json: bool) -> None:
    from orchestrator.settings import load_settings
    from orchestrator.skill_report import catalogue_health, diagnose, health_of, open_index
    from skills.groups.indexed import indexed_skills

    settings = load_settings(**({} if store is None else {"store_url": store}))
    if index is None:
        existing(settings.store_url)
    with progress_bar() as on_progress:
        opened = open_index(settings, index)
        folder = index or settings.skills.index_dir
        report = diagnose(opened, folder, queries=queries, examined=examined, on_progress=on_progress)
    if index is None:
        async with opened_stores(store) as stores:
            health = await catalogue_health(stores.skills)
    else:
        health = health_of(indexed_skills(opened))
    if as_json:
        say_json(_doctor_view(report, health))
    else:
        say("\n".join(_doctor_lines(report, health)))


def _doctor_view(report: ConfusionReport, health: LibraryHealth) -> dict[str, Any]:
    from orchestrator.views import record_view

    view = record_view(report)
    view["confusions"] = [
        {**record_view(pair), "stolen_share": round(pair.stolen_share, 4), "advice": pair.advice}
        for pair in report.confusions
    ]
    return {**view, "lost_share": round(report.lost_share, 4), "health": record_view(health)}


def _doctor_lines(report: ConfusionReport, health: LibraryHealth) -> Iterator[str]:
    expected = report.expected
    yield f"{report.skills} skills; {report.queries} queries of {report.examined} of them were asked"
    yield f"{report.lost_share:.1%} of a skill's own queries are won by another one that is no copy of it"
    yield (
        f"Estimate for a model that reads the whole list (arXiv 2601.04748, no measurement): "
        f"{expected.flat_least:.0%} to {expected.flat_most:.0%} right"
    )
    if expected.grouped_least is not None and expected.grouped_most is not None:
        yield f"  by group, then skill: {expected.grouped_least:.0%} to {expected.grouped_most:.0%}"
    yield ""
    yield f"Skills that lose queries: {len(report.confusions)} pairs"
    for pair in report.confusions[:TOLD]:
        yield from _pair_lines(pair)
    yield from _more(len(report.confusions))
    count = sum(len(group.copies) for group in report.copies)
    yield f"Copies: {count}, of {len(report.copies)} skills (antroute skills copies)"
    yield from _defects("Without a description", [f"{line_of(each)}: write one" for each in health.without_description])
    yield from _defects("Over-long", _told_defects(health.over_long))
    yield from _defects("Quarantined", _told_defects(health.quarantined))


def _pair_lines(pair: Confusion) -> Iterator[str]:
    yield (
        f"  {_named(pair.skill_id, pair.name)} loses {pair.stolen} of {pair.queries}"
        f" to {_named(pair.other_id, pair.other_name)}"
        f" (similarity {pair.similarity:.2f}; both say {line_of(', '.join(pair.shared_words)) or 'nothing alike'})"
    )
    yield f"    {line_of(pair.advice)}"
    yield f"    lost: {line_of(pair.examples[0])!r}"


def _named(skill_id: str, name: str) -> str:
    return line_of(skill_id) if name == skill_id else f"{line_of(skill_id)} ({line_of(name)})"


def _told_defects(defects: Sequence[Defect]) -> list[str]:
    return [f"{line_of(defect.skill_id)}: {line_of(defect.what)}" for defect in defects]


def _defects(what: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"{what}: {len(lines)}"
    yield from (f"  {line}" for line in lines[:TOLD])
    yield from _more(len(lines))


def _more(count: int) -> Iterator[str]:
    if count > TOLD:
        yield f"  … and {count - TOLD} more (--json has all)"
