"""Errors of the agents floor.

* AgentError                    an agent could not finish
  - ModelUnavailable            the operator's model server is down, slow or overloaded; another may do
  - ModelRefused                the request is wrong for this model; sending it again will not help
  - AnswerCut                   the model died or the stream broke in mid-answer
  - ModelFileMissing            a local model's file is not here and could not be fetched
"""

from __future__ import annotations

from storage.errors import ServiceError
from storage.records import TokenUsage

NO_TOKENS = TokenUsage()


class AgentError(ServiceError):
    """An agent could not finish."""

    code = "agent_error"


class ModelUnavailable(AgentError):
    """The language model did not answer."""

    code = "model_unavailable"
    is_retryable = True

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        retry_after_seconds: float | None = None,
        may_be_billed: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds
        self.may_be_billed = may_be_billed  # the request was sent, and nobody can say what became of it


class ModelRefused(AgentError):
    """The language model refused the request."""

    code = "model_refused"


class AnswerCut(ModelUnavailable):
    """The answer broke off before its end."""

    code = "answer_cut"

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        usage_so_far: TokenUsage = NO_TOKENS,
        may_be_billed: bool = False,
    ) -> None:
        """`may_be_billed`: more than `usage_so_far` may be on the bill, and nobody can say how much."""
        super().__init__(message, hint=hint, may_be_billed=may_be_billed)
        self.usage_so_far = usage_so_far  # estimated where the provider sent no count


class ModelFileMissing(AgentError):
    """The model's file is not on this machine."""

    code = "model_file_missing"
