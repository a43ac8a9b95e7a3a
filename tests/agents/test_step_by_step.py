"""Reasoning first, the answer alone afterwards."""

from __future__ import annotations

import pytest

from agents.step_by_step import REASONING_TOKENS, StepByStepAgent
from storage.records import Generation, Query
from tests.agents.scripted import ByteCountingLLM, ScriptedLibrary


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2+2 is 4.\nAnswer: 4", "4"),
        ("Answer: 5? No.\nAnswer: 4", "4"),
        ("So:\n**Answer:** 4", "4"),
        ("**Answer: 4**", "4"),
        ("Final answer: def f():\n    return 4", "def f():\n    return 4"),
        ("The answer is 4.", "The answer is 4."),
        ("I am not sure.\nAnswer:", "I am not sure.\nAnswer:"),
    ],
)
async def test_the_last_answer_line_counts_and_else_the_whole_text(text: str, answer: str) -> None:
    llm = ByteCountingLLM(reply=lambda request: text)
    assert await StepByStepAgent().run(Query(text="2+2?"), llm=llm, skills=ScriptedLibrary()) == answer


async def test_stop_sequences_cut_the_answer_and_not_the_reasoning() -> None:
    llm = ByteCountingLLM(reply=lambda request: "One.\nTwo.\nAnswer: 4\nand more")
    query = Query(text="2+2?", generation=Generation(max_output_tokens=8, stop=("\n",)))
    assert await StepByStepAgent().run(query, llm=llm, skills=ScriptedLibrary()) == "4"
    assert llm.requests[0].generation.stop == ()
    assert llm.requests[0].generation.max_output_tokens == 8 + REASONING_TOKENS
