"""An agent: given a query and all it may use, it returns an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from agents.llm import LLM, CompletionRequest
from skills.base import Skill, SkillLibrary
from storage.records import Query, TokenUsage

TEMPLATE_TOKENS = 64  # most tokens that a chat template adds to one call (a default system prompt, say)
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
    prompt = sum(token_bound_of_text(message.content) + TOKENS_PER_MESSAGE for message in request.messages)
    return TokenUsage(input=prompt + TEMPLATE_TOKENS, output=request.generation.max_output_tokens)


class Agent(ABC):
    """Holds no state between runs; `llm` comes metered and bound to its model, `skills` come filtered."""

    description: str

    @abstractmethod
    async def run(self, query: Query, *, llm: LLM, skills: SkillLibrary) -> str:
        """The answer's text. Raises AgentError (or what `llm` raises) when there is none."""

    @abstractmethod
    def bound(self, query: Query, skills: Sequence[Skill]) -> TokenBound:
        """The most tokens that `run` can use on this query with these skills; `run` must keep to it."""
