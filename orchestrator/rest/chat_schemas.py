"""OpenAI's chat completion as callers may send it, and the conversation that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from orchestrator.rest.schemas import DEFAULT_OUTPUT_TOKENS, Body, RoutingFields
from storage.call_records import PLAIN_CALL, CallOptions, ToolCall
from storage.errors import InvalidInput
from storage.records import Generation, Message, Role

MOST_REPLIES = 16  # of one call
MOST_TOOLS = 128
FUNCTION_NAME = r"^[A-Za-z0-9_.-]{1,64}$"
PARTS_ALONE = "[image or sound]"  # what is routed and recorded where a turn has no words


class TextPart(Body):
    type: Literal["text"]
    text: str


class RefusalPart(Body):
    type: Literal["refusal"]
    refusal: str


class ImageUrl(Body):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Body):
    type: Literal["image_url"]
    image_url: ImageUrl


class Sound(Body):
    data: str  # base64
    format: Literal["wav", "mp3"]


class AudioPart(Body):
    type: Literal["input_audio"]
    input_audio: Sound


Part = Annotated[TextPart | RefusalPart | ImagePart | AudioPart, Field(discriminator="type")]


class CalledFunction(Body):
    name: str
    arguments: str


class ToolCallBody(Body):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction
    index: int | None = None  # of a streamed call that is sent back as it came


class ChatMessage(Body):
    """A turn. An assistant's may be sent back as it came: what is empty there is taken."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCallBody] | None = Field(default=None, max_length=MOST_TOOLS)
    tool_call_id: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None  # of an answer, for its reader
    audio: None = None
    function_call: None = None

    def message(self, field: str) -> Message:
        """Raises InvalidInput, naming the field, for what is missing in a turn of this role."""
        role: Role = "system" if self.role == "developer" else self.role  # OpenAI's newer word for it
        if isinstance(self.content, str) and role in ("user", "system") and not self.name:
            return Message(role=role, content=self.content)
        if role == "tool" and not self.tool_call_id:
            raise InvalidInput("A tool's message needs the `tool_call_id` it answers.", field=f"{field}.tool_call_id")
        if self.content is None and not (role == "assistant" and (self.tool_calls or self.refusal)):
            raise InvalidInput(f"The {self.role}'s message has no content.", field=f"{field}.content")
        calls = [ToolCall(id=c.id, name=c.function.name, arguments=c.function.arguments) for c in self.tool_calls or ()]
        return Message(
            role=role,
            content=self.text,
            name=self.name or "",
            tool_calls=tuple(calls),
            tool_call_id=self.tool_call_id or "",
            parts=self._parts(field),
        )

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(_words(part) for part in self.content)
        return self.content or self.refusal or ""

    def _parts(self, field: str) -> str:
        """JSON; empty where all parts are words."""
        if not isinstance(self.content, list) or all(isinstance(p, TextPart | RefusalPart) for p in self.content):
            return ""
        return json_text([part.model_dump(exclude_none=True) for part in self.content], field=f"{field}.content")


def _words(part: TextPart | RefusalPart | ImagePart | AudioPart) -> str:
    return part.text if isinstance(part, TextPart) else part.refusal if isinstance(part, RefusalPart) else ""


class Function(Body):
    name: Annotated[str, Field(pattern=FUNCTION_NAME)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Body):
    type: Literal["function"]
    function: Function


class FunctionName(Body):
    name: str


class NamedTool(Body):
    type: Literal["function"]
    function: FunctionName


class JsonSchema(Body):
    name: Annotated[str, Field(pattern=FUNCTION_NAME)]
    description: str | None = None
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class SimpleFormat(Body):
    type: Literal["text", "json_object"]


class SchemaFormat(Body):
    type: Literal["json_schema"]
    json_schema: JsonSchema


class StreamOptions(Body):
    include_usage: bool = False
    include_obfuscation: bool = False  # nothing is added here


class IgnoredFields(Body):
    """Fields of OpenAI's whose absence changes no answer's meaning: taken and not heeded.

    They speak of OpenAI's own storage, billing class, caches, speed and abuse checks. `metadata` is kept with the run.
    """

    store: bool | None = None
    service_tier: str | None = None
    prediction: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    user: str | None = None


class ChatRequest(IgnoredFields):
    """A field that is neither here nor among the ignored ones is refused by name."""

    model: str = "auto"
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    n: int | None = Field(default=None, ge=1, le=MOST_REPLIES)
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[FunctionTool] | None = Field(default=None, min_length=1, max_length=MOST_TOOLS)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[SimpleFormat | SchemaFormat, Field(discriminator="type")] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    modalities: list[Literal["text"]] | None = None
    metadata: dict[str, str] | None = Field(default=None, max_length=16)
    antroute: RoutingFields = Field(default_factory=RoutingFields)

    def generation(self) -> Generation:
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return Generation(
            max_output_tokens=self.max_completion_tokens or self.max_tokens or DEFAULT_OUTPUT_TOKENS,
            temperature=self.temperature or 0.0,
            seed=self.seed,
            stop=stop,
            top_p=self.top_p,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
        )

    def call(self) -> CallOptions:
        """Raises InvalidInput for a tool choice without tools, and the like."""
        if self.tools is None and self.tool_choice not in (None, "none", "auto"):
            raise InvalidInput("`tool_choice` without `tools`.", field="tool_choice")
        if self.top_logprobs and not self.logprobs:
            raise InvalidInput("`top_logprobs` without `logprobs`.", field="top_logprobs")
        if not (self.tools or self.response_format or self.logprobs or (self.n or 1) > 1):
            return PLAIN_CALL
        wants_format = self.response_format is not None and self.response_format.type != "text"
        return replace(
            PLAIN_CALL,
            tools=_dumped(self.tools, "tools"),
            tool_choice=_dumped(self.tool_choice, "tool_choice") if self.tools else "",
            parallel_tool_calls=self.parallel_tool_calls,
            response_format=_dumped(self.response_format, "response_format") if wants_format else "",
            replies=self.n or 1,
            wants_logprobs=bool(self.logprobs),
            top_logprobs=self.top_logprobs or 0,
        )


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Turns around the last one of the user's, which is what is routed."""

    text: str
    before: tuple[Message, ...]
    asked: Message | None  # where the user's turn is more than its text
    later: tuple[Message, ...]


def conversation_of(messages: Sequence[Message], *, field: str = "messages") -> Conversation:
    """Raises InvalidInput where nobody asks, or where the last word is the assistant's."""
    if messages[-1].role == "assistant":
        raise InvalidInput("The last message is the assistant's; it must be the user's or a tool's.", field=field)
    last = next((place for place in reversed(range(len(messages))) if messages[place].role == "user"), None)
    if last is None:
        raise InvalidInput(f"The last message is the {messages[-1].role}'s, and no user asked.", field=field)
    asked = messages[last]
    return Conversation(
        text=asked.content or (PARTS_ALONE if asked.parts else ""),
        before=tuple(messages[:last]),
        asked=None if asked.is_plain else asked,
        later=tuple(messages[last + 1 :]),
    )


def json_text(value: object, *, field: str) -> str:
    """Compact JSON. Raises InvalidInput for what JSON cannot hold."""
    try:
        return orjson.dumps(value).decode()
    except TypeError as exc:  # numbers beyond 64 bits, halves of surrogate pairs, too deep
        raise InvalidInput(f"`{field}` cannot be passed on: {exc}.", field=field) from exc


def _dumped(value: object, field: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return json_text([_plain(each) for each in value], field=field)
    return json_text(_plain(value), field=field)


def _plain(value: object) -> object:
    return value.model_dump(exclude_none=True, by_alias=True) if isinstance(value, Body) else value
