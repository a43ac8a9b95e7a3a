"""The HTTP application over scripted models, spoken to without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from orchestrator.keys.access import AccessRules
from orchestrator.overload import Admission
from orchestrator.rest.app import make_app
from tests.conftest import MakeService

ADMIN_KEY = "k" * 40
MakeHttp = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def make_http(make_service: MakeService) -> AsyncIterator[MakeHttp]:
    """Builds clients of an application over a service of `make_service`; `service` passes one that is there."""
    async with AsyncExitStack() as clients:

        async def make(
            *,
            service: Any = None,
            key: str | None = None,
            rules: AccessRules | None = None,
            body_bytes: int = 1_048_576,
            admission: Admission | None = None,
            has_access_log: bool = False,
            **parts: Any,
        ) -> Any:
            app = make_app(
                service or await make_service(**parts),
                key=key,
                rules=rules,
                body_bytes=body_bytes,
                admission=admission,
                has_access_log=has_access_log,
            )
            transport = httpx.ASGITransport(app=app)
            return await clients.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://localhost")
            )

        yield make


def chat(text: str = "What is the capital of France?", **more: object) -> dict[str, object]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **more}
