"""Actors without a cluster: handles that call an object of this process, and can be killed."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

from ray.exceptions import ActorDiedError


class Reference:
    """As Ray's: a future that others wait for."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def future(self) -> Future[Any]:
        return self._future


class Method:
    def __init__(self, handle: Handle, name: str) -> None:
        self._handle = handle
        self._name = name

    def remote(self, *arguments: Any) -> Reference:
        return Reference(self._handle.begun(self._name, arguments))


class Handle:
    """Calls run in an event loop of their own thread, as they would in an actor's process."""

    def __init__(self, actor: object) -> None:
        self.actor = actor
        self.calls: list[str] = []
        self.is_dead = False
        self._open: list[Future[Any]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __getattr__(self, name: str) -> Method:
        return Method(self, name)

    def begun(self, name: str, arguments: tuple[Any, ...]) -> Future[Any]:
        self.calls.append(name)
        if self.is_dead:
            gone: Future[Any] = Future()
            gone.set_exception(ActorDiedError())
            return gone
        work: Future[Any] = asyncio.run_coroutine_threadsafe(getattr(self.actor, name)(*arguments), self._loop)
        answer: Future[Any] = Future()
        self._open.append(answer)
        work.add_done_callback(lambda done: _hand_on(done, answer))
        return answer

    def kill(self) -> None:
        """What is under way fails, and all calls to come."""
        if self.is_dead:
            return
        self.is_dead = True
        for answer in self._open:
            if not answer.done():
                answer.set_exception(ActorDiedError())
        asyncio.run_coroutine_threadsafe(_all_cancelled(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _all_cancelled() -> None:
    """Ends all other tasks of the loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _hand_on(done: Future[Any], answer: Future[Any]) -> None:
    if answer.done() or done.cancelled():
        return
    error = done.exception()
    if error is None:
        answer.set_result(done.result())
    else:
        answer.set_exception(error)
