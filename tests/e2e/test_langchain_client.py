"""LangChain's ChatOpenAI and a LangGraph agent over the gateway, with only the address changed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.e2e.able_upstream import able_upstream
from tests.e2e.antroute import Home


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"sunny in {city}"


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a gateway with one candidate that can and one that cannot."""
    with able_upstream() as upstream:
        settings = {
            "models": {
                "able": {"provider": "openai", "base_url": upstream.address},
                "plain": {"provider": "scripted"},
            },
            "candidates": [{"agent": "single_turn", "model": "able"}, {"agent": "single_turn", "model": "plain"}],
            "encoder": "hashing",
            "policy": "uniform",
        }
        with Home(tmp_path_factory.mktemp("home"), settings).served() as server:
            yield f"{server.address}/v1"


@pytest.fixture
def model(address: str) -> ChatOpenAI:
    return ChatOpenAI(base_url=address, api_key=SecretStr("any"), model="auto", max_retries=0)


def test_tools_are_bound(model: ChatOpenAI) -> None:
    answer = model.bind_tools([get_weather]).invoke("weather in Paris")
    assert [(c["name"], c["args"]) for c in answer.tool_calls] == [("get_weather", {"city": "Paris"})]


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_output_has_its_structure(method: Any, model: ChatOpenAI) -> None:
    assert model.with_structured_output(Person, method=method).invoke("Tom is 7.") == Person(name="Tom", age=7)


async def test_words_and_tool_calls_are_streamed(model: ChatOpenAI) -> None:
    pieces = [piece async for piece in model.bind(logprobs=True).astream("one two")]
    assert "".join(piece.text for piece in pieces) == "0: one two "
    whole: Any = None
    async for piece in model.bind_tools([get_weather]).astream("weather in Rome"):
        whole = piece if whole is None else whole + piece
    assert whole.tool_calls[0]["args"] == {"city": "Rome"}


def test_agent_of_langgraph_uses_a_tool(model: ChatOpenAI) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has moved to a package that is not needed here
        from langgraph.prebuilt import create_react_agent

        agent = create_react_agent(model, [get_weather])
    messages = agent.invoke({"messages": [HumanMessage("What is the weather in Paris?")]})["messages"]
    assert [message.text for message in messages if isinstance(message, ToolMessage)] == ["sunny in Paris"]
    assert messages[-1].text == "They say: sunny in Paris"
