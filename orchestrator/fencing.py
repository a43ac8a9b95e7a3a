"""For which job the current task works: what it writes is refused once another worker has the job."""

from __future__ import annotations

from contextvars import ContextVar

from storage.job_records import Fence

current_fence: ContextVar[Fence | None] = ContextVar("current_fence", default=None)
