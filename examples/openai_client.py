"""OpenAI's own client over `antroute serve`: a plain question, a tool, several replies, and vectors.

Run `antroute serve` first. Tools need a candidate whose model has the capability `tools`.
"""

from __future__ import annotations

import json

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


def main() -> None:
    client = openai.OpenAI(base_url=ADDRESS, api_key="any key, where the service asks for none")
    answer = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "What is the capital of Peru?"}]
    )
    print(f"{answer.model} says: {answer.choices[0].message.content}")

    person = client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "Tom is 7 years old. Give name and age as JSON."}],
        response_format={"type": "json_object"},
    )
    print(f"As JSON: {json.loads(person.choices[0].message.content or 'null')}")

    vectors = client.embeddings.create(model="minilm", input=["a whale", "a dolphin"])
    print(f"{len(vectors.data)} vectors of {len(vectors.data[0].embedding)} numbers")

    try:
        wish = client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "What is the weather in Lima?"}], tools=[WEATHER]
        )
        print(f"Wishes: {wish.choices[0].message.tool_calls}")
    except openai.BadRequestError as error:
        print(f"Nobody here takes tools: {error.message}")


if __name__ == "__main__":
    main()
