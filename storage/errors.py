"""The root that every error of the service derives from, and the errors of the storage floor.

* ServiceError
  - InvalidInput                 the caller's input; says which field
  - ArtifactRefused              the operator's saved router or ranker is missing, changed, or does not fit
  - StorageError
    + RecordNotFound             the caller asked for what is not there
    + VersionConflict            the operator's move of a router version: somebody was faster, or it is no move
    + IdempotencyConflict        the caller used one idempotency key for two different bodies
    + LeaseLost                  the worker's job was given to another one, or has ended
    + BudgetExceeded             the caller's account cannot hold the amount
    + StorageUnavailable         the operator's database is locked, read-only, full or away
    + LogCorrupt                 the operator's log does not add up
"""

from __future__ import annotations


class ServiceError(Exception):
    """The service could not do what was asked."""

    code = "service_error"
    hint = ""
    is_retryable = False
    retry_after_seconds: float | None = None
    decision_id: str | None = None  # of the last attempt, where there was one

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])
        if hint is not None:
            self.hint = hint


class InvalidInput(ServiceError):
    """The input is not what was expected."""

    code = "invalid_input"

    def __init__(self, message: str, *, field: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class ArtifactRefused(ServiceError):
    """What was trained and saved cannot be used."""

    code = "artifact_refused"


class StorageError(ServiceError):
    """A store could not read or write."""

    code = "storage_error"


class RecordNotFound(StorageError):
    """No record with this id."""

    code = "not_found"


class VersionConflict(StorageError):
    """The router version cannot be moved there from where it is now."""

    code = "version_conflict"
    hint = "Look again with `antroute routers list`, then decide anew."


class IdempotencyConflict(StorageError):
    """This idempotency key was used with another body."""

    code = "idempotency_conflict"
    hint = "Send a new key for a new body."


class LeaseLost(StorageError):
    """The job belongs to another worker now, or has ended: nothing was written."""

    code = "lease_lost"


class BudgetExceeded(StorageError):
    """The next step could cost more than the budget has left."""

    code = "budget_exceeded"
    hint = "Raise the budget, or allow a cheaper candidate."


class StorageUnavailable(StorageError):
    """The database did not take the write."""

    code = "storage_unavailable"
    is_retryable = True


class LogCorrupt(StorageError):
    """The audit log does not add up."""

    code = "log_corrupt"
