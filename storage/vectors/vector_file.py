"""Vectors kept on disk by the digests of the texts they stand for, so that each text is encoded once."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from storage.errors import InvalidInput

DIGEST_BYTES = 16
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
        self._record = np.dtype([("digest", f"V{DIGEST_BYTES}"), ("vector", "<f4", (dimension,)), ("checksum", "<u4")])

    @classmethod
    def of(cls, encoder: str, dimension: int, cache_dir: Path) -> VectorFile:
        """The file of this encoder: its name, readable, and a digest of it that tells like names apart."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", encoder)[:60]
        name = f"{readable}-{dimension}-{text_digest(encoder).hex()[:8]}.vectors"
        return cls(cache_dir / name, dimension)

    def read(self, wanted: Collection[bytes]) -> dict[bytes, Vectors]:
        """Digest to vector, of those that are wanted, here and sound. Raises InvalidInput."""
        size = self._record.itemsize
        try:
            count = self.path.stat().st_size // size if self.path.exists() else 0
            records = np.fromfile(self.path, dtype=self._record, count=count) if count else self._empty(0)
        except OSError as exc:
            raise self._unusable(exc) from exc
        asked = set(wanted)
        return {
            digest: records["vector"][place]
            for place, digest in enumerate(records["digest"].tolist())
            if digest in asked and crc32(records[place : place + 1].tobytes()[:-4]) == records["checksum"][place]
        }

    def append(self, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Raises InvalidInput where the folder takes no file."""
        records = self._empty(len(digests))
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

    def _empty(self, count: int) -> NDArray[np.void]:
        return np.zeros(count, dtype=self._record)

    def _unusable(self, exc: OSError) -> InvalidInput:
        return InvalidInput(f"Vectors cannot be kept in {str(self.path)!r}: {exc}; name another folder.", field="cache")
