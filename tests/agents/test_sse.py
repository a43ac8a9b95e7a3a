"""Server-sent events in any pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sse import EventReader, EventTooLong

STREAM = (
    "\ufeffdata: one\r\n\r\n: a comment\ndata: two\ndata:  lines\nid: 3\n\n\n\nevent: x\r\rdata:drei ü\r\rdata: cut"
).encode()
EVENTS = ["one", "two\n lines", "drei ü"]


def test_all_line_ends_comments_and_several_data_lines_are_understood() -> None:
    assert EventReader().feed(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM))))
def test_events_do_not_depend_on_where_the_bytes_are_split(places: list[int]) -> None:
    reader, ends = EventReader(), sorted({0, len(STREAM), *places})
    pieces = [STREAM[start:end] for start, end in pairwise(ends)]
    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS


def test_a_carriage_return_at_the_end_of_a_piece_may_be_half_a_line_end() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\r") == []
    assert reader.feed(b"\ndata: b\r") == []
    assert reader.feed(b"\n\r\n") == ["a\nb"]


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 200, b"data: xxxxxxxx\n" * 20, b"data: " + b"x" * 200 + b"\n\n"])
def test_an_endless_event_is_refused(piece: bytes) -> None:
    with pytest.raises(EventTooLong, match="longer than 100 bytes"):
        EventReader(limit_bytes=100).feed(piece)


@given(st.binary())
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    assert all(isinstance(event, str) for event in EventReader().feed(noise))
