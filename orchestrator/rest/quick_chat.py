"""The way of a good chat completion past FastAPI, which takes more time than all that we do to the request."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.types import Receive, Scope, Send

from orchestrator.rest.chat import create_chat_completion, router
from orchestrator.rest.chat_schemas import ChatRequest
from orchestrator.rest.errors import service_error
from orchestrator.rest.guard import replayed
from storage.errors import ServiceError

PATH = "/v1/chat/completions"
JSON = b"application/json"


class QuickChat:
    """Whatever is not a valid request for one goes on to the application, which says what is wrong with it."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.route = next(route for route in router.routes if getattr(route, "path", "") == PATH)  # for figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_chat(scope):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        content = await request.body()
        try:
            body = ChatRequest.model_validate(await request.json())
        except (ValueError, RecursionError):
            await self.app(scope, replayed(content, receive), send)
            return
        scope["app"], scope["route"] = self.app, self.route
        try:
            response = await create_chat_completion(body, request)
        except ServiceError as error:
            response = await service_error(request, error)
        await response(scope, receive, send)


def is_chat(scope: Scope) -> bool:
    """Whether it looks like one, from the outside."""
    if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
        return False
    return any(name == b"content-type" and value.startswith(JSON) for name, value in scope["headers"])
