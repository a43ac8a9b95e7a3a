"""One prompt, one completion."""

from __future__ import annotations

from collections.abc import Sequence

from agents.base import Agent, TokenBound
from agents.llm import LLM, CompletionRequest
from agents.prompts import bound_of, instructed
from skills.base import Skill, SkillLibrary
from storage.records import Query

INSTRUCTIONS = "Answer the question. Give only the answer."


class SingleTurnAgent(Agent):
    """Asks once, for the answer alone. A caller who gives a system message is left to instruct the model alone."""

    passes_calls = True
    description = "Answers at once, in one call, without skills."

    async def run(self, query: Query, *, llm: LLM, skills: SkillLibrary) -> str:
        return (await llm.complete(plain_request(query))).text.strip()

    def bound(self, query: Query, skills: Sequence[Skill]) -> TokenBound:
        return bound_of([plain_request(query)])


def plain_request(query: Query) -> CompletionRequest:
    """The one call. Whoever wants tools, a format or several replies instructs the model alone, too."""
    is_instructed = not query.call.is_plain or any(message.role == "system" for message in query.context_messages)
    messages = query.messages if is_instructed else instructed(query, INSTRUCTIONS)
    return CompletionRequest(messages=messages, generation=query.generation, is_answer=True, call=query.call)
