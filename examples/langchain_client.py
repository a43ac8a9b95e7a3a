"""A LangGraph agent whose model is whatever candidate Antroute picks; needs langchain-openai and langgraph.

Run `antroute serve` first, with a candidate whose model has the capability `tools`; then
`python examples/langchain_client.py`; another address is given as its argument.
"""

from __future__ import annotations

import sys

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

ADDRESS = "http://127.0.0.1:8765/v1"


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"It is sunny in {city}."


def main(address: str = ADDRESS) -> None:
    # the conversation keeps its candidate while tools are being called
    ours = {"antroute": {"session": "weather-1"}}
    model = ChatOpenAI(base_url=address, api_key="any", model="auto", extra_body=ours).bind_tools([get_weather])

    def answer(state: MessagesState) -> MessagesState:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", answer)
    graph.add_node("tools", ToolNode([get_weather]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    for message in graph.compile().invoke({"messages": [("user", "What is the weather in Lima?")]})["messages"]:
        print(f"{message.type}: {message.text or message.tool_calls}")


if __name__ == "__main__":
    main(*sys.argv[1:])
