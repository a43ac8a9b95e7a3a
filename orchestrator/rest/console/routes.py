"""All routes of the console in one router; importing them makes nothing and loads no template."""

from __future__ import annotations

from fastapi import APIRouter

from orchestrator.rest.console import assets
from orchestrator.rest.console.pages import (
    budgets,
    compare,
    decision,
    decisions,
    jobs,
    login,
    memory,
    overview,
    routers,
    skills,
    try_it,
)

PAGES = (login, overview, decisions, decision, jobs, routers, memory, skills, budgets, compare, try_it)

router = APIRouter(include_in_schema=False)
router.include_router(assets.router)
for each in PAGES:
    router.include_router(each.router)
