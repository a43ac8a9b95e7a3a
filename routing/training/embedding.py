"""Vectors of a data set's texts, kept on disk by the texts' digests so that each text is encoded once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from routing.base import Encoder
from routing.dataset import Dataset, Progress, no_progress
from routing.features import excerpt
from routing.forecasts import Inputs
from storage.errors import InvalidInput

MOST_THREADS = 8  # an encoder runs on one thread each time it is called
BATCH = 128  # texts between two writes and two words of progress
DIGEST_BYTES = 16
Vectors = NDArray[np.float32]


def inputs_of(
    data: Dataset, encoder: Encoder, *, cache_dir: Path | None, on_progress: Progress = no_progress
) -> Inputs:
    """What predictors see of the data's queries, in its order."""
    vectors = embed(data.texts, encoder, cache_dir=cache_dir, on_progress=on_progress)
    return Inputs(texts=data.texts, embeddings=vectors, tasks=data.tasks)


def embed(
    texts: Sequence[str], encoder: Encoder, *, cache_dir: Path | None, on_progress: Progress = no_progress
) -> Vectors:
    """One row a text: the vector of `excerpt(text)`, length one. `cache_dir` None: nothing is kept.

    What is encoded is kept at once: a run that breaks off goes on where it stopped. Raises EncoderUnavailable, and
    InvalidInput where the cache's folder cannot be used.
    """
    excerpts = {_digest(read): read for read in map(excerpt, texts)}
    file = None if cache_dir is None else VectorFile.of(encoder, cache_dir)
    digest_to_vector = {} if file is None else file.read(excerpts)
    unknown = sorted((d for d in excerpts if d not in digest_to_vector), key=lambda d: (len(excerpts[d]), d))
    batches = [unknown[first : first + BATCH] for first in range(0, len(unknown), BATCH)]
    done = 0
    with ThreadPoolExecutor(max_workers=min(MOST_THREADS, os.cpu_count() or 1)) as threads:
        found = threads.map(lambda batch: _encoded(encoder, [excerpts[digest] for digest in batch]), batches)
        for batch, vectors in zip(batches, found, strict=True):
            digest_to_vector |= dict(zip(batch, vectors, strict=True))
            if file is not None:
                file.append(batch, vectors)
            done += len(batch)
            on_progress(done, len(unknown), "encoding texts")
    rows = [digest_to_vector[_digest(excerpt(text))] for text in texts]
    return np.stack(rows) if rows else np.zeros((0, encoder.dimension), dtype=np.float32)


class VectorFile:
    """An append-only file of records of one length: digest, vector, checksum of both.

    A record that a crash cut short is cut off by the next writer; one whose checksum is wrong is not believed, and
    its text is encoded and appended again (of two records the later one counts). Writers wait for each other.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        self._record = np.dtype([("digest", f"V{DIGEST_BYTES}"), ("vector", "<f4", (dimension,)), ("checksum", "<u4")])

    @classmethod
    def of(cls, encoder: Encoder, cache_dir: Path) -> VectorFile:
        """The file of this encoder: its name, readable, and a digest of it that tells like names apart."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", encoder.name)[:60]
        name = f"{readable}-{encoder.dimension}-{_digest(encoder.name).hex()[:8]}.vectors"
        return cls(cache_dir / name, encoder.dimension)

    def read(self, wanted: Sequence[bytes] | dict[bytes, str]) -> dict[bytes, Vectors]:
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


def _encoded(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    vectors = encoder.encode(texts)
    if vectors.shape != (len(texts), encoder.dimension) or not np.isfinite(vectors).all():
        raise InvalidInput(
            f"Encoder {encoder.name!r} gave vectors of shape {vectors.shape} or not finite ones for {len(texts)} texts;"
            f" {encoder.dimension} finite numbers a text would be right.",
            field="encoder",
        )
    return vectors


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
