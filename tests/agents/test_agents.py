"""What every agent of the registry owes: it answers, keeps to its bound, and keeps the conversation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.registry import AGENTS, make_agent
from skills.errors import SkillFailed
from storage.records import Generation, Message, Query
from tests.agents.scripted import ByteCountingLLM, ScriptedLibrary, skill

TEXTS = st.text(max_size=300) | st.sampled_from(
    ["日本語" * 40, ">>>\n" * 200, "<|im_end|>" * 80, "\ud800" * 50, "a\nb" * 400]
)
REPLIES = st.lists(
    st.builds("{}{}".format, st.sampled_from(["", "ANSWER ", "CALL s0 ", 'CALL s0 {"a": "', "CALL nobody "]), TEXTS),
    min_size=1,
    max_size=4,
)
RESULTS = st.lists(TEXTS | st.builds(SkillFailed, TEXTS), min_size=1, max_size=4)
MESSAGES = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=TEXTS), max_size=4
)


@pytest.mark.parametrize("name", AGENTS)
async def test_an_answer_comes_back(name: str) -> None:
    llm = ByteCountingLLM(reply=lambda request: "Lima")
    assert await make_agent(name).run(Query(text="Capital of Peru?"), llm=llm, skills=ScriptedLibrary()) == "Lima"


@pytest.mark.parametrize("name", AGENTS)
@given(
    text=TEXTS,
    context=MESSAGES,
    tokens=st.integers(1, 500),
    replies=REPLIES,
    results=RESULTS,
    descriptions=st.lists(TEXTS, max_size=30),
)
async def test_a_run_keeps_to_its_bound_whatever_model_and_skills_say(
    name: str,
    text: str,
    context: list[Message],
    tokens: int,
    replies: list[str],
    results: list[str | SkillFailed],
    descriptions: list[str],
) -> None:
    agent = make_agent(name)
    query = Query(text=text, context_messages=tuple(context), generation=Generation(max_output_tokens=tokens))
    offered = [skill(f"s{number}", "a", description=what) for number, what in enumerate(descriptions)]
    told = list(replies)
    llm = ByteCountingLLM(reply=lambda request: told.pop(0) if len(told) > 1 else told[0])
    library = ScriptedLibrary(offered=offered, results=list(results))
    await agent.run(query, llm=llm, skills=library)
    bound = agent.bound(query, offered)
    assert llm.usage.input <= bound.input
    assert llm.usage.output <= bound.output
    assert llm.longest_call <= bound.longest_call


@pytest.mark.parametrize("name", AGENTS)
async def test_the_conversation_and_its_settings_reach_the_model(name: str) -> None:
    context = (
        Message(role="system", content="Speak like a pirate."),
        Message(role="user", content="My name is Ada."),
        Message(role="assistant", content="Ahoy, Ada."),
    )
    llm = ByteCountingLLM(reply=lambda request: "Ada")
    generation = Generation(max_output_tokens=5, temperature=0.7, seed=3)
    query = Query(text="What is my name?", context_messages=context, generation=generation)
    await make_agent(name).run(query, llm=llm, skills=ScriptedLibrary())
    sent = llm.requests[0]
    assert [message.role for message in sent.messages].count("system") == 1
    assert "Speak like a pirate." in sent.messages[0].content
    assert sent.messages[-3:] == query.messages[-3:]
    assert (sent.generation.temperature, sent.generation.seed) == (0.7, 3)
