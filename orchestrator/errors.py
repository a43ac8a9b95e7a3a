"""Errors of the orchestrator floor, and the way back from an error's code to its class.

* OrchestratorError
  - SettingsInvalid       the operator's settings file or environment; names the key and the nearest known one
  - DeadlineExceeded      the answer did not come in time
  - NotAuthenticated      the caller sent no key, or a wrong one
  - NotPermitted          the caller may not do this here
  - IdempotencyConflict   the caller used one idempotency key for two different bodies
  - ServerUnreachable     the SDK's client could not reach the service
"""

from __future__ import annotations

from agents.errors import AgentError, AnswerCut, ModelFileMissing, ModelRefused, ModelUnavailable
from routing.errors import EncoderUnavailable, NoCandidate, RoutingError, UnknownPolicy
from skills.errors import SkillError
from storage.errors import (
    BudgetExceeded,
    InvalidInput,
    LogCorrupt,
    RecordNotFound,
    ServiceError,
    StorageError,
    StorageUnavailable,
)


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


class NotAuthenticated(OrchestratorError):
    """A key is needed: send `Authorization: Bearer KEY`."""

    code = "not_authenticated"


class NotPermitted(OrchestratorError):
    """This is not permitted."""

    code = "not_permitted"


class IdempotencyConflict(OrchestratorError):
    """This idempotency key was used with another body."""

    code = "idempotency_conflict"
    hint = "Send a new key for a new body."


class ServerUnreachable(OrchestratorError):
    """The service did not answer."""

    code = "server_unreachable"
    is_retryable = True


CODE_TO_ERROR: dict[str, type[ServiceError]] = {
    cls.code: cls
    for cls in (
        AgentError, BudgetExceeded, DeadlineExceeded, EncoderUnavailable, IdempotencyConflict, LogCorrupt,
        ModelFileMissing, ModelRefused, ModelUnavailable, NoCandidate, NotAuthenticated, NotPermitted,
        OrchestratorError, RecordNotFound, RoutingError, ServerUnreachable, ServiceError, SettingsInvalid,
        SkillError, StorageError, StorageUnavailable, UnknownPolicy,
    )
}  # fmt: skip


def error_of(code: str | None, message: str, *, field: str = "", hint: str = "") -> ServiceError:
    """The error that a stored outcome or a remote service tells of by its code."""
    if code == InvalidInput.code:
        return InvalidInput(message, field=field, hint=hint)
    if code == AnswerCut.code:
        return AnswerCut(message, hint=hint)
    return CODE_TO_ERROR.get(code or "", ServiceError)(message, hint=hint or None)
