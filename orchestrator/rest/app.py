"""The application: routes, error handlers and what stands before them."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from orchestrator.keys.access import AccessRules
from orchestrator.keys.door import make_door
from orchestrator.keys.rates import TokenCount
from orchestrator.metrics import watched
from orchestrator.overload import Admission
from orchestrator.rest import (
    audit,
    budgets,
    chat,
    embeddings,
    identity,
    inspect,
    jobs,
    keys,
    memory,
    models,
    operations,
    payloads,
    replays,
    responses,
    routers,
    skills,
    tenants,
    training_jobs,
    webhooks,
)
from orchestrator.rest.admitted import AdmittedApp
from orchestrator.rest.console.door import ConsoleDoor
from orchestrator.rest.console.routes import router as console
from orchestrator.rest.console.session import Sessions
from orchestrator.rest.errors import http_error, service_error, validation_error
from orchestrator.rest.guard import Guard
from orchestrator.rest.observed import ObservedApp
from orchestrator.rest.openapi import openapi_of
from orchestrator.rest.quick_chat import QuickChat
from orchestrator.service import Service
from storage.errors import ServiceError

VERSION = "0.1.0"
PARTS = (
    audit, budgets, chat, embeddings, identity, inspect, jobs, keys, memory, models, operations, payloads, replays,
    responses, routers, skills, tenants, training_jobs, webhooks,
)  # fmt: skip


def make_app(
    service: Service,
    *,
    key: str | None = None,
    rules: AccessRules | None = None,
    body_bytes: int = 1_048_576,
    admission: Admission | None = None,
    has_access_log: bool = False,
) -> ASGIApp:
    """The ASGI application over an open service; whoever opened the service closes it.

    `key`: the admin's, in short for `rules`, which say all about who may come in. `admission`: how much work there may
    be at once, and that no more is taken when it drains.
    """
    rules = rules or AccessRules(admin_key=key)
    app = FastAPI(title="Antroute", version=VERSION, docs_url=None, redoc_url=None)
    app.state.service = service
    app.state.admission = admission = admission or Admission()
    app.state.needs_key = rules.demands_key
    app.state.metrics = metrics = watched(service, admission)
    door = make_door(service.stores, rules)
    app.state.keyring = door.keyring
    app.state.access = door.access
    app.state.console_sessions = sessions = Sessions(rules.secret)
    service.listeners.append(TokenCount())
    for part in PARTS:
        app.include_router(part.router)
    app.include_router(console)
    app.openapi = partial(openapi_of, app)  # type: ignore[method-assign]  # FastAPI's way of changing its document
    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
    guarded = Guard(AdmittedApp(QuickChat(app), admission), access=door.access, rates=door.rates, body_bytes=body_bytes)
    return ObservedApp(ConsoleDoor(guarded, sessions), metrics, has_access_log=has_access_log)
