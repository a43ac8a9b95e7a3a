"""Who asks in this request: what the guard put into the ASGI scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request

from orchestrator.identity import LOCAL, Identity

IDENTITY_KEY = "antroute.identity"  # in the ASGI scope
ADMISSION_KEY = "antroute.admission"  # the same


def identity_of(request: Request) -> Identity:
    """Without keys, on loopback, it is the local operator."""
    identity = request.scope.get(IDENTITY_KEY, LOCAL)
    if not isinstance(identity, Identity):
        raise TypeError(f"The scope's {IDENTITY_KEY!r} is {identity!r}, not an Identity.")
    return identity


def admission_of(request: Request) -> Callable[[], Awaitable[object]]:
    """Asks again whether this request may come in: raises as the guard does, for a key that was revoked since."""
    admission: Callable[[], Awaitable[object]] = request.scope.get(ADMISSION_KEY, _nobody_guards)
    return admission


async def _nobody_guards() -> None:
    """An application without a guard lets everybody in."""
