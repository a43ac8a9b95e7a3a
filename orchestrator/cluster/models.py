"""Local models of one node: an actor that holds their servers for all workers there, and their stand-ins elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any

from agents.errors import ModelUnavailable
from agents.llm import LLM, Chunk, Completion, CompletionRequest
from orchestrator.bootstrap import made_models
from orchestrator.settings import Settings


class ModelHost:
    """Runs on the cluster, once a node. A model is loaded when it is first asked; it answers one request at a time."""

    def __init__(self, settings: Settings, models: Sequence[str]) -> None:
        wanted = tuple(each for each in settings.candidates if each.model in models)
        self._settings = settings.model_copy(update={"candidates": wanted})
        self._llms: dict[str, LLM] = {}
        self._opening = asyncio.Lock()

    async def names(self) -> tuple[str, ...]:
        """The models whose files are on this node. Where there is none at all, the smallest one is fetched."""
        async with self._opening:
            if not self._llms:
                self._llms = (await made_models(self._settings, {}, None)).llms
            return tuple(sorted(self._llms))

    async def complete(self, model: str, request: CompletionRequest) -> Completion:
        """See `LLM.complete`."""
        if model not in await self.names():
            raise ModelUnavailable(f"Model {model!r} has no file on this node.")
        return await self._llms[model].complete(request)

    async def close(self) -> None:
        """Ends the servers."""
        async with AsyncExitStack() as closing:
            for llm in self._llms.values():
                closing.push_async_callback(llm.close)


class HostedLLM:
    """A model that the node's host holds. An answer comes in one piece."""

    def __init__(self, host: Any, model: str) -> None:
        self._host = host
        self._model = model

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `LLM.complete`. A caller who is cancelled stops the call on the host, too."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        asked = self._host.complete.remote(self._model, request)
        try:
            completion: Completion = await asyncio.wrap_future(asked.future())
        except asyncio.CancelledError:
            ray.cancel(asked)
            raise
        except RayTaskError as exc:
            raise exc.cause from exc
        except RayError as exc:
            raise ModelUnavailable(
                f"The process that holds model {self._model!r} on this node is gone: {type(exc).__name__}."
            ) from exc
        return completion

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """See `LLM.stream`."""
        completion = await self.complete(request)
        yield Chunk(delta=completion.text)
        yield Chunk(completion=completion)

    async def close(self) -> None:
        """The host stays: other workers ask it, too."""


def local_models(settings: Settings) -> tuple[str, ...]:
    """Those that candidates name and that this service loads itself."""
    wanted = {candidate.model for candidate in settings.candidates}
    return tuple(sorted(name for name in wanted if settings.models[name].provider == "local"))
