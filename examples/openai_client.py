"""OpenAI's own client over `antroute serve`: a plain question, an answer as JSON, vectors, and a tool.

Run `antroute serve` first, then `python examples/openai_client.py`; another address is given as its argument. JSON and
tools need a candidate whose model has the capability `json` or `tools`; what nobody can do is told.
"""

from __future__ import annotations

import json
import sys

import openai

ADDRESS = "http://127.0.0.1:8765/v1"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(client: openai.OpenAI) -> str:
    answer = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "What is the capital of Peru?"}]
    )
    return f"{answer.model} says: {answer.choices[0].message.content}"


def ask_for_json(client: openai.OpenAI) -> str:
    person = client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "Tom is 7 years old. Give name and age as JSON."}],
        response_format={"type": "json_object"},
    )
    return f"As JSON: {json.loads(person.choices[0].message.content or 'null')}"


def ask_for_vectors(client: openai.OpenAI) -> str:
    vectors = client.embeddings.create(model="minilm", input=["a whale", "a dolphin"])
    return f"{len(vectors.data)} vectors of {len(vectors.data[0].embedding)} numbers"


def ask_with_a_tool(client: openai.OpenAI) -> str:
    wish = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "What is the weather in Lima?"}], tools=[WEATHER]
    )
    calls = wish.choices[0].message.tool_calls or []
    return f"Wishes: {[f'{call.function.name}({call.function.arguments})' for call in calls]}"


def main(address: str = ADDRESS) -> None:
    with openai.OpenAI(base_url=address, api_key="any key, where the service asks for none") as client:
        for part in (ask, ask_for_json, ask_for_vectors, ask_with_a_tool):
            try:
                print(part(client))
            except (openai.BadRequestError, openai.NotFoundError) as error:
                print(f"Not here: {error.message}")


if __name__ == "__main__":
    main(*sys.argv[1:])
