"""What a local model's file is, and how its sources report: records only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agents.errors import AgentError

Progress = Callable[[int, int, str], None]  # bytes done, bytes in all, what is being done


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A GGUF file: what it is, how to know it again, and where it may be had."""

    name: str
    license: str
    size_bytes: int
    sha256: str
    hub_repository: str
    hub_revision: str
    hub_file: str
    packages: tuple[str, ...]  # pip requirements, in the order in which their parts are joined
    context_window: int  # tokens that it was trained for


class SourceFailed(AgentError):
    """This source could not give the file; another may."""

    code = "source_failed"
