"""Errors to HTTP: one table, looked up along the error's ancestors, and one body that OpenAI's clients read too."""

from __future__ import annotations

import math

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from agents.errors import AgentError, ModelUnavailable
from orchestrator.errors import (
    BodyTooLarge,
    BudgetAsk,
    DeadlineExceeded,
    JobCancelled,
    JobUnfinished,
    NotAuthenticated,
    NotPermitted,
    Overloaded,
    PromotionRefused,
    RateLimited,
    UnknownModel,
)
from orchestrator.rest.roles import methods_of
from orchestrator.texts import storable
from orchestrator.views import plain
from routing.errors import ArtifactRefused, NoCandidate, UnknownPolicy
from skills.errors import IndexRefused, SkillFailed, SkillNotFound, SkillRefused
from storage.errors import (
    BudgetExceeded,
    IdempotencyConflict,
    InvalidInput,
    LeaseLost,
    RecordNotFound,
    ServiceError,
    StorageUnavailable,
    VersionConflict,
)

STATUS_OF: dict[type[ServiceError], int] = {
    InvalidInput: 422,
    UnknownPolicy: 422,
    NotAuthenticated: 401,
    BudgetExceeded: 402,
    NotPermitted: 403,
    RecordNotFound: 404,
    SkillNotFound: 404,
    SkillRefused: 422,
    SkillFailed: 502,
    NoCandidate: 409,
    IdempotencyConflict: 409,
    ArtifactRefused: 409,
    PromotionRefused: 409,
    VersionConflict: 409,
    IndexRefused: 409,
    LeaseLost: 409,
    JobUnfinished: 409,
    JobCancelled: 409,
    BodyTooLarge: 413,
    RateLimited: 429,
    AgentError: 502,
    ModelUnavailable: 503,
    StorageUnavailable: 503,
    Overloaded: 503,
    DeadlineExceeded: 504,
    ServiceError: 500,
}
# Where OpenAI's clients look for OpenAI's own; elsewhere what is wrong with a body is 422.
OPENAI_STATUS_OF: dict[type[ServiceError], int] = {
    **STATUS_OF,
    InvalidInput: 400,
    UnknownModel: 404,
    UnknownPolicy: 404,
}
OPENAI_ROUTES = ("/v1/chat/completions", "/v1/embeddings", "/v1/responses", "/v1/models")
STATUS_TO_CODE = {404: "not_found", 405: "method_not_allowed"}


def status_of(error: ServiceError, *, path: str = "") -> int:
    """`path`: of the request, where that is known."""
    table = OPENAI_STATUS_OF if path.startswith(OPENAI_ROUTES) else STATUS_OF
    return next(table[cls] for cls in type(error).__mro__ if cls in table)


def body_of(error: ServiceError) -> dict[str, dict[str, object]]:
    """Our fields, with OpenAI's `type` and `param` beside them."""
    return {
        "error": {
            "code": error.code,
            "message": storable(str(error)),
            "type": "invalid_request_error" if status_of(error) < 500 else "server_error",
            "param": storable(getattr(error, "field", "")) or None,
            "hint": error.hint or None,
            "retryable": error.is_retryable,
            "retry_after_seconds": error.retry_after_seconds,
            "decision_id": error.decision_id,
            **({"shortfall": plain(error.shortfall)} if isinstance(error, BudgetAsk) else {}),
        }
    }


async def service_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ServiceError):
        raise error
    return response_of(error, path=request.url.path)


def response_of(error: ServiceError, *, path: str = "") -> JSONResponse:
    headers = {"x-should-retry": str(error.is_retryable).lower()}  # OpenAI's clients heed it
    if error.decision_id:
        headers["x-antroute-decision-id"] = error.decision_id
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after_seconds))
    if isinstance(error, NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(body_of(error), status_of(error, path=path), headers=headers)


async def validation_error(request: Request, error: Exception) -> JSONResponse:
    """The first field that is wrong, by name, and how many more there are."""
    if not isinstance(error, RequestValidationError):
        raise error
    first, more = error.errors()[0], len(error.errors()) - 1
    field = ".".join(str(part) for part in first["loc"][1:]) or "body"
    message = f"{field}: {first['msg']}." + (f" (and {more} more)" if more else "")
    return response_of(InvalidInput(message, field=field), path=request.url.path)


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """Unknown routes and methods, and bodies that no parser takes, in the same shape."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 400:
        unread = InvalidInput("The body cannot be read; send JSON in UTF-8.", field="body")
        return response_of(unread, path=request.url.path)
    body = body_of(ServiceError(f"{request.method} {request.url.path}: {error.detail}"))
    code = STATUS_TO_CODE.get(error.status_code, "http_error")
    body["error"].update(code=code, type="invalid_request_error")
    headers = {
        **(error.headers or {}),
        **({"allow": ", ".join(methods_of(request.url.path))} if error.status_code == 405 else {}),
    }
    return JSONResponse(body, error.status_code, headers=headers)
