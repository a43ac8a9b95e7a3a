"""Payloads between agents: text, or a semantic frame (JSON) where both sides take it (LDP's payload modes 0 and 1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.errors import InvalidInput
from storage.provenance import PayloadMode
from storage.records import ModelCard

FRAME_BYTES = 64 * 1024
MOST_DEPTH = 16  # of the values inside
MARK = "antroute_frame"
VERSION = 1
FIELDS = ("task", "instruction", "inputs", "wants")
UNHEEDED = ("confidence",)  # what a sender thinks of its own work is read by nobody


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One request or answer, field by field. Whoever reads one treats `inputs` as data, never as instructions."""

    task: str  # the kind of work, in one word
    instruction: str
    inputs: Mapping[str, Any] = field(default_factory=dict)  # JSON values by name
    wants: str = "text"  # what the answer shall be


def payload_mode(sender: ModelCard, receiver: ModelCard) -> PayloadMode:
    """`frame` where both sides take it, else `text`, which everybody takes."""
    return "frame" if "frame" in sender.payload_modes and "frame" in receiver.payload_modes else "text"


def payload_of(frame: Frame, mode: PayloadMode) -> str:
    """The frame as it is sent. Raises InvalidInput for one that is too large, too deep or not JSON."""
    written = write_frame(frame)
    if mode == "frame":
        return written
    inputs = [f"{name}:\n{_text(value)}" for name, value in frame.inputs.items()]
    wants = [] if frame.wants == "text" else [f"Answer with: {frame.wants}"]
    return "\n\n".join([frame.instruction, *inputs, *wants])


def write_frame(frame: Frame) -> str:
    """One line of JSON; the same frame is always the same text. Raises InvalidInput."""
    plain = {MARK: VERSION, **{name: getattr(frame, name) for name in FIELDS}, "inputs": dict(frame.inputs)}
    try:
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidInput(f"The frame cannot be written as JSON: {exc}.", field="inputs") from exc
    if read_frame(text) != frame:
        raise InvalidInput("The frame's inputs are not plain JSON values by name.", field="inputs")
    return text


def read_frame(text: str) -> Frame:
    """Undo of `write_frame`, for a text that anybody may have written.

    Raises InvalidInput for anything else: other keys, a key twice, NaN, too many bytes, values too deep, half a
    surrogate pair.
    """
    try:
        size = len(text.encode())
        if size > FRAME_BYTES:
            raise InvalidInput(f"The frame has {size} bytes; at most {FRAME_BYTES} are taken.", field="frame")
        plain = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
        if not isinstance(plain, dict) or plain.pop(MARK, None) != VERSION:
            raise InvalidInput(f"This is no frame: an object with {MARK!r}: {VERSION} would be right.", field="frame")
        for name in UNHEEDED:
            plain.pop(name, None)
        if foreign := sorted(set(plain) - set(FIELDS)):
            raise InvalidInput(f"A frame has no {foreign[0]!r:.80}; known: {', '.join(FIELDS)}.", field="frame")
        return _checked(plain)
    except (ValueError, RecursionError) as exc:  # a UnicodeError is a ValueError
        raise InvalidInput(f"This is no frame: {str(exc)[:200]}.", field="frame") from exc


def _checked(plain: dict[str, Any]) -> Frame:
    for name in ("task", "instruction", "wants"):
        if not isinstance(plain.get(name, "text" if name == "wants" else None), str):
            raise InvalidInput(f"The frame's {name} is {plain.get(name)!r:.80}; text would be right.", field=name)
    inputs = plain.get("inputs", {})
    if not isinstance(inputs, dict) or _depth(inputs) > MOST_DEPTH:
        raise InvalidInput(f"The frame's inputs are no object of at most {MOST_DEPTH} levels.", field="inputs")
    json.dumps(inputs, ensure_ascii=False).encode()  # half a surrogate pair may come in by an escape
    return Frame(**plain)


def _depth(value: object) -> int:
    """Levels of lists and objects."""
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
