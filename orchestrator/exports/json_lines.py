"""A JSON object a line."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import BinaryIO

import orjson

from orchestrator.exports.records import Row
from orchestrator.views import plain


class JsonLines:
    """See `Sheet`. Records are written field by field, money as a text, a time as ISO 8601, a lone surrogate as `?`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, rows: Sequence[Row]) -> None:
        self._file.write(b"".join(_line(row) for row in rows))

    def close(self) -> None:
        """Nothing waits."""


def _line(row: Row) -> bytes:
    try:
        return orjson.dumps(row, default=_plain, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a text that is no UTF-8
        return orjson.dumps(_mended(plain(row)), option=orjson.OPT_APPEND_NEWLINE)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _mended(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_mended(key): _mended(inner) for key, inner in value.items()}
    return [_mended(inner) for inner in value] if isinstance(value, list | tuple) else value
