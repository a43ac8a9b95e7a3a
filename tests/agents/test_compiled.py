"""One agent with skills in the place of many agents: its plan, its calls and its bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.compiled import CompiledAgent, Role, RolePlan, work_of
from agents.errors import AgentError
from storage.errors import InvalidInput
from storage.records import Generation, Query
from tests.agents.scripted import ByteCountingLLM, ScriptedLibrary
from tests.agents.test_tool_loop import saying

PLAN = RolePlan(
    name="review",
    inputs=("text",),
    roles=(
        Role(name="claims", instructions="List the claims in: {text}", needs=("text",)),
        Role(name="check", instructions="Which of {claims} are doubtful? Write {{}} if none.", needs=("claims",)),
    ),
)
QUERY = Query(text=PLAN.question(text="The moon is cheese."))
LIBRARY = ScriptedLibrary(offered=PLAN.skills())


def test_a_plan_survives_json_and_its_roles_become_skills_that_name_each_other() -> None:
    assert RolePlan.from_json(PLAN.to_json()) == PLAN
    claims, check = PLAN.skills()
    assert (claims.name, claims.body) == ("01-claims", "List the claims in: (INPUT text)")
    assert (check.name, check.body) == (
        "02-check",
        "Which of (work of ROLE 01-claims) are doubtful? Write {} if none.",
    )
    assert QUERY.text == "INPUT text:\nThe moon is cheese."


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ((), "has no roles"),
        ((Role(name="a", instructions="{b}", needs=("b",)),), "Role 'a' needs 'b'"),
        ((Role(name="a", instructions="x"), Role(name="a", instructions="y")), "has 'a' twice"),
        ((Role(name="a", instructions="{", needs=()),), "'a' cannot be read"),
        ((Role(name="a", instructions="x", needs=("text",)),), "does not name what it needs"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused_by_its_role(roles: tuple[Role, ...], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        RolePlan(name="p", inputs=("text",), roles=roles)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x"}', '{"name":"x","inputs":[],"roles":[{"nome":"x"}]}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no plan of roles"):
        RolePlan.from_json(text)


async def test_all_roles_are_done_in_one_call_and_the_last_ones_work_is_the_answer() -> None:
    llm = ByteCountingLLM(reply=saying("ROLE 01-claims\nIt is cheese.\n\nROLE 02-check:\nThe cheese."))
    assert await CompiledAgent().run(QUERY, llm=llm, skills=LIBRARY) == "The cheese."
    said = llm.requests[0].messages[0].content
    assert said.index("ROLE 01-claims\nText of skill") < said.index("ROLE 02-check\nText of skill")
    assert llm.requests[0].messages[-1].content == QUERY.text


async def test_a_model_that_stops_short_is_asked_to_go_on_with_the_missing_role() -> None:
    llm = ByteCountingLLM(reply=saying("**ROLE 01-claims**\nIt is cheese.", "## ROLE 02-check\nThe cheese."))
    assert await CompiledAgent().run(QUERY, llm=llm, skills=LIBRARY) == "The cheese."
    assert llm.requests[1].messages[-1].content == "Go on. Write `ROLE 02-check` and its work."


async def test_a_model_that_never_gets_to_the_end_is_told_so() -> None:
    llm = ByteCountingLLM(reply=lambda request: "I will not.")
    with pytest.raises(AgentError, match="'02-check', was not reached in 3 turns"):
        await CompiledAgent().run(QUERY, llm=llm, skills=LIBRARY)


def test_the_last_mark_of_a_role_counts_and_a_mention_is_none() -> None:
    assert work_of("a", "ROLE a\none\nROLE a\ntwo, as ROLE a said") == "two, as ROLE a said"
    assert work_of("a", "as ROLE a said") == ""


@given(replies=st.lists(st.text(max_size=4000) | st.just("日" * 3000), min_size=3), tokens=st.integers(1, 300))
async def test_a_run_keeps_to_its_bound_whatever_the_model_says(replies: list[str], tokens: int) -> None:
    query = Query(text=QUERY.text, generation=Generation(max_output_tokens=tokens))
    llm = ByteCountingLLM(reply=saying(*replies))
    bound = CompiledAgent().bound(query, PLAN.skills())
    try:
        await CompiledAgent().run(query, llm=llm, skills=LIBRARY)
    except AgentError:
        assert len(llm.requests) == 3
    assert llm.usage.input <= bound.input
    assert llm.usage.output <= bound.output
    assert llm.longest_call <= bound.longest_call
