"""OpenAI's Responses API as callers may send it, turned into turns and options of a chat."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from orchestrator.rest.chat_schemas import FUNCTION_NAME, MOST_TOOLS, IgnoredFields, json_text
from orchestrator.rest.schemas import DEFAULT_OUTPUT_TOKENS, Body, RoutingFields
from storage.call_records import PLAIN_CALL, CallOptions, ToolCall
from storage.errors import InvalidInput
from storage.records import Generation, Message, Role


class TextContent(Body):
    type: Literal["input_text", "output_text", "text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class ImageContent(Body):
    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high"] | None = None


class MessageItem(Body):
    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Annotated[TextContent | ImageContent, Field(discriminator="type")]]
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class FunctionCallItem(Body):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: str | None = None


class FunctionOutputItem(Body):
    type: Literal["function_call_output"]
    call_id: str
    output: str | list[TextContent]
    id: str | None = None
    status: str | None = None


def _kind(item: object) -> str:
    """A turn may leave its type out."""
    kind = item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", "message")
    return kind if isinstance(kind, str) else ""


Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[FunctionOutputItem, Tag("function_call_output")],
    Discriminator(_kind),
]


class ResponseTool(Body):
    type: Literal["function"]
    name: Annotated[str, Field(pattern=FUNCTION_NAME)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedFunction(Body):
    type: Literal["function"]
    name: str


class TextFormat(Body):
    type: Literal["text", "json_object", "json_schema"]
    name: Annotated[str, Field(pattern=FUNCTION_NAME)] | None = None
    description: str | None = None
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class TextOptions(Body):
    format: TextFormat | None = None


class ResponseRequest(IgnoredFields):
    """Nothing is stored for a later call: `store` and `previous_response_id` are refused."""

    model: str = "auto"
    input: str | Annotated[list[Item], Field(min_length=1, max_length=1000)]
    instructions: str | None = None
    tools: list[ResponseTool] | None = Field(default=None, max_length=MOST_TOOLS)
    tool_choice: Literal["none", "auto", "required"] | NamedFunction | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    stream: bool | None = None
    previous_response_id: str | None = None
    include: Annotated[list[str], Field(max_length=0)] | None = None
    truncation: Literal["disabled"] | None = None
    background: Literal[False] | None = None
    metadata: dict[str, str] | None = Field(default=None, max_length=16)
    antroute: RoutingFields = RoutingFields()

    def require_stateless(self) -> None:
        """Raises InvalidInput for what would need a memory of earlier responses."""
        if self.store:
            raise InvalidInput("Responses are not stored here: send `store: false`.", field="store")
        if self.previous_response_id is not None:
            raise InvalidInput(
                "Responses are not stored here, so that none can be gone on with: send the whole conversation.",
                field="previous_response_id",
            )

    def turns(self) -> list[Message]:
        """Raises InvalidInput."""
        head = [Message(role="system", content=self.instructions)] if self.instructions else []
        if isinstance(self.input, str):
            return [*head, Message(role="user", content=self.input)]
        turns = head
        for place, item in enumerate(self.input):
            turn = _turn(item, f"input.{place}")
            last = turns[-1] if turns else None
            if last is not None and last.tool_calls and turn.tool_calls:  # calls side by side are one turn in a chat
                turns[-1] = Message(
                    role="assistant", content=last.content, tool_calls=last.tool_calls + turn.tool_calls
                )
            else:
                turns.append(turn)
        return turns

    def generation(self) -> Generation:
        return Generation(
            max_output_tokens=self.max_output_tokens or DEFAULT_OUTPUT_TOKENS,
            temperature=self.temperature or 0.0,
            top_p=self.top_p,
        )

    def call(self) -> CallOptions:
        """Raises InvalidInput."""
        if not self.tools and self.tool_choice not in (None, "none", "auto"):
            raise InvalidInput("`tool_choice` without `tools`.", field="tool_choice")
        wanted = self.text.format if self.text else None
        form = None if wanted is None or wanted.type == "text" else _format(wanted)
        if not self.tools and form is None:
            return PLAIN_CALL
        return CallOptions(
            tools=json_text([_tool(tool) for tool in self.tools], field="tools") if self.tools else "",
            tool_choice=json_text(_choice(self.tool_choice), field="tool_choice")
            if self.tools and self.tool_choice
            else "",
            parallel_tool_calls=self.parallel_tool_calls,
            response_format="" if form is None else json_text(form, field="text.format"),
        )


def _turn(item: MessageItem | FunctionCallItem | FunctionOutputItem, field: str) -> Message:
    if isinstance(item, FunctionCallItem):
        call = ToolCall(id=item.call_id, name=item.name, arguments=item.arguments)
        return Message(role="assistant", content="", tool_calls=(call,))
    if isinstance(item, FunctionOutputItem):
        output = item.output if isinstance(item.output, str) else "".join(part.text for part in item.output)
        return Message(role="tool", content=output, tool_call_id=item.call_id)
    role: Role = "system" if item.role == "developer" else item.role
    if isinstance(item.content, str):
        return Message(role=role, content=item.content)
    words = "".join(part.text for part in item.content if isinstance(part, TextContent))
    if not any(isinstance(part, ImageContent) for part in item.content):
        return Message(role=role, content=words)
    parts = [_part(part) for part in item.content]
    return Message(role=role, content=words, parts=json_text(parts, field=f"{field}.content"))


def _part(part: TextContent | ImageContent) -> dict[str, object]:
    if isinstance(part, TextContent):
        return {"type": "text", "text": part.text}
    detail = {"detail": part.detail} if part.detail else {}
    return {"type": "image_url", "image_url": {"url": part.image_url, **detail}}


def _tool(tool: ResponseTool) -> dict[str, object]:
    return {"type": "function", "function": tool.model_dump(exclude_none=True, exclude={"type"})}


def _choice(choice: str | NamedFunction | None) -> object:
    return {"type": "function", "function": {"name": choice.name}} if isinstance(choice, NamedFunction) else choice


def _format(wanted: TextFormat) -> dict[str, object]:
    if wanted.type == "json_object":
        return {"type": "json_object"}
    if wanted.name is None or wanted.json_schema is None:
        raise InvalidInput("A json_schema format needs `name` and `schema`.", field="text.format")
    return {
        "type": "json_schema",
        "json_schema": wanted.model_dump(exclude_none=True, by_alias=True, exclude={"type"}),
    }
