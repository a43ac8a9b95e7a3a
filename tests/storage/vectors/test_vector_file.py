"""A long file of vectors is read in pieces."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np

from storage.vectors.vector_file import VectorFile, text_digest

RECORDS = 20_000
DIMENSION = 96
MOST_BYTES = 8_000_000  # above the rows asked for; the file has 8.3 MB


def test_reading_takes_the_rows_asked_for_and_one_piece_of_the_file(tmp_path: Path) -> None:
    digests = [text_digest(str(number)) for number in range(RECORDS)]
    vectors = np.arange(RECORDS * DIMENSION, dtype=np.float32).reshape(RECORDS, DIMENSION)
    file = VectorFile(tmp_path / "v", DIMENSION)
    file.append(digests, vectors)
    wanted = {digest: row for row, digest in enumerate(digests[::1000])}
    rows = np.empty((len(wanted), DIMENSION), dtype=np.float32)
    tracemalloc.start()
    found = file.read_into(rows, wanted)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == set(wanted)
    np.testing.assert_array_equal(rows, vectors[::1000])
    assert peak < MOST_BYTES
    assert set(file.read([digests[5], text_digest("unknown")])) == {digests[5]}
