"""Lets the model reason before it answers, and keeps the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agents.base import Agent, TokenBound
from agents.llm import LLM, CompletionRequest
from agents.prompts import bound_of, cut_at_stop, instructed
from skills.base import Skill, SkillLibrary
from storage.records import Message, Query

REASONING_TOKENS = 256  # on top of what the answer may take
INSTRUCTIONS = (
    "Work the question out step by step, in a few short lines, and never give the answer at once. "
    "Then write it alone on a last line that starts with 'Answer:'."
)
EXAMPLES = (
    Message(role="user", content="A shop has 16 boxes of 14 pens and 9 single pens. How many pens is that?"),
    Message(
        role="assistant",
        content="16 * 14 = 16 * 10 + 16 * 4 = 160 + 64 = 224.\n224 + 9 = 233.\nAnswer: 233",
    ),
    Message(role="user", content="Which letter of 'planet' comes third?"),
    Message(role="assistant", content="The letters are p, l, a, n, e, t.\nThe third one is a.\nAnswer: a"),
)
ANSWER_LINE = re.compile(r"^[\s*#>]*(?:final\s+)?answer\s*(?:is)?\s*[:=]\s*\**\s*", re.IGNORECASE | re.MULTILINE)


class StepByStepAgent(Agent):
    """Chain of thought in one call (Wei et al. 2022, arXiv 2201.11903); the caller sees the answer only."""

    description = "Reasons in a few lines before it answers, in one call, without skills."

    async def run(self, query: Query, *, llm: LLM, skills: SkillLibrary) -> str:
        text = (await llm.complete(_request(query))).text
        return cut_at_stop(_answer(text), query.generation.stop).strip()

    def bound(self, query: Query, skills: Sequence[Skill]) -> TokenBound:
        return bound_of([_request(query)])


def _request(query: Query) -> CompletionRequest:
    tokens = REASONING_TOKENS + query.generation.max_output_tokens
    return CompletionRequest(
        messages=instructed(query, INSTRUCTIONS, examples=EXAMPLES),
        generation=replace(query.generation, max_output_tokens=tokens, stop=()),  # a stop would cut the reasoning
    )


def _answer(text: str) -> str:
    """What follows the last answer mark; the whole text where there is none."""
    marks = list(ANSWER_LINE.finditer(text))
    answer = text[marks[-1].end() :].strip().removesuffix("**").strip() if marks else ""
    return answer or text
