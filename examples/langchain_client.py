"""A LangGraph agent whose model is whatever candidate Antroute picks; needs langchain-openai and langgraph.

Run `antroute serve` first, with a candidate whose model has the capability `tools`.
"""

from __future__ import annotations

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent

ADDRESS = "http://127.0.0.1:8765/v1"


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"It is sunny in {city}."


def main() -> None:
    # the conversation keeps its candidate while tools are being called
    ours = {"antroute": {"session": "weather-1"}}
    model = ChatOpenAI(base_url=ADDRESS, api_key="any", model="auto", extra_body=ours)
    agent = create_react_agent(model, [get_weather])
    for message in agent.invoke({"messages": [("user", "What is the weather in Lima?")]})["messages"]:
        print(f"{message.type}: {message.text or message.tool_calls}")


if __name__ == "__main__":
    main()
