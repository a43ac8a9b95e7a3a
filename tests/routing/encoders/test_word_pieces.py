"""Word pieces: the same numbers as the library `tokenizers` gives, for words of every script; bounded work."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from routing.encoders.minilm import TOKENIZER_PLACE
from routing.encoders.word_pieces import KEPT_CHARACTERS, WordPieces
from routing.features import TaskCatalog

LIMIT = 128
HELD_OUT = yaml.safe_load((Path(__file__).parents[1] / "data" / "held_out_queries.yaml").read_text(encoding="utf-8"))
OLD_CHARACTERS = st.characters(max_codepoint=0x5FF)  # their kind is the same in every edition of Unicode


def pieces_file() -> Path:
    spec = find_spec(TOKENIZER_PLACE[0])
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / TOKENIZER_PLACE[1]


@pytest.fixture(scope="module")
def ours() -> WordPieces:
    return WordPieces(pieces_file())


@pytest.fixture(scope="module")
def theirs() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(pieces_file()))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LIMIT)
    return tokenizer


def test_queries_get_the_numbers_that_the_library_gives(ours: WordPieces, theirs: Tokenizer) -> None:
    groups = [*HELD_OUT.values(), *TaskCatalog.default().task_to_examples.values()]
    texts = [text for group in groups for text in group]
    assert len(texts) > 150
    assert [ours.ids(text, limit=LIMIT) for text in texts] == [theirs.encode(text).ids for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\r\n ",
        "Ünïcödé ÀÉÎ İstanbul ΣΊΣΥΦΟΣ Größe ﬁ",
        "汉字 and かな, 한국어",
        "مرحبا بالعالم שלום",
        "don't; e.g. $5.00 = 3€ × 2 – “quoted” …",
        "a" * 100 + " " + "a" * 101,
        "unaffable 🦜🦜 \u200b\ufffd\x00\x07 end",
        "word " * 500,
        "x_y==z->{[(1+2)*3]}",
    ],
)
def test_odd_texts_get_the_numbers_that_the_library_gives(text: str, ours: WordPieces, theirs: Tokenizer) -> None:
    assert ours.ids(text, limit=LIMIT) == theirs.encode(text).ids


@given(text=st.text(OLD_CHARACTERS, max_size=200).filter(lambda text: "[" not in text))
def test_any_text_gets_the_numbers_that_the_library_gives(text: str, ours: WordPieces, theirs: Tokenizer) -> None:
    assert ours.ids(text, limit=LIMIT) == theirs.encode(text).ids


def test_special_token_in_a_text_is_plain_text(ours: WordPieces) -> None:
    start, *inside, end = ours.ids("a [SEP] b", limit=LIMIT)
    assert end not in inside
    assert start != end


def test_all_of_unicode_is_read_and_little_of_it_remembered(ours: WordPieces) -> None:
    for first in range(0, 0x110000, 4000):
        assert ours.ids("".join(map(chr, range(first, min(first + 4000, 0x110000)))), limit=LIMIT)
    assert len(ours._cleaned) <= KEPT_CHARACTERS


def test_a_long_text_costs_little_more_than_its_limit(ours: WordPieces) -> None:
    began = time.process_time()
    for text in ("a" * 4000, "!" * 4000, "word " * 800, "汉" * 4000):
        assert len(ours.ids(text, limit=LIMIT)) <= LIMIT
    assert time.process_time() - began < 0.5  # about 15 ms
