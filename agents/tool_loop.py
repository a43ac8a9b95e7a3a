"""Calls the skills that the model names until it answers; needs no native tool calling."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from agents.base import Agent, TokenBound, worst_case_of_call
from agents.llm import LLM, CompletionRequest
from agents.prompts import bound_of, cut_at_stop, instructed
from agents.single_turn import plain_request
from agents.tool_calls import FinalAnswer, SkillCall, read_move
from agents.tool_prompt import (
    CALL_BYTES,
    OBSERVATION_BYTES,
    RESULT_MESSAGE_BYTES,
    call_message,
    clipped,
    error_message,
    example_messages,
    instructions,
    read_bytes,
    result_message,
    text_message,
    usage_of,
    with_last_word,
)
from skills.base import Skill, SkillLibrary
from skills.errors import SkillError, ToolError
from skills.reading import is_text
from storage.records import Message, Query

MAX_TURNS = 3  # calls to the model
CALL_TOKENS = 96  # what a call may take, even where the answer may take less
STOP = ("\nRESULT",)  # a small model likes to play the other side too
USUAL_WAIT_SECONDS = 0.1  # before a call is sent again, where the skill does not say
LONGEST_WAIT_SECONDS = 2.0  # the model is told of the error instead
NO_ARGUMENTS = ToolError(
    code="skill_refused", category="arguments", is_retryable=False, retry_after_seconds=None, hint=""
)

Pause = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class _Observation:
    """What calling a skill gave."""

    message: Message
    result: str = ""  # empty: it failed, or there was nothing to say; a text that was read is no result
    read_bytes: int = 0  # of a text


class ToolLoopAgent(Agent):
    """Reason and act in turns (Yao et al. 2023, arXiv 2210.03629), with one line of text a turn."""

    description = "Calls skills as tools, up to three turns, then answers."

    def __init__(self, *, pause: Pause = asyncio.sleep) -> None:
        """`pause`: waits so many seconds before a call is sent again."""
        self.pause = pause

    async def run(self, query: Query, *, llm: LLM, skills: SkillLibrary) -> str:
        offered = await skills.skills()
        request, last_result, has_read = _request(query, offered), "", False
        room = read_bytes(offered)  # for texts, over all turns
        for turns_left in reversed(range(MAX_TURNS)):
            if not (turns_left or last_result or has_read):  # no skill helped: the bare question is the better one
                return (await llm.complete(plain_request(query))).text.strip()
            move = read_move((await llm.complete(request)).text, offered)
            if isinstance(move, FinalAnswer):
                return cut_at_stop(move.text, query.generation.stop).strip() or last_result
            observation = await _observe(move, skills, offered, room=room, pause=self.pause)
            room, has_read = room - observation.read_bytes, has_read or observation.read_bytes > 0
            more = await skills.skills()
            if len(more) > len(offered):  # a look into a group: it offers what is in there, and is no result
                room, offered = room + read_bytes(more) - read_bytes(offered), more
            else:
                last_result = observation.result or last_result
            shown = observation.message if turns_left > 1 else with_last_word(observation.message)
            request = replace(request, messages=(*request.messages, call_message(move), shown))
        return last_result

    def bound(self, query: Query, skills: Sequence[Skill]) -> TokenBound:
        longest_turns = (
            Message(role="assistant", content="x" * CALL_BYTES),
            Message(role="user", content="x" * RESULT_MESSAGE_BYTES),
        )
        request = _request(query, skills)
        turns = [replace(request, messages=request.messages + longest_turns * turn) for turn in range(MAX_TURNS)]
        if texts := read_bytes(skills):  # all of them together, and they may be read at once
            read = (Message(role="user", content="x" * texts),)
            turns[1:] = [replace(turn, messages=turn.messages + read) for turn in turns[1:]]
        plain = replace(plain_request(query), generation=request.generation)
        last = max(turns[-1], plain, key=lambda call: worst_case_of_call(call).input)  # either may come last
        return bound_of([*turns[:-1], last])


async def _observe(
    call: SkillCall, skills: SkillLibrary, offered: Sequence[Skill], *, room: int, pause: Pause
) -> _Observation:
    texts = {skill.name for skill in offered if is_text(skill)}
    if call.arguments is None and call.name not in texts:
        usage = next(usage_of(skill) for skill in offered if skill.name == call.name)
        error = f"The arguments are no JSON object. Write: CALL {call.name} {usage}"
        return _Observation(message=error_message(error, NO_ARGUMENTS))
    try:
        result = await _called(call, {} if call.name in texts else call.arguments or {}, skills, pause=pause)
    except SkillError as exc:
        return _Observation(message=error_message(str(exc), ToolError.of(exc)))
    if call.name in texts:
        message = text_message(result, max(room, OBSERVATION_BYTES))
        return _Observation(message=message, read_bytes=len(message.content.encode()))
    return _Observation(message=result_message(result), result=clipped(result, OBSERVATION_BYTES))


async def _called(call: SkillCall, arguments: Mapping[str, object], skills: SkillLibrary, *, pause: Pause) -> str:
    """The result. A call that did nothing is sent again, once, where that is not too long to wait."""
    try:
        return await skills.call(call.name, arguments)
    except SkillError as exc:
        wait = USUAL_WAIT_SECONDS if exc.retry_after_seconds is None else exc.retry_after_seconds
        if not exc.is_retryable or wait > LONGEST_WAIT_SECONDS:
            raise
    await pause(wait)
    return await skills.call(call.name, arguments)


def _request(query: Query, skills: Sequence[Skill]) -> CompletionRequest:
    generation = query.generation
    return CompletionRequest(
        messages=instructed(query, instructions(skills), examples=example_messages(skills)),
        generation=replace(generation, max_output_tokens=max(generation.max_output_tokens, CALL_TOKENS), stop=STOP),
    )
