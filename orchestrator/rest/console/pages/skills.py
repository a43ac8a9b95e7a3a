"""Skills: a search with both stages' scores, the catalogue by state, and one skill with its text, findings and past."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, Response

from orchestrator.found_skills import FoundSkills
from orchestrator.rest.console.page import page
from orchestrator.rest.console.said import back, is_allowed, said_in
from orchestrator.rest.errors import status_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from storage.errors import InvalidInput, ServiceError
from storage.skill_records import SkillState
from storage.stores import SkillFilter

ADDRESS = "/console/skills"
router = APIRouter(prefix=ADDRESS, include_in_schema=False)

SKILLS_A_PAGE = 50
FOUND = 10
MOST_VERSIONS = 50
STATES = get_args(SkillState)

Text = Annotated[str, Query(max_length=200)]
SkillId = Annotated[str, Form(min_length=1, max_length=1000)]
Reason = Annotated[str, Form(min_length=1, max_length=500)]


@router.get("")
async def list_skills(
    request: Request,
    state: SkillState | Literal[""] = "",
    library: Text = "",
    q: Text = "",
    after: Annotated[str, Query(max_length=1000)] = "",
) -> HTMLResponse:
    """By id, latest versions. `q`: part of a name; `after`: the last id of the page before."""
    wanted = {"state": state, "library": library, "q": q, "after": after}
    return await _list(request, wanted, said=said_in(request))


@router.post("/search")
async def search_skills(request: Request, query: Annotated[str, Form(min_length=1, max_length=20_000)]) -> HTMLResponse:
    """What a decision on this text would consider; nothing is stored. What is wrong with the index is said."""
    try:
        found = await service_of(request).search_skills(query, top=FOUND)
    except ServiceError as error:
        return await _list(request, {}, query=query, trouble=error)
    return await _list(request, {}, query=query, found=found)


@router.post("/allow")
async def allow_skill(
    request: Request, skill_id: SkillId, reason: Reason, sha256: Annotated[str, Form(min_length=64, max_length=64)]
) -> Response:
    """Lets the very text be shown that was read on the page. Raises RecordNotFound."""
    by = identity_of(request).principal
    try:
        await service_of(request).skills.allow(skill_id, reason=reason, by=by, sha256=sha256)
    except InvalidInput as error:  # it is another text by now, or not in quarantine any more
        return await _one(request, skill_id, trouble=error)
    return back(ADDRESS, "skill_allowed")


@router.post("/remove")
async def remove_skill(request: Request, skill_id: SkillId, reason: Reason) -> Response:
    """Raises RecordNotFound."""
    await service_of(request).skills.remove(skill_id, reason=reason, by=identity_of(request).principal)
    return back(ADDRESS, "skill_removed")


@router.get("/{skill_id:path}")
async def show_skill(skill_id: str, request: Request) -> HTMLResponse:
    """Raises RecordNotFound."""
    return await _one(request, skill_id)


async def _list(
    request: Request,
    wanted: dict[str, str],
    *,
    query: str = "",
    found: FoundSkills | None = None,
    trouble: ServiceError | None = None,
    said: str = "",
) -> HTMLResponse:
    """The catalogue's page of these filters, below the search."""
    state, name, after = wanted.get("state", ""), wanted.get("q", ""), wanted.get("after", "")
    skills = await service_of(request).stores.skills.find(
        SkillFilter(
            library=wanted.get("library") or None,
            state=next((each for each in STATES if each == state), None),
            name_contains=name or None,
            after_id=after or None,
            limit=SKILLS_A_PAGE,
        )
    )
    values: dict[str, Any] = {
        "skills": skills,
        "states": STATES,
        "state": state,
        "library": wanted.get("library", ""),
        "q": name,
        "after": after,
        "next_after": skills[-1].skill_id if len(skills) == SKILLS_A_PAGE else None,
        "query": query,
        "found": found,
        "usable": set() if found is None else {skill.skill_id for skill in found.usable},
        "said": said,
        "trouble": trouble,
    }
    return page(request, "skills.html", active="skills", status=_status(trouble), values=values)


async def _one(request: Request, skill_id: str, *, trouble: ServiceError | None = None) -> HTMLResponse:
    skills = service_of(request).stores.skills
    latest = await skills.get(skill_id)
    values = {
        "skill": latest,
        "versions": (await skills.versions_of(skill_id))[::-1][:MOST_VERSIONS],
        "moves": (await skills.moves_of(skill_id))[::-1][:MOST_VERSIONS],
        "may_change": is_allowed(request, "operator"),
        "said": "",
        "trouble": trouble,
    }
    return page(request, "skill.html", active="skills", status=_status(trouble), values=values)


def _status(trouble: ServiceError | None) -> int:
    return 200 if trouble is None else status_of(trouble)
