"""A call to an actor that gives up soon, and leaves an actor that did not answer alone for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from orchestrator.cluster.errors import ActorGone

CALL_SECONDS = 30.0  # that an answer is waited for
RETRY_SECONDS = 5.0  # until an actor that did not answer is asked again


class ActorLink:
    """One actor as its callers see it. `does`: what it is for, in words. May be used from many threads."""

    def __init__(
        self,
        does: str,
        handle: Any,
        *,
        call_seconds: float = CALL_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.does = does
        self._handle = handle
        self._call_seconds = call_seconds
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._gone_since: float | None = None
        self._why = ""

    def call(self, method: str, *arguments: object) -> Any:
        """What the method returns; blocking, so not for an event loop. Raises ActorGone, and what the method raised."""
        from ray.exceptions import RayError, RayTaskError

        if self._gone_since is not None and self._clock() - self._gone_since < self._retry_seconds:
            raise ActorGone(self._why)
        try:
            answer = getattr(self._handle, method).remote(*arguments).future().result(self._call_seconds)
        except RayTaskError as exc:
            raise exc.cause from exc
        except (RayError, TimeoutError) as exc:
            self._gone_since, self._why = self._clock(), type(exc).__name__
            raise ActorGone(self._why) from exc
        self._gone_since = None
        return answer

    def notices(self) -> tuple[str, ...]:
        """Why this process does the actor's work itself; empty while the actor answers."""
        if self._gone_since is None:
            return ()
        return (f"the actor that {self.does} does not answer ({self._why}): it is done in this process",)
