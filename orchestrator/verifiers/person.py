"""Asks a person, who may take their time, but not for ever."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.options import number
from storage.errors import InvalidInput, ServiceError
from storage.records import Query


@dataclass(frozen=True, kw_only=True)
class PersonReply:
    """What the person thinks of the answer."""

    quality: float  # in [0, 1]
    remark: str = ""


AskPerson = Callable[[Query, str], Awaitable[PersonReply | None]]  # None: no opinion


class PersonVerifier:
    """Whoever replies in time, through whatever asks them. The verdict is a user's, stronger than any program's."""

    def __init__(
        self, *, ask: AskPerson | None = None, seconds: float = 60.0, passes_from: float = 0.5, name: str = "person"
    ) -> None:
        """Raises InvalidInput without a way to ask."""
        if ask is None:
            raise InvalidInput("A person can be asked only where a service gives the way to ask them.", field="ask")
        self.name = name
        self.ask = ask
        self.seconds = number(seconds, "seconds", least=0.001, most=86_400.0)
        self.passes_from = number(passes_from, "passes_from", least=0.0, most=1.0)

    async def verify(self, query: Query, answer: str) -> Verdict | None:
        try:
            async with asyncio.timeout(self.seconds):
                reply = await self.ask(query, answer)
        except (TimeoutError, ServiceError):  # nobody is there
            return None
        if reply is None or not math.isfinite(reply.quality) or not 0.0 <= reply.quality <= 1.0:
            return None
        evidence = "".join(char for char in reply.remark if char.isprintable())[:200]
        return Verdict(
            quality=reply.quality,
            judged_by="user",
            verifier=self.name,
            passed=reply.quality >= self.passes_from,
            evidence=evidence,
        )
