"""Errors of the skills floor: structured, so that an agent can tell what to do next (SERF, arXiv 2603.13417).

* SkillError           a skill could not be called
  - SkillNotFound      no library offers it
  - SkillRefused       the arguments are wrong; the message says what would be right
  - SkillFailed        the skill itself broke; nobody can say what it did before
    + SkillUnavailable it did nothing yet, and the same call may succeed in a moment
* IndexRefused         the index on disk cannot be used as it is; the message says what to do
* RankerRefused        a ranker's artefact cannot be used as it is, or not with this index
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from storage.errors import ServiceError

ErrorCategory = Literal["not_found", "arguments", "unavailable", "failed"]


class SkillError(ServiceError):
    """A skill could not be called."""

    code = "skill_error"
    category: ClassVar[ErrorCategory] = "failed"


class SkillNotFound(SkillError):
    """No library offers a skill of this name."""

    code = "skill_not_found"
    category = "not_found"


class SkillRefused(SkillError):
    """The arguments do not fit the skill."""

    code = "skill_refused"
    category = "arguments"


class SkillFailed(SkillError):
    """The skill broke while it ran."""

    code = "skill_failed"


class SkillUnavailable(SkillFailed):
    """The skill cannot be reached now, and the call has done nothing."""

    code = "skill_unavailable"
    category = "unavailable"
    is_retryable = True

    def __init__(
        self, message: str | None = None, *, hint: str | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, kw_only=True)
class ToolError:
    """A failed call in SERF's five fields: enough to decide whether to call again, change the call, or give up."""

    code: str
    category: ErrorCategory
    is_retryable: bool
    retry_after_seconds: float | None
    hint: str

    @classmethod
    def of(cls, error: SkillError) -> Self:
        return cls(
            code=error.code,
            category=error.category,
            is_retryable=error.is_retryable,
            retry_after_seconds=error.retry_after_seconds,
            hint=error.hint,
        )


class IndexRefused(ServiceError):
    """The index of skills cannot be used."""

    code = "index_refused"
    hint = "Build it again with `antroute skills index`."


class RankerRefused(ServiceError):
    """The ranker cannot be used."""

    code = "ranker_refused"
    hint = "Train it again with `antroute skills train`."
