"""Errors of the orchestrator floor, and the way back from an error's code to its class.

* OrchestratorError
  - SettingsInvalid       the operator's settings file or environment; names the key and the nearest known one
  - DeadlineExceeded      the answer did not come in time
  - BudgetAsk             (a BudgetExceeded) the caller may grant more: says how much of what, and for whom
  - NotAuthenticated      the caller sent no key, or a wrong one
  - NotPermitted          the caller may not do this here
  - UnknownModel          (an InvalidInput) the caller named a model that there is not
  - BodyTooLarge          (an InvalidInput) the caller's request has more bytes than are taken
  - RateLimited           the caller asked more than the key or its tenant may, in this time
  - Overloaded            the service has as much work as it can take
  - JobUnfinished         the caller wants the result of a job that has not ended
  - JobCancelled          the caller wants the result of a job that was cancelled
  - PromotionRefused      the operator's router did not pass its gate
  - ServerUnreachable     the SDK's client could not reach the service
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from agents.errors import AgentError, AnswerCut, ModelFileMissing, ModelRefused, ModelUnavailable
from routing.errors import (
    ArtifactRefused,
    EncoderUnavailable,
    NoCandidate,
    RoutingError,
    UnknownPolicy,
    UnknownRouter,
)
from skills.errors import IndexRefused, SkillError, SkillFailed, SkillNotFound, SkillRefused, SkillUnavailable
from storage.budget_records import RESOURCES, Shortfall
from storage.errors import (
    BudgetExceeded,
    IdempotencyConflict,
    InvalidInput,
    LeaseLost,
    LogCorrupt,
    RecordNotFound,
    ServiceError,
    StorageError,
    StorageUnavailable,
    VersionConflict,
)
from storage.job_records import Job
from storage.money import quantity


class OrchestratorError(ServiceError):
    """The orchestrator could not do what was asked."""

    code = "orchestrator_error"


class SettingsInvalid(OrchestratorError):
    """The settings are not valid."""

    code = "settings_invalid"


class DeadlineExceeded(OrchestratorError):
    """The answer did not come in time."""

    code = "deadline_exceeded"
    is_retryable = True


class BudgetAsk(BudgetExceeded):
    """More budget is needed for the candidate that the router wants."""

    code = "budget_ask"
    hint = "Run it again with that much more, or with on_exhausted 'degrade'."
    shortfall: Shortfall | None = None  # None: only the message tells

    @classmethod
    def of(cls, shortfall: Shortfall) -> Self:
        missing = {name: getattr(shortfall.missing, name) for name in RESOURCES}
        more = [quantity(name, amount) for name, amount in missing.items() if amount]
        error = cls(f"Candidate {shortfall.candidate_id!r} needs {' and '.join(more)} more than is left.")
        error.shortfall = shortfall
        return error


class NotAuthenticated(OrchestratorError):
    """A key is needed: send `Authorization: Bearer KEY`."""

    code = "not_authenticated"


class NotPermitted(OrchestratorError):
    """This is not permitted."""

    code = "not_permitted"


class UnknownModel(InvalidInput):
    """No candidate or model has this name."""

    code = "model_not_found"


class BodyTooLarge(InvalidInput):
    """The body has more bytes than are taken."""

    code = "body_too_large"


class RateLimited(OrchestratorError):
    """More was asked than the key or its tenant may ask in this time."""

    code = "rate_limited"
    hint = "Wait as long as Retry-After says, or ask the operator for a higher limit."
    is_retryable = True


class Overloaded(OrchestratorError):
    """The service has as much work as it can take; try again in a moment."""

    code = "overloaded"
    is_retryable = True


class JobUnfinished(OrchestratorError):
    """The job has not ended."""

    code = "job_unfinished"
    hint = "Follow its events, or ask again."
    is_retryable = True
    retry_after_seconds = 1.0

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(f"Job {job.id!r} is {job.state}: there is no result yet.")


class JobCancelled(OrchestratorError):
    """The job was cancelled: there is no result."""

    code = "job_cancelled"


class PromotionRefused(OrchestratorError):
    """The router did not pass its gate."""

    code = "promotion_refused"
    hint = "Train with more data or another router, run it as shadow first, or use --force with a --reason."


class ServerUnreachable(OrchestratorError):
    """The service did not answer."""

    code = "server_unreachable"
    is_retryable = True


CODE_TO_ERROR: dict[str, type[ServiceError]] = {
    cls.code: cls
    for cls in (
        AgentError, ArtifactRefused, BudgetAsk, BudgetExceeded, DeadlineExceeded, EncoderUnavailable,
        IdempotencyConflict, IndexRefused, JobCancelled, JobUnfinished, LeaseLost, LogCorrupt, ModelFileMissing,
        ModelRefused, ModelUnavailable, NoCandidate, NotAuthenticated, NotPermitted, OrchestratorError, Overloaded,
        PromotionRefused, RateLimited, RecordNotFound, RoutingError, ServerUnreachable, ServiceError, SettingsInvalid,
        SkillError, SkillFailed, SkillNotFound, SkillRefused, SkillUnavailable, StorageError, StorageUnavailable,
        UnknownPolicy, UnknownRouter, VersionConflict,
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why an attempt gave no answer, in plain values; an error's other form."""

    decision_id: str
    code: str
    message: str
    hint: str = ""
    retry_after_seconds: float | None = None
    shortfall: Shortfall | None = None  # where more budget was asked for

    @classmethod
    def of(cls, error: BaseException, decision_id: str) -> Self:
        code = f"internal_error ({type(error).__name__})"
        if not isinstance(error, ServiceError):
            return cls(decision_id=decision_id, code=code, message=str(error))
        return cls(
            decision_id=decision_id,
            code=error.code,
            message=str(error),
            hint=error.hint,
            retry_after_seconds=error.retry_after_seconds,
            shortfall=error.shortfall if isinstance(error, BudgetAsk) else None,
        )

    def error(self) -> ServiceError:
        error = error_of(self.code, self.message, hint=self.hint)
        error.decision_id, error.retry_after_seconds = self.decision_id, self.retry_after_seconds
        if isinstance(error, BudgetAsk):
            error.shortfall = self.shortfall
        return error


def error_of(code: str | None, message: str, *, field: str = "", hint: str = "") -> ServiceError:
    """The error that a stored outcome or a remote service tells of by its code."""
    for kind in (InvalidInput, UnknownModel, BodyTooLarge):
        if code == kind.code:
            return kind(message, field=field, hint=hint)
    if code == AnswerCut.code:
        return AnswerCut(message, hint=hint)
    return CODE_TO_ERROR.get(code or "", ServiceError)(message, hint=hint or None)
