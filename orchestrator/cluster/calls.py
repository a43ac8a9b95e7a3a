"""Waits for what an actor answers, and names what may come instead of an answer."""

from __future__ import annotations

import asyncio
from typing import Any

from ray.exceptions import RayError

TROUBLES = (RayError, TimeoutError, OSError)  # an actor or its node is gone, or what it raised


async def answered(reference: Any, *, seconds: float | None = None) -> Any:
    """Raises RayError, which an error of the actor's own is too, and TimeoutError."""
    async with asyncio.timeout(seconds):
        return await asyncio.wrap_future(reference.future())
