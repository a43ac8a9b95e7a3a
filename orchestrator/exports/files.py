"""A file that is there whole or not at all, and known by its digest."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from storage.errors import InvalidInput

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PART = ".part"


class HashedFile(io.RawIOBase):
    """Passes on what is written, counts it and takes its digest."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._digest = sha256()
        self._bytes = 0
        self._is_cut_off = False

    def cut_off(self) -> None:
        """What a library still writes at its end goes nowhere: a part must not get the footer of a whole."""
        self._is_cut_off = True

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def bytes_written(self) -> int:
        return self._bytes

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._bytes

    def write(self, data: ReadableBuffer, /) -> int:
        piece = bytes(data)
        if self._is_cut_off:
            return len(piece)
        self._file.write(piece)
        self._digest.update(piece)
        self._bytes += len(piece)
        return len(piece)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Written beside the path and put in its place at the end; what broke off leaves nothing there.

    Raises InvalidInput where it cannot be written.
    """
    part = path.with_name(f"{path.name}{PART}")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as exc:
        raise InvalidInput(f"{str(path)!r} cannot be written: {exc}.", field="out") from exc
    finally:
        part.unlink(missing_ok=True)
