"""The console's own files: style, script and htmx, from the package; addressed by digest, so that they are kept."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from storage.errors import RecordNotFound

NAME_TO_TYPE = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
DIGEST_CHARACTERS = 12

router = APIRouter(prefix="/console/static", include_in_schema=False)


@cache
def content_of(name: str) -> bytes:
    return files("orchestrator.rest.console").joinpath("static", name).read_bytes()


@cache
def address_of(name: str) -> str:
    """Where the page finds it; another content has another address. Raises KeyError for what is no asset."""
    digest = sha256(content_of(name)).hexdigest()[:DIGEST_CHARACTERS] if NAME_TO_TYPE[name] else ""
    return f"/console/static/{digest}/{name}"


@router.get("/{digest}/{name}")
async def asset(digest: str, name: str) -> Response:
    """Raises RecordNotFound."""
    if name not in NAME_TO_TYPE:
        raise RecordNotFound(f"No file {name!r} of the console.")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(content_of(name), media_type=NAME_TO_TYPE[name], headers=headers)
