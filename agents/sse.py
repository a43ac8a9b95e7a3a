"""Takes server-sent events out of bytes that arrive in any pieces; knows nothing of what the events say."""

from __future__ import annotations

EVENT_BYTES_LIMIT = 1024 * 1024


class EventTooLong(ValueError):
    """One event is longer than the limit."""


class EventReader:
    """Feed it bytes, get the `data` of each event that is complete.

    Follows the event stream format of the HTML standard: lines end in LF, CR or CRLF, comments start with a colon,
    several data lines are joined by LF, an event ends at an empty line and one without data is none.
    """

    def __init__(self, *, limit_bytes: int = EVENT_BYTES_LIMIT) -> None:
        self._limit_bytes = limit_bytes
        self._rest = b""  # the line under way
        self._data: list[str] = []
        self._data_bytes = 0
        self._is_first_line = True

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that end in this piece. Raises EventTooLong."""
        text = self._rest + piece
        # a CR at the very end may be the first half of a CRLF: it waits for the next piece
        held = b"\r" if text.endswith(b"\r") else b""
        text = text.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, last = text.split(b"\n")
        self._rest = last + held
        if len(self._rest) + self._data_bytes > self._limit_bytes:
            raise EventTooLong(f"An event is longer than {self._limit_bytes} bytes.")
        events = (self._read_line(line) for line in lines)
        return [event for event in events if event is not None]

    def _read_line(self, line: bytes) -> str | None:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            return self._end_event()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data_bytes += len(value)
            if self._data_bytes > self._limit_bytes:
                raise EventTooLong(f"An event is longer than {self._limit_bytes} bytes.")
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        return None

    def _end_event(self) -> str | None:
        data, self._data, self._data_bytes = self._data, [], 0
        return "\n".join(data) if data else None
