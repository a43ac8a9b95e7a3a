"""What all agents do with messages and answers: put instructions first, sum up bounds, keep to stop sequences."""

from __future__ import annotations

from collections.abc import Sequence

from agents.base import TokenBound, worst_case_of_call
from agents.llm import CompletionRequest
from storage.records import Message, Query


def instructed(query: Query, instructions: str, *, examples: Sequence[Message] = ()) -> tuple[Message, ...]:
    """The query's conversation behind one system message: our instructions, then those that the caller gave.

    What stays the same from query to query comes first, for the sake of prompt caches.
    """
    callers = [message.content for message in query.messages if message.role == "system"]
    system = Message(role="system", content="\n\n".join([instructions, *callers]))
    turns = [message for message in query.messages if message.role != "system"]
    return (system, *examples, *turns)


def bound_of(requests: Sequence[CompletionRequest]) -> TokenBound:
    """The most tokens that these calls can use together."""
    worst = [worst_case_of_call(request) for request in requests]
    return TokenBound(
        input=sum(usage.input for usage in worst),
        output=sum(usage.output for usage in worst),
        longest_call=max(
            usage.input + request.generation.max_output_tokens for usage, request in zip(worst, requests, strict=True)
        ),
    )


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """The text before the first of the stop sequences."""
    places = [place for sequence in stop if sequence and (place := text.find(sequence)) >= 0]
    return text[: min(places)] if places else text
