"""One prompt, one completion."""

from __future__ import annotations

from agents.single_turn import SingleTurnAgent
from storage.records import Generation, Message, Query
from tests.agents.scripted import ByteCountingLLM, ScriptedLibrary


async def test_the_one_call_is_marked_as_the_answer_and_asks_for_it_alone() -> None:
    llm = ByteCountingLLM(reply=lambda request: " 4 \n")
    generation = Generation(max_output_tokens=9, stop=("\n",))
    answer = await SingleTurnAgent().run(Query(text="2+2?", generation=generation), llm=llm, skills=ScriptedLibrary())
    assert answer == "4"
    assert [(request.is_answer, request.generation) for request in llm.requests] == [(True, generation)]
    assert "only" in llm.requests[0].messages[0].content


async def test_a_caller_who_instructs_the_model_does_so_alone() -> None:
    llm = ByteCountingLLM(reply=lambda request: "An essay.")
    query = Query(text="Ants", context_messages=(Message(role="system", content="Write essays."),))
    await SingleTurnAgent().run(query, llm=llm, skills=ScriptedLibrary())
    assert llm.requests[0].messages == query.messages
