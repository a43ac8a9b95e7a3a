"""Skills over HTTP: the catalogue, both stages of a search, and the operator's say. Adding takes the command line."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.found_skills import FoundSkills
from orchestrator.rest.schemas import Body
from orchestrator.service import Service
from orchestrator.views import plain, record_view
from storage.skill_records import SkillState, SkillVersion
from storage.stores import SkillFilter

router = APIRouter(prefix="/v1/skills", tags=["skills"])


class SkillQuery(BaseModel):
    """Filters on an allow-list; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid")

    library: str | None = None
    state: SkillState | None = None
    q: str | None = Field(default=None, max_length=200, description="Part of a name, without regard to case.")
    cursor: str | None = Field(default=None, max_length=1000)
    limit: int = Field(default=50, ge=1, le=500)


class SearchRequest(Body):
    """What a skill is wanted for."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"query": "Turn this CSV of orders into a chart by month.", "top": 5}]},
    )

    query: str = Field(min_length=1, max_length=100_000)
    top: int = Field(default=10, ge=1, le=50)


class OperatorRequest(Body):
    """Why. A body is needed, so that no web page can send it without being asked for its origin."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"reason": "Read in full: the base64 block is a logo."}]},
    )

    reason: str = Field(min_length=1, max_length=500)


class AllowRequest(OperatorRequest):
    """An operator's word for the text that was read."""

    sha256: str = Field(default="", max_length=64)  # its digest, or the beginning of it; empty: whatever is there


LISTED = {
    "skills": [
        {
            "skill_id": "pdf-forms", "name": "pdf-forms", "description": "Fills the fields of a PDF form.",
            "sha256": "9f2c…", "library": "office", "kind": "text", "version": 2, "state": "active", "findings": [],
        }
    ],
    "next_cursor": None,
}  # fmt: skip
FOUND = {
    "hits": [
        {
            "skill_id": "pdf-forms", "name": "pdf-forms", "sha256": "9f2c…", "rank": 1, "retrieval": 0.0325,
            "rerank": 3.1, "version": 2, "is_usable": True,
        }
    ],
    "fit_probability": 0.93, "index_sha256": "41ab…", "ranker_sha256": "77d0…", "encoder": "minilm-l6-v2",
    "is_abstained": False, "reason": "", "seconds": 0.021,
}  # fmt: skip


def example(body: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """As FastAPI wants it."""
    return {200: {"content": {"application/json": {"example": body}}}}


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.get("", responses=example(LISTED))
async def list_skills(request: Request, query: Annotated[SkillQuery, Query()]) -> dict[str, Any]:
    """By id, latest versions, without their bodies; `cursor` takes the `next_cursor` of the page before."""
    wanted = SkillFilter(
        library=query.library,
        state=query.state,
        name_contains=query.q,
        after_id=query.cursor,
        limit=query.limit,
    )
    found = await service_of(request).stores.skills.find(wanted)
    next_cursor = found[-1].skill_id if len(found) == query.limit else None
    return {"skills": [without_body(skill) for skill in found], "next_cursor": next_cursor}


@router.post("/search", responses=example(FOUND))
async def search_skills(body: SearchRequest, request: Request) -> dict[str, Any]:
    """Both stages' scores, best first, as a decision would see them; nothing is stored."""
    return found_view(await service_of(request).search_skills(body.query, top=body.top))


@router.post("/{skill_id:path}/allow")
async def allow_skill(skill_id: str, body: AllowRequest, request: Request) -> dict[str, Any]:
    """Lets a quarantined text be shown to agents: this very text, and no other version."""
    return without_body(await service_of(request).skills.allow(skill_id, reason=body.reason, sha256=body.sha256))


@router.post("/{skill_id:path}/remove")
async def remove_skill(skill_id: str, body: OperatorRequest, request: Request) -> dict[str, Any]:
    """Takes a skill out of the catalogue and the index; its versions stay for those who ask."""
    return without_body(await service_of(request).skills.remove(skill_id, reason=body.reason))


@router.get("/{skill_id:path}")
async def get_skill(skill_id: str, request: Request) -> dict[str, Any]:
    """The latest version with its body, all versions and every change of state."""
    skills = service_of(request).stores.skills
    latest = await skills.get(skill_id)
    return {
        **record_view(latest),
        "versions": [without_body(each) for each in await skills.versions_of(skill_id)],
        "moves": plain(await skills.moves_of(skill_id)),
    }


def found_view(found: FoundSkills) -> dict[str, Any]:
    """`is_usable`: whether it would be shown, were there room for all."""
    view, usable = record_view(found.selection), {skill.skill_id for skill in found.usable}
    hits = [{**hit, "is_usable": hit["skill_id"] in usable} for hit in view.pop("considered")]
    for hit in hits:
        del hit["is_shown"]  # nobody was shown anything
    return {"hits": hits, **view}


def without_body(skill: SkillVersion) -> dict[str, Any]:
    view = record_view(skill)
    view["body_characters"] = len(view.pop("body"))
    return view
