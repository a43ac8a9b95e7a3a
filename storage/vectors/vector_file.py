"""Vectors kept on disk by the digests of the texts they stand for, so that each text is encoded once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from storage.errors import InvalidInput

DIGEST_BYTES = 16
RECORDS_AT_ONCE = 4_096  # read: a few megabytes, however long the file
Vectors = NDArray[np.float32]


def text_digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


class VectorFile:
    """An append-only file of records of one length: digest, vector, checksum of both.

    A record that a crash cut short is cut off by the next writer; one whose checksum is wrong is not believed, and
    its text is encoded and appended again (of two records the later one counts). Writers wait for each other.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        self._dimension = dimension
        self._record = np.dtype([("digest", f"V{DIGEST_BYTES}"), ("vector", "<f4", (dimension,)), ("checksum", "<u4")])

    @classmethod
    def of(cls, encoder: str, dimension: int, cache_dir: Path) -> VectorFile:
        """The file of this encoder: its name, readable, and a digest of it that tells like names apart."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", encoder)[:60]
        name = f"{readable}-{dimension}-{text_digest(encoder).hex()[:8]}.vectors"
        return cls(cache_dir / name, dimension)

    def read(self, wanted: Collection[bytes]) -> dict[bytes, Vectors]:
        """Digest to vector, of those that are wanted, here and sound. Raises InvalidInput."""
        digests = sorted(set(wanted))
        vectors = np.empty((len(digests), self._dimension), dtype=np.float32)
        found = self.read_into(vectors, {digest: place for place, digest in enumerate(digests)})
        return {digest: vectors[place] for place, digest in enumerate(digests) if digest in found}

    def read_into(self, rows: NDArray[np.floating], digest_to_row: Mapping[bytes, int]) -> set[bytes]:
        """Writes each vector that is here and sound to its row; says which were. Memory: `rows` and little else.

        Raises InvalidInput.
        """
        found: set[bytes] = set()
        for records in self._chunks():
            for place, digest in enumerate(records["digest"].tolist()):
                row = digest_to_row.get(digest)
                if row is not None and crc32(records[place : place + 1].tobytes()[:-4]) == records["checksum"][place]:
                    rows[row] = records["vector"][place]
                    found.add(digest)
        return found

    def append(self, digests: Sequence[bytes], vectors: NDArray[np.floating]) -> None:
        """Raises InvalidInput where the folder takes no file."""
        records = np.zeros(len(digests), dtype=self._record)
        records["digest"] = np.array(digests, dtype=f"V{DIGEST_BYTES}")
        records["vector"] = vectors
        records["checksum"] = [crc32(records[place : place + 1].tobytes()[:-4]) for place in range(len(records))]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")), self.path.open("ab") as stream:
                stream.truncate(stream.tell() - stream.tell() % self._record.itemsize)
                stream.write(records.tobytes())
        except OSError as exc:
            raise self._unusable(exc) from exc

    def _chunks(self) -> Iterator[NDArray[np.void]]:
        size = self._record.itemsize
        try:
            if not self.path.exists():
                return
            with self.path.open("rb") as stream:
                while whole := len(content := stream.read(RECORDS_AT_ONCE * size)) // size:
                    yield np.frombuffer(content, dtype=self._record, count=whole)
        except OSError as exc:
            raise self._unusable(exc) from exc

    def _unusable(self, exc: OSError) -> InvalidInput:
        return InvalidInput(f"Vectors cannot be kept in {str(self.path)!r}: {exc}; name another folder.", field="cache")
