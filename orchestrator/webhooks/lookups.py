"""Looks up the names of callers' URLs in threads of their own: one whose name server hangs keeps nobody else waiting.

The event loop's own lookups share a few threads with those for the models' endpoints.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import BoundedSemaphore, Thread

MOST_AT_ONCE = 32  # those left behind, whose callers no longer wait, included

Lookup = Callable[[str, int], list[str]]  # raises OSError


def system_lookup(host: str, port: int) -> list[str]:
    """What this machine's resolver says."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:  # a label that no name can have
        raise OSError(f"{host!r} is no host's name") from exc
    return [str(address[0]) for _, _, _, _, address in found]


class Lookups:
    """At most so many at once."""

    def __init__(self, lookup: Lookup = system_lookup, *, most: int = MOST_AT_ONCE) -> None:
        self._lookup = lookup
        self._slots = BoundedSemaphore(most)

    async def __call__(self, host: str, port: int) -> list[str]:
        """Raises OSError for a name without an address, and while too many others hang."""
        if not self._slots.acquire(blocking=False):
            raise OSError("too many names are looked up already")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def told(found: list[str] | OSError) -> None:
            if answer.done():  # nobody waits any more
                return
            if isinstance(found, OSError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def work() -> None:
            try:
                found: list[str] | OSError = self._lookup(host, port)
            except OSError as error:
                found = error
            finally:
                self._slots.release()
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(told, found)

        Thread(target=work, name="webhook-lookup", daemon=True).start()  # daemon: it does not keep the process alive
        return await answer
