"""The OpenAPI document: what FastAPI finds in the routes, and what holds for all of them: keys, roles and errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from orchestrator.rest.roles import LEAST_ROLE

SCHEME = "key"
NULLABLE_TEXT = {"type": ["string", "null"]}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "type", "param", "hint", "retryable", "retry_after_seconds", "decision_id"],
            "properties": {
                "code": {"type": "string", "description": "Stable; what a program may rely on."},
                "message": {"type": "string", "description": "What happened, for people."},
                "type": {"type": "string"},
                "param": {**NULLABLE_TEXT, "description": "The field that is wrong."},
                "hint": {**NULLABLE_TEXT, "description": "What would be right."},
                "retryable": {"type": "boolean"},
                "retry_after_seconds": {"type": ["number", "null"]},
                "decision_id": NULLABLE_TEXT,
            },
        }
    },
}
FAILED = {
    "description": "An error: 400 or 422 bad input, 401 no key, 402 budget, 403 not permitted, 404 not there, 409 "
    "conflict, 413 too large, 429 too much, 5xx ours or the models'.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """Made once, when somebody first asks for it."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes)
        components = made.setdefault("components", {})
        components.setdefault("schemas", {})["Error"] = ERROR
        components["securitySchemes"] = {SCHEME: {"type": "http", "scheme": "bearer"}}
        made["security"] = [{SCHEME: []}]
        for method, path, operation in _operations(made["paths"]):
            operation["responses"].pop("422", None)  # FastAPI's own shape, which nobody sends here
            operation["responses"]["default"] = FAILED
            least = _least(method, path)
            if least == "open":
                operation["security"] = []
            operation["x-antroute-role"] = least
        app.openapi_schema = made
    return app.openapi_schema


def _operations(paths: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _least(method: str, path: str) -> str:
    """As roles are written: `{skill_id:path}` there is `{skill_id}` in a document."""
    table = {(verb, route.replace(":path}", "}")): least for (verb, route), least in LEAST_ROLE.items()}
    return table.get((method, path), "admin")
