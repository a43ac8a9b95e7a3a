"""The first page: how much, for how much money, how well, by whom."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from orchestrator.rest.console.door import ROOT
from orchestrator.rest.console.page import page

router = APIRouter(include_in_schema=False)


@router.get(ROOT)
async def overview(request: Request) -> HTMLResponse:
    return page(request, "overview.html", active="overview")
