"""Gathers texts that arrive while others are being encoded: one batch costs half of what its texts cost alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from routing.base import Context
from routing.features import Featurizer

MAX_BATCH = 32  # texts


class ContextBatcher:
    """One batch at a time is encoded, in a thread; the next one fills up meanwhile. One queue an event loop."""

    def __init__(self, featurizer: Featurizer) -> None:
        self._featurizer = featurizer
        self._loop_to_queue: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()

    async def context(self, text: str) -> Context:
        """The text's context; at once when its vector is remembered. Raises EncoderUnavailable."""
        if self._featurizer.is_instant(text):
            return self._featurizer.contexts([text])[0]
        queue = self._loop_to_queue.setdefault(asyncio.get_running_loop(), _Queue(self._featurizer))
        return await queue.context(text)


class _Batch:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.task: asyncio.Task[Sequence[Context]] | None = None


class _Queue:
    def __init__(self, featurizer: Featurizer) -> None:
        self._featurizer = featurizer
        self._turn = asyncio.Lock()
        self._open: _Batch | None = None

    async def context(self, text: str) -> Context:
        batch = self._open
        if batch is None or batch.task is None or len(batch.texts) >= MAX_BATCH:
            batch = self._open = _Batch()
            batch.task = asyncio.create_task(self._encode(batch))
        position = len(batch.texts)
        batch.texts.append(text)
        contexts = await asyncio.shield(batch.task)  # one caller giving up must not stop the others
        return contexts[position]

    async def _encode(self, batch: _Batch) -> Sequence[Context]:
        async with self._turn:
            if self._open is batch:
                self._open = None
            return await asyncio.to_thread(self._featurizer.contexts, batch.texts)
