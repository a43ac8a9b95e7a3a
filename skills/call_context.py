"""On whose behalf a skill is called: identity and scope, for protocols that carry them (CABP, arXiv 2603.13417)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CallContext:
    """Set by whoever runs an agent; a model has no say in it."""

    tenant: str
    principal: str
    scope: tuple[str, ...]  # what this call may do: `skill:calculator`
    trace_id: str  # the run
    session_id: str | None = None

    def meta(self) -> dict[str, object]:
        """As CABP writes it into `_meta.context`."""
        return {
            "user_id": self.principal,
            "tenant_id": self.tenant,
            "session_id": self.session_id,
            "authorization_scope": list(self.scope),
            "trace_id": self.trace_id,
        }


_current: ContextVar[CallContext | None] = ContextVar("call_context", default=None)


@contextmanager
def calling(context: CallContext) -> Iterator[None]:
    """Calls inside the block are made on behalf of this context."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def current_call() -> CallContext | None:
    """None: nobody said on whose behalf."""
    return _current.get()
