"""The language model with a meter on: every call is charged where the money leaves, and never beyond the hold."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

from agents.base import token_bound_of_text, worst_case_of_call
from agents.errors import AgentError, AnswerCut, ModelUnavailable
from agents.llm import LLM, Chunk, Completion, CompletionRequest, FinishReason
from storage.call_records import ModelReply
from storage.errors import BudgetExceeded
from storage.money import dollars, quantity
from storage.records import Amount, ModelCard, TokenUsage

BYTES_PER_TOKEN = 3  # a cautious estimate of what a provider counts, for calls that broke off uncounted


class Meter:
    """What one execution has used of the amount held for it."""

    def __init__(self, card: ModelCard, held: Amount) -> None:
        """`held.seconds` is not looked at: whoever runs the candidate keeps the time."""
        self.card = card
        self.held = held
        self.spent_usd = Decimal(0)
        self.usage = TokenUsage()
        self.finish_reason: FinishReason = "stop"  # of the latest call, as the next one
        self.replies: tuple[ModelReply, ...] = ()

    def require(self, request: CompletionRequest) -> None:
        """Raises BudgetExceeded when the call's worst case is more than what is left of the hold."""
        call = worst_case_of_call(request)
        worst_case, left = self.card.cost_usd(call), self.held.usd - self.spent_usd
        if worst_case > left:
            raise BudgetExceeded(
                f"The next call could cost {dollars(worst_case)}, and {dollars(left)} of the "
                f"{dollars(self.held.usd)} held is left."
            )
        tokens_left = self.held.tokens - self.usage.total
        if call.total > tokens_left:
            raise BudgetExceeded(
                f"The next call could take {quantity('tokens', call.total)}, and {tokens_left} of the "
                f"{self.held.tokens} held are left."
            )

    def see(self, completion: Completion) -> None:
        self.finish_reason, self.replies = completion.finish_reason, completion.replies

    def charge(self, usage: TokenUsage) -> None:
        self.usage += usage
        self.spent_usd += self.card.cost_usd(usage)


class MeteredLLM:
    """Charges the meter for each call, also for one that breaks off or is cancelled."""

    def __init__(self, wrapped: LLM, meter: Meter) -> None:
        self.wrapped = wrapped
        self.meter = meter

    async def complete(self, request: CompletionRequest) -> Completion:
        self.meter.require(request)
        try:
            completion = await self.wrapped.complete(request)
        except AgentError as error:
            self.meter.charge(_billed(error, request))
            raise
        except BaseException:  # left, or a bug: nobody can say how far the model had come
            self.meter.charge(worst_case_of_call(request))
            raise
        self.meter.charge(completion.usage)
        self.meter.see(completion)
        return completion

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        self.meter.require(request)
        usage, received_bytes = TokenUsage(input=estimated_input(request)), 0  # until the provider says better
        try:
            async with aclosing(self.wrapped.stream(request)) as chunks:
                async for chunk in chunks:
                    if chunk.completion is not None:
                        usage = chunk.completion.usage
                        self.meter.see(chunk.completion)
                    else:
                        received_bytes += token_bound_of_text(chunk.piece.words if chunk.piece else chunk.delta)
                        output = max(usage.output + 1, -(-received_bytes // BYTES_PER_TOKEN))
                        usage = replace(usage, output=output)
                    yield chunk
        except AgentError as error:
            usage = _billed(error, request)
            raise
        finally:
            self.meter.charge(usage)

    async def close(self) -> None:
        await self.wrapped.close()


def _billed(error: AgentError, request: CompletionRequest) -> TokenUsage:
    """What a failed call costs: what was counted, the worst case where nobody can say, else nothing."""
    if isinstance(error, ModelUnavailable) and error.may_be_billed:
        return worst_case_of_call(request)
    return error.usage_so_far if isinstance(error, AnswerCut) else TokenUsage()


def estimated_input(request: CompletionRequest) -> int:
    return sum(-(-token_bound_of_text(message.content) // BYTES_PER_TOKEN) for message in request.messages)
