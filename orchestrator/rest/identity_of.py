"""Who asks in this request: what the guard put into the ASGI scope."""

from __future__ import annotations

from fastapi import Request

from orchestrator.identity import LOCAL, Identity

IDENTITY_KEY = "antroute.identity"  # in the ASGI scope


def identity_of(request: Request) -> Identity:
    """Without keys, on loopback, it is the local operator."""
    identity = request.scope.get(IDENTITY_KEY, LOCAL)
    if not isinstance(identity, Identity):
        raise TypeError(f"The scope's {IDENTITY_KEY!r} is {identity!r}, not an Identity.")
    return identity
