"""An agent: given a query and all it may use, it returns an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from agents.llm import LLM, CompletionRequest
from skills.base import Skill, SkillLibrary
from storage.records import Message, Query, TokenUsage

TEMPLATE_TOKENS = 64  # most tokens that a chat template adds to one call (a default system prompt, say)
TOOLS_TEMPLATE_TOKENS = 512  # most tokens that it adds to a list of tools: how to call them
TOKENS_PER_TOOL_CALL = 32  # and to a tool call that is shown again
TOKENS_PER_PART = 2048  # of an image or a sound, whose bytes say nothing of it: a usual count, no bound
PART_KINDS = ("image_url", "input_audio")
TOKENS_PER_MESSAGE = 8  # most tokens that it adds to one message (role and separators)


@dataclass(frozen=True, kw_only=True)
class TokenBound:
    """The most tokens a run can use, over all its calls; what a hold is computed from."""

    input: int
    output: int
    longest_call: int  # prompt and answer of the longest single call: must fit the context window


def token_bound_of_text(text: str) -> int:
    """No byte-level tokenizer makes more tokens than the text has UTF-8 bytes."""
    return len(text.encode("utf-8", "surrogatepass"))


def worst_case_of_call(request: CompletionRequest) -> TokenUsage:
    """The most tokens one call can use; an agent's `bound` is at least the sum over its calls."""
    prompt = sum(token_bound_of_message(message) for message in request.messages) + TEMPLATE_TOKENS
    output, call = request.generation.max_output_tokens, request.call
    if call.is_plain:
        return TokenUsage(input=prompt, output=output)
    prompt += sum(map(token_bound_of_text, call.texts)) + (TOOLS_TEMPLATE_TOKENS if call.tools else 0)
    return TokenUsage(input=prompt, output=output * call.replies)


def token_bound_of_message(message: Message) -> int:
    """Its text, its tool calls and what a template puts around them; for an image or sound a usual count."""
    bound = token_bound_of_text(message.content) + TOKENS_PER_MESSAGE
    for call in message.tool_calls:
        bound += token_bound_of_text(call.name + call.arguments + call.id) + TOKENS_PER_TOOL_CALL
    if message.name or message.tool_call_id:
        bound += token_bound_of_text(message.name + message.tool_call_id)
    if message.parts:
        bound += TOKENS_PER_PART * sum(message.parts.count(f'"type":"{kind}"') for kind in PART_KINDS)
    return bound


class Agent(ABC):
    """Holds no state between runs; `llm` comes metered and bound to its model, `skills` come filtered."""

    description: str
    passes_calls: ClassVar[bool] = False  # the caller's tools, format and number of replies reach the model as they are

    @abstractmethod
    async def run(self, query: Query, *, llm: LLM, skills: SkillLibrary) -> str:
        """The answer's text. Raises AgentError (or what `llm` raises) when there is none."""

    @abstractmethod
    def bound(self, query: Query, skills: Sequence[Skill]) -> TokenBound:
        """The most tokens that `run` can use on this query with these skills; `run` must keep to it."""
