"""Vectors on disk: each text is encoded once, whatever happened to the file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from routing.encoders.hashing import HashingEncoder
from routing.features import excerpt
from routing.training.embedding import inputs_of
from skills.embedding import embed
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset

TEXTS = [f"the {word} of number {place}" for place, word in enumerate(["abc", "defg", "hijkl", "mno"] * 80)]
TWO_AT_ONCE = """
import sys
from pathlib import Path
from routing.encoders.hashing import HashingEncoder
from skills.embedding import embed
texts = [f"text {place} of {sys.argv[2]}" for place in range(1500)]
embed(texts, HashingEncoder(dimension=32), cache_dir=Path(sys.argv[1]))
"""


class CountingEncoder:
    """Hashes, and counts what it is asked."""

    def __init__(self, *, dimension: int = 16, name: str = "counting") -> None:
        self._encoder = HashingEncoder(dimension=dimension)
        self.dimension = dimension
        self.name = name
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return self._encoder.encode(texts)


def kept(folder: Path) -> Path:
    (file,) = folder.glob("*.vectors")
    return file


def test_text_is_encoded_once_even_over_processes(tmp_path: Path) -> None:
    first, second = CountingEncoder(), CountingEncoder()
    vectors = embed([*TEXTS, TEXTS[0]], first, cache_dir=tmp_path)
    assert sorted(first.asked) == sorted(set(TEXTS))
    np.testing.assert_array_equal(embed([*TEXTS, TEXTS[0]], second, cache_dir=tmp_path), vectors)
    assert second.asked == []
    np.testing.assert_array_equal(vectors, HashingEncoder(dimension=16).encode([*TEXTS, TEXTS[0]]))


def test_only_the_excerpt_of_a_long_query_counts(tmp_path: Path) -> None:
    encoder = CountingEncoder()
    data = replace(small_dataset(queries=1), texts=("a" * 5000,))
    inputs_of(data, encoder, cache_dir=tmp_path)
    assert encoder.asked == [excerpt("a" * 5000)]


@pytest.mark.parametrize("cut", [1, 7, 84, 85])
def test_file_that_was_cut_off_is_healed(tmp_path: Path, cut: int) -> None:
    vectors = embed(TEXTS, CountingEncoder(), cache_dir=tmp_path)
    file = kept(tmp_path)
    file.write_bytes(file.read_bytes()[:-cut])
    healing, after = CountingEncoder(), CountingEncoder()
    np.testing.assert_array_equal(embed(TEXTS, healing, cache_dir=tmp_path), vectors)
    assert 1 <= len(healing.asked) <= 2
    np.testing.assert_array_equal(embed(TEXTS, after, cache_dir=tmp_path), vectors)
    assert after.asked == []


@pytest.mark.parametrize("place", [0, 16, 40, 83])
def test_record_with_a_wrong_byte_is_not_believed(tmp_path: Path, place: int) -> None:
    """In a digest, a vector or a checksum."""
    vectors = embed(TEXTS, CountingEncoder(), cache_dir=tmp_path)
    file = kept(tmp_path)
    content = bytearray(file.read_bytes())
    content[3 * 84 + place] ^= 0x40
    file.write_bytes(content)
    healing, after = CountingEncoder(), CountingEncoder()
    np.testing.assert_array_equal(embed(TEXTS, healing, cache_dir=tmp_path), vectors)
    assert len(healing.asked) == 1
    np.testing.assert_array_equal(embed(TEXTS, after, cache_dir=tmp_path), vectors)
    assert after.asked == []


def test_file_of_something_else_is_no_hindrance(tmp_path: Path) -> None:
    vectors = embed(TEXTS, CountingEncoder(), cache_dir=tmp_path)
    kept(tmp_path).write_bytes(b"not vectors at all" * 100)
    np.testing.assert_array_equal(embed(TEXTS, CountingEncoder(), cache_dir=tmp_path), vectors)
    after = CountingEncoder()
    np.testing.assert_array_equal(embed(TEXTS, after, cache_dir=tmp_path), vectors)
    assert after.asked == []


def test_encoders_do_not_share_vectors(tmp_path: Path) -> None:
    for encoder in (CountingEncoder(name="one/a"), CountingEncoder(name="one_a"), CountingEncoder(dimension=8)):
        assert embed(TEXTS[:4], encoder, cache_dir=tmp_path).shape == (4, encoder.dimension)
        assert len(encoder.asked) == 4


def test_two_processes_may_write_at_once(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", TWO_AT_ONCE, str(tmp_path), name]) for name in ("x", "y")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    texts = [f"text {place} of {name}" for name in ("x", "y") for place in range(1500)]
    encoder = CountingEncoder(dimension=32, name=HashingEncoder(dimension=32).name)
    vectors = embed(texts, encoder, cache_dir=tmp_path)
    assert encoder.asked == []
    np.testing.assert_array_equal(vectors, HashingEncoder(dimension=32).encode(texts))


def test_run_that_breaks_off_keeps_what_it_had(tmp_path: Path) -> None:
    def stop(done: int, total: int, what: str) -> None:
        assert (total, what) == (len(set(TEXTS)), "encoding texts")
        if done > 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(TEXTS, CountingEncoder(), cache_dir=tmp_path, on_progress=stop)
    encoder = CountingEncoder()
    embed(TEXTS, encoder, cache_dir=tmp_path)
    assert len(encoder.asked) < len(TEXTS) - 200


def test_folder_that_takes_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="name another folder"):
        embed(TEXTS, CountingEncoder(), cache_dir=tmp_path / "file")


def test_encoder_that_gives_nonsense_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    class Broken(CountingEncoder):
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return super().encode(texts) * np.float32(np.nan)

    with pytest.raises(InvalidInput, match="finite numbers a text would be right"):
        embed(TEXTS, Broken(), cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_inputs_follow_the_data_and_need_no_cache() -> None:
    data = small_dataset(queries=20)
    inputs = inputs_of(data, CountingEncoder(), cache_dir=None)
    assert (inputs.texts, inputs.tasks) == (data.texts, data.tasks)
    np.testing.assert_array_equal(inputs.embeddings, HashingEncoder(dimension=16).encode(data.texts))
    assert embed([], CountingEncoder(), cache_dir=None).shape == (0, 16)
