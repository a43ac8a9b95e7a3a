"""The OpenAI chat completions format, read without trust and written with care; sends nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from agents.llm import Chunk, Completion, CompletionRequest, FinishReason, piece_of
from agents.openai_replies import (
    StreamedReplies,
    finish_reason_of,
    message_body,
    options_body,
    replies_of,
    sampling_body,
    without_surrogates,
)
from storage.call_records import ReplyPiece
from storage.records import TokenUsage

TOP_LOGPROBS = 20  # likeliest tokens that are asked for: the most an endpoint gives
BYTES_PER_TOKEN = 3  # for estimates where the provider sends no count
TOKENS_LIMIT = 1_000_000_000  # a larger count from upstream is not believed
UPSTREAM_TEXT_LIMIT = 300  # characters of upstream text that may stand in one of our messages
ANSWER_CHARACTERS_LIMIT = 4 * 1024 * 1024
CREDENTIALS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)


class MalformedAnswer(ValueError):
    """The upstream's answer is not a chat completion."""


def payload(model: str, request: CompletionRequest, *, is_streamed: bool) -> dict[str, object]:
    """The body of a chat completions call."""
    generation = request.generation
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": message.role, "content": without_surrogates(message.content)}
            if message.is_plain
            else message_body(message)
            for message in request.messages
        ],
        "max_tokens": generation.max_output_tokens,
        "temperature": generation.temperature,
        **sampling_body(generation),
    }
    if not request.call.is_plain:
        body |= options_body(request.call)
    if request.wants_logprobs:
        body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    if is_streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def estimated_usage(request: CompletionRequest, *, output_tokens: int) -> TokenUsage:
    """What a call is taken to have used when nobody said: a third of the prompt's bytes, rounded up."""
    texts = [message.content for message in request.messages] + list(request.call.texts)
    prompt_bytes = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return TokenUsage(input=estimated_tokens(prompt_bytes), output=output_tokens)


def estimated_tokens(received_bytes: int) -> int:
    """Tokens that so many bytes of an answer are taken for: a third of them, rounded up."""
    return math.ceil(received_bytes / BYTES_PER_TOKEN)


def usage_of_unusable(body: bytes, request: CompletionRequest) -> TokenUsage:
    """What an answer cost that cannot be used: what its body says where it can be read, else by the bytes received."""
    return counted_in(body) or estimated_usage(request, output_tokens=estimated_tokens(len(body)))


def counted_in(body: bytes) -> TokenUsage | None:
    """What the provider counted, by the body of an answer that may be of no use otherwise."""
    try:
        found = loads(body)
    except MalformedAnswer:
        return None
    return usage_of(found.get("usage")) if isinstance(found, Mapping) else None


def completion_of(found: object, request: CompletionRequest) -> Completion:
    """The completion in the parsed body of an answer that was not streamed. Raises MalformedAnswer."""
    answer = _mapping(found, what="answer")
    choice = _first_choice(answer)
    if choice is None:
        raise MalformedAnswer("The answer has no choice.")
    message = _mapping(choice.get("message"), what="message")
    text = _text(message.get("content"))
    replies = () if request.call.is_plain else replies_of(_choices(answer))
    said = "".join(piece_of(reply).words for reply in replies) or text
    guess = estimated_usage(request, output_tokens=estimated_tokens(len(said.encode("utf-8", "replace"))))
    return Completion(
        text=text,
        usage=usage_of(answer.get("usage")) or guess,
        finish_reason=replies[0].finish_reason if replies else finish_reason_of(choice.get("finish_reason")),
        response_id=_short(answer.get("id")),
        token_logprobs=tuple(_logprobs(choice)),
        top_logprobs=tuple(_top_logprobs(choice)),
        replies=replies,
    )


@dataclass(kw_only=True)
class StreamedAnswer:
    """Collects a streamed answer, event by event."""

    request: CompletionRequest
    deltas: list[str] = field(default_factory=list)
    is_complete: bool = False  # a finish reason or the end mark was seen
    _characters: int = 0
    _bytes: int = 0
    _token_logprobs: list[float] = field(default_factory=list)
    _top_logprobs: list[dict[str, float]] = field(default_factory=list)
    _finish_reason: FinishReason = "stop"
    _finished: int = 0  # replies that came to their end
    _response_id: str = ""
    _usage: TokenUsage | None = None
    _replies: StreamedReplies = field(default_factory=StreamedReplies)

    def read(self, data: str) -> list[Chunk]:
        """What this event adds, maybe nothing. Raises MalformedAnswer, also for an error sent in mid-stream."""
        if data.strip() == "[DONE]":
            self.is_complete = True
            return []
        return self.read_event(_mapping(loads(data.encode("utf-8", "replace")), what="event"))

    def read_event(self, event: Mapping[str, object]) -> list[Chunk]:
        """As `read`, of an event that was parsed already."""
        if event.get("error"):
            raise MalformedAnswer(f"The model reported {error_text(event)!r} in mid-answer.")
        self._response_id = self._response_id or _short(event.get("id"))
        self._usage = usage_of(event.get("usage")) or self._usage
        if not self.request.call.is_plain:
            choices = [_mapping(choice, what="choice") for choice in _choices(event)]
            pieces = [piece for choice in choices if (piece := self._read_reply(choice)) is not None]
            return [Chunk(piece=piece) for piece in pieces]
        choice = _first_choice(event)
        text = "" if choice is None else self._read_choice(choice)
        return [Chunk(delta=text)] if text else []

    def _read_reply(self, choice: Mapping[str, object]) -> ReplyPiece | None:
        """Of one of several replies, or one that may be more than words."""
        piece = self._replies.read(choice)
        if choice.get("finish_reason"):
            self._finished += 1
            self.is_complete = self._finished >= self.request.call.replies
        if piece is not None:
            self._count(piece.words)
        return piece

    def _read_choice(self, choice: Mapping[str, object]) -> str:
        delta = choice.get("delta")
        text = _text(delta.get("content")) if isinstance(delta, Mapping) else ""
        self._token_logprobs += _logprobs(choice)
        self._top_logprobs += _top_logprobs(choice)
        if choice.get("finish_reason"):
            self.is_complete = True
            self._finish_reason = finish_reason_of(choice["finish_reason"])
        if text:
            self._count(text)
        return text

    def _count(self, text: str) -> None:
        self.deltas.append(text)
        self._characters += len(text)
        self._bytes += len(text.encode("utf-8", "replace"))
        if self._characters > ANSWER_CHARACTERS_LIMIT:
            raise MalformedAnswer(f"The answer is longer than {ANSWER_CHARACTERS_LIMIT} characters.")

    @property
    def usage(self) -> TokenUsage:
        """What the provider counted, else a token a delta, or more where the deltas are long."""
        output_tokens = max(len(self.deltas), estimated_tokens(self._bytes))
        return self._usage or estimated_usage(self.request, output_tokens=output_tokens)

    @property
    def may_cost_more(self) -> bool:
        """Whether nothing says what a broken answer costs: no count came, and not a word."""
        return self._usage is None and not self.deltas

    def completion(self) -> Completion:
        replies = self._replies.replies()
        return Completion(
            text=replies[0].text if replies else "".join(self.deltas),
            usage=self.usage,
            finish_reason=replies[0].finish_reason if replies else self._finish_reason,
            replies=replies,
            response_id=self._response_id,
            token_logprobs=tuple(self._token_logprobs),
            top_logprobs=tuple(self._top_logprobs),
        )


def usage_of(found: object) -> TokenUsage | None:
    """The tokens that the provider counted; None where it sent no credible count."""
    if not isinstance(found, Mapping):
        return None
    prompt, output = _count(found.get("prompt_tokens")), _count(found.get("completion_tokens"))
    if prompt is None or output is None:
        return None
    details = found.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, Mapping) else None
    written = _count(details.get("cache_creation_tokens")) if isinstance(details, Mapping) else None
    cached = min(cached or 0, prompt)
    written = min(written or 0, prompt - cached)
    return TokenUsage(input=prompt - cached - written, cache_read=cached, cache_write=written, output=output)


def error_text(body: object) -> str:
    """The message of an upstream's error body, shortened; empty where it has none."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    message = error.get("message", "") if isinstance(error, Mapping) else error
    return shortened(message) if isinstance(message, str) else ""


def shortened(text: str) -> str:
    """Upstream text fit for a message of ours: one line, bounded."""
    line = " ".join(text[: 4 * UPSTREAM_TEXT_LIMIT].split())
    return line if len(line) <= UPSTREAM_TEXT_LIMIT else line[: UPSTREAM_TEXT_LIMIT - 1] + "…"


def masked_url(url: str) -> str:
    """The URL fit for a message, without credentials. What is no URL is masked too: all before its last `@`."""
    return CREDENTIALS.sub(r"\1***@", url)


def without_secrets(text: str, *, api_key: str | None, url: str | None) -> str:
    """Foreign text, bounded and without our key and our URL's credentials, which some upstreams repeat."""
    if url:
        text = text.replace(url, masked_url(url))
        credentials = CREDENTIALS.match(url)
        if credentials:
            text = text.replace(credentials[0].removeprefix(credentials[1] or ""), "***@")
    return shortened(text.replace(api_key, "***") if api_key else text)


def retry_after_seconds(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks to wait (a number or a date); None where it says nothing usable."""
    if not header:
        return None
    try:
        seconds = float(header) if not header[:1].isalpha() else _seconds_until(header)
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def loads(text: bytes) -> object:
    """Parsed JSON. Raises MalformedAnswer."""
    try:
        found: object = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise MalformedAnswer(
            f"The upstream sent {shortened(text[:200].decode('utf-8', 'replace'))!r}, no JSON."
        ) from exc
    return found


def _seconds_until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()


def _mapping(found: object, *, what: str) -> Mapping[str, object]:
    if not isinstance(found, Mapping):
        raise MalformedAnswer(f"The upstream's {what} is no JSON object but {type(found).__name__}.")
    return found


def _choices(answer: Mapping[str, object]) -> Sequence[object]:
    choices = answer.get("choices")
    return choices if isinstance(choices, list | tuple) else ()


def _first_choice(answer: Mapping[str, object]) -> Mapping[str, object] | None:
    choices = _choices(answer)
    return _mapping(choices[0], what="choice") if choices else None


def _text(content: object) -> str:
    if content is None:
        return ""
    if not isinstance(content, str):
        raise MalformedAnswer(f"The content is no text but {type(content).__name__}.")
    return content


def _count(found: object) -> int | None:
    is_count = isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= TOKENS_LIMIT
    return found if is_count and isinstance(found, int) else None


def _short(found: object) -> str:
    return found[:UPSTREAM_TEXT_LIMIT] if isinstance(found, str) else ""


def _logprobs(choice: Mapping[str, object]) -> list[float]:
    found = [token.get("logprob") for token in _tokens(choice)]
    return [float(value) for value in found if isinstance(value, int | float)]


def _top_logprobs(choice: Mapping[str, object]) -> list[dict[str, float]]:
    """One mapping a token: the likeliest tokens' texts and natural logs."""
    return [
        {
            str(each.get("token", "")): float(value)
            for each in tops
            if isinstance(each, Mapping) and isinstance(value := each.get("logprob"), int | float)
        }
        for token in _tokens(choice)
        if isinstance(tops := token.get("top_logprobs"), Sequence)
    ]


def _tokens(choice: Mapping[str, object]) -> list[Mapping[str, object]]:
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    return [token for token in tokens if isinstance(token, Mapping)] if isinstance(tokens, Sequence) else []
