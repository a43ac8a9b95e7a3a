"""Two routers on the same stored traffic: asked for by a form, worked on beside the requests, shown side by side."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from orchestrator.replay.records import Standing, Switch, TrafficFilter
from orchestrator.replay.tables import sources
from orchestrator.rest.console.comparisons import LOGGED, Comparing, Comparisons
from orchestrator.rest.console.page import page
from orchestrator.rest.console.periods import PERIODS, PeriodName
from orchestrator.rest.errors import status_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from orchestrator.rest.routers import routers_of
from routing.evaluation.off_policy import Estimate, OffPolicy, Refusal
from routing.router import AUTO
from storage.errors import ServiceError
from storage.records import utc_now
from storage.version_records import PolicyVersion

ADDRESS = "/console/compare"
router = APIRouter(prefix=ADDRESS, include_in_schema=False)

MOST_DECISIONS = 2_000  # at once from the page
LIMITS = (200, 500, 1_000, MOST_DECISIONS)
VERSIONS_OFFERED = 50
MOST_CANDIDATES = 12  # of the matrix
SHADES = 4

Name = Annotated[str, Form(min_length=1, max_length=200)]


@dataclass(frozen=True, kw_only=True)
class Cell:
    count: int
    shade: int  # 0: none, to SHADES


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """How often one candidate took the place of another. `left_out`: switches of candidates beyond the first ones."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    left_out: int


@router.get("")
async def ask(request: Request) -> HTMLResponse:
    return await _form(request)


@router.post("")
async def begin(
    request: Request,
    first: Name,
    second: Name,
    period: Annotated[PeriodName, Form()] = "7d",
    limit: Annotated[Literal["200", "500", "1000", "2000"], Form()] = "500",
) -> Response:
    """To the page of the comparison, which is then under way."""
    since = PERIODS[period].since(utc_now())
    wanted = TrafficFilter(since=since, limit=int(limit))
    try:
        begun = comparisons_of(request).begin(first, second, wanted, identity_of(request))
    except ServiceError as error:
        return await _form(request, first=first, second=second, trouble=error)
    return RedirectResponse(f"{ADDRESS}/{begun.id}", status_code=303)


@router.get("/{comparison_id}")
async def show(comparison_id: str, request: Request) -> HTMLResponse:
    """What came of it, or how far it is. Raises RecordNotFound."""
    found = comparisons_of(request).get(comparison_id, identity_of(request))
    values = {
        "comparing": found,
        "titles": titles_of(await routers_of(request).list()),
        "command": command_of(found),
        "found": found.found,
        "matrix": None if found.found is None else matrix_of(found.found.switches),
        "sources": sources,
        "quality_of": quality_of,
        "refusal_of": refusal_of,
        "most_decisions": MOST_DECISIONS,
    }
    return page(request, "comparison.html", active="compare", values=values)


@router.get("/{comparison_id}/progress")
async def follow(comparison_id: str, request: Request) -> Response:
    """How far it is, as a part of the page; the whole page anew once it has ended. Raises RecordNotFound."""
    found = comparisons_of(request).get(comparison_id, identity_of(request))
    if found.has_ended:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return page(request, "comparison_progress.html", values={"comparing": found})


def comparisons_of(request: Request) -> Comparisons:
    """Those of this application; the first one who asks makes the place for them."""
    state = request.app.state
    if not hasattr(state, "comparisons"):
        service = service_of(request)
        state.comparisons = Comparisons(lambda: service.replays)
    found: Comparisons = state.comparisons
    return found


def titles_of(versions: Sequence[PolicyVersion]) -> dict[str, str]:
    """What people call a version, by its id."""
    return {each.id: f"{each.name} ({each.predictor})" for each in versions}


def command_of(asked: Comparing) -> str:
    """The same on the command line, where more can be replayed."""
    wanted = asked.wanted
    words = ["antroute", "routers", "compare", asked.first, asked.second]
    if LOGGED in (asked.first, asked.second):
        other = asked.second if asked.first == LOGGED else asked.first
        words = ["antroute", "replay", "--router", other]
    if wanted.since is not None:
        words += ["--since", wanted.since.isoformat()]
    return shlex.join([*words, "--limit", "100000"])


def quality_of(standing: Standing) -> Estimate | None:
    """The estimate to be trusted most: doubly robust where there is a model, else self-normalised."""
    found = standing.quality
    return (found.dr or found.snips) if isinstance(found, OffPolicy) else None


def refusal_of(standing: Standing) -> str:
    """Why the log says nothing of its quality."""
    if isinstance(standing.quality, Refusal):
        return standing.quality.reason
    return "" if standing.quality is not None else "nothing in the log was judged"


def matrix_of(switches: Sequence[Switch]) -> Matrix:
    """Of the candidates that were switched most."""
    weights: defaultdict[str, int] = defaultdict(int)
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for each in switches:
        weights[each.from_id] += each.count
        weights[each.to_id] += each.count
        counts[each.from_id, each.to_id] += each.count
    names = tuple(sorted(weights, key=lambda name: (-weights[name], name))[:MOST_CANDIDATES])
    most = max((counts[one, two] for one in names for two in names), default=0)
    rows = tuple((one, tuple(_cell(counts[one, two], most) for two in names)) for one in names)
    shown = sum(cell.count for _, cells in rows for cell in cells)
    return Matrix(columns=names, rows=rows, left_out=sum(each.count for each in switches) - shown)


def _cell(count: int, most: int) -> Cell:
    return Cell(count=count, shade=-(-count * SHADES // most) if count else 0)


async def _form(
    request: Request, *, first: str = LOGGED, second: str = "", trouble: ServiceError | None = None
) -> HTMLResponse:
    service, versions = service_of(request), await routers_of(request).list()
    values = {
        "logged": LOGGED,
        "titles": titles_of(versions),
        "policies": [each for each in service.policies if each != AUTO],
        "versions": versions[:VERSIONS_OFFERED],
        "periods": tuple(PERIODS.values()),
        "limits": LIMITS,
        "first": first,
        "second": second,
        "kept": comparisons_of(request).of(identity_of(request)),
        "trouble": trouble,
        "has_decisions": await service.stores.audit.last_position() > 0,
    }
    status = 200 if trouble is None else status_of(trouble)
    return page(request, "compare.html", active="compare", status=status, values=values)
