"""What a page says after a form was sent: words of ours by their key, so that no address can put words on a page."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import RedirectResponse

from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.roles import may
from storage.key_records import KeyRole

PARAMETER = "said"
WORDS = {
    "decision_judged": "The verdict is recorded; the policies learn from it.",
    "job_cancel": "The job was told to stop.",
    "delivery_again": "The message is sent again from now on.",
    "router_promoted": "The version is active; this process uses it from now on.",
    "router_shadowed": "The version runs beside the active one, unheeded.",
    "router_retired": "The version is out of service.",
    "router_rolled_back": "The version that was active before is active again.",
    "skill_allowed": "The skill may be shown to agents again.",
    "skill_removed": "The skill is out of the catalogue.",
}


def back(address: str, said: str) -> RedirectResponse:
    """To the page after a form. Raises KeyError for what is not among the words."""
    if said not in WORDS:
        raise KeyError(said)
    return RedirectResponse(f"{address}?{PARAMETER}={said}", status_code=303)


def said_in(request: Request) -> str:
    """The words that the address asks for; empty for a key that is none of ours."""
    return WORDS.get(request.query_params.get(PARAMETER, ""), "")


def is_allowed(request: Request, least: KeyRole) -> bool:
    """Whether whoever looks has this role: what a form would refuse is not offered."""
    return may(identity_of(request).role, least)
