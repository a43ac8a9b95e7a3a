"""Vectors of many texts, kept on disk by the texts' digests so that each text is encoded once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from skills.encoder import Encoder
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput
from storage.vectors.vector_file import VectorFile, Vectors, text_digest

MOST_THREADS = 8  # an encoder runs on one thread each time it is called
BATCH = 128  # texts between two writes and two words of progress


def embed(
    texts: Sequence[str], encoder: Encoder, *, cache_dir: Path | None, on_progress: Progress = no_progress
) -> Vectors:
    """One row a text: the vector of the text, length one. `cache_dir` None: nothing is kept.

    What is encoded is kept at once: a run that breaks off goes on where it stopped. Raises EncoderUnavailable, and
    InvalidInput where the cache's folder cannot be used.
    """
    digest_to_text = {text_digest(text): text for text in texts}
    digest_to_row = {digest: row for row, digest in enumerate(digest_to_text)}
    vectors = np.empty((len(digest_to_row), encoder.dimension), dtype=np.float32)
    file = None if cache_dir is None else VectorFile.of(encoder.name, encoder.dimension, cache_dir)
    known = set() if file is None else file.read_into(vectors, digest_to_row)
    unknown = sorted((d for d in digest_to_text if d not in known), key=lambda d: (len(digest_to_text[d]), d))
    batches = [unknown[first : first + BATCH] for first in range(0, len(unknown), BATCH)]
    done = 0
    with ThreadPoolExecutor(max_workers=min(MOST_THREADS, os.cpu_count() or 1)) as threads:
        found = threads.map(lambda batch: _encoded(encoder, [digest_to_text[digest] for digest in batch]), batches)
        for batch, encoded in zip(batches, found, strict=True):
            vectors[[digest_to_row[digest] for digest in batch]] = encoded
            if file is not None:
                file.append(batch, encoded)
            done += len(batch)
            on_progress(done, len(unknown), "encoding texts")
    if len(texts) == len(vectors):
        return vectors  # each text once, in this order
    return vectors[[digest_to_row[text_digest(text)] for text in texts]]


def _encoded(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    vectors = encoder.encode(texts)
    if vectors.shape != (len(texts), encoder.dimension) or not np.isfinite(vectors).all():
        raise InvalidInput(
            f"Encoder {encoder.name!r} gave vectors of shape {vectors.shape} or not finite ones for {len(texts)} texts;"
            f" {encoder.dimension} finite numbers a text would be right.",
            field="encoder",
        )
    return vectors
