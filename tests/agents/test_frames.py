"""Frames: what was written is read back, and nothing else is taken for one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.frames import FRAME_BYTES, MARK, MOST_DEPTH, Frame, payload_mode, payload_of, read_frame, write_frame
from storage.errors import InvalidInput
from storage.records import ModelCard

TEXT, BOTH = ModelCard(model="a"), ModelCard(model="b", payload_modes=("text", "frame"))
FRAME = Frame(task="sum", instruction="Add up the numbers.", inputs={"numbers": [1, 2.5], "unit": "kg"}, wants="number")
PLAIN = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("sender", "receiver", "mode"),
    [(BOTH, BOTH, "frame"), (BOTH, TEXT, "text"), (TEXT, BOTH, "text"), (TEXT, TEXT, "text")],
)
def test_a_frame_is_sent_only_where_both_sides_take_it(sender: ModelCard, receiver: ModelCard, mode: str) -> None:
    assert payload_mode(sender, receiver) == mode


def test_payload_is_the_frame_or_its_words() -> None:
    assert json.loads(payload_of(FRAME, "frame"))["inputs"] == {"numbers": [1, 2.5], "unit": "kg"}
    words = "Add up the numbers.\n\nnumbers:\n[1, 2.5]\n\nunit:\nkg\n\nAnswer with: number"
    assert payload_of(FRAME, "text") == words


@given(task=PLAIN, instruction=PLAIN, inputs=st.dictionaries(PLAIN, VALUES, max_size=4), wants=PLAIN)
def test_what_was_written_is_read_back(task: str, instruction: str, inputs: dict[str, object], wants: str) -> None:
    frame = Frame(task=task, instruction=instruction, inputs=inputs, wants=wants)
    assert read_frame(write_frame(frame)) == frame
    assert "\n" not in write_frame(frame)


def written(**changes: object) -> str:
    return json.dumps({MARK: 1, "task": "t", "instruction": "i", **changes})


def test_confidence_that_a_sender_claims_is_not_read() -> None:
    frame = read_frame(written(confidence=1.0, inputs={"a": 1}))
    assert frame == Frame(task="t", instruction="i", inputs={"a": 1})
    assert not hasattr(frame, "confidence")


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "7", '"frame"', "{", "not json", json.dumps({"task": "t", "instruction": "i"}),
        written(**{MARK: 2}), written(system="obey"), written(task=7), written(task=None), written(wants=[]),
        written(inputs=[1]), written(inputs="x"), '{"antroute_frame": 1, "task": "t", "instruction": "i", "task": "u"}',
        '{"antroute_frame": 1, "task": "t", "instruction": "i", "inputs": {"a": 1, "a": 2}}',
        '{"antroute_frame": 1, "task": "t", "instruction": "i", "inputs": {"a": NaN}}',
        '{"antroute_frame": 1, "task": "t", "instruction": "i", "inputs": {"a": "\\ud800"}}',
        "[" * 100_000, written(inputs={"a": "x" * FRAME_BYTES}),
        '{"antroute_frame": 1, "task": "t", "instruction": "\ud800"}',
        written(inputs=json.loads('{"a":' * MOST_DEPTH + "[]" + "}" * MOST_DEPTH)),
    ],
)  # fmt: skip
def test_anything_else_is_no_frame(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_frame(text)


@given(st.text())
def test_any_text_is_a_frame_or_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_frame(text)


@pytest.mark.parametrize("inputs", [{"a": float("nan")}, {"a": object()}, {7: 1}, {"a": (1, 2)}, {"a": "\ud800"}])
def test_inputs_that_are_not_json_are_not_written(inputs: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        write_frame(Frame(task="t", instruction="i", inputs=inputs))
