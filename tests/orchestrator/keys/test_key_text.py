"""A key's text: its shape, and what is stored of it."""

from __future__ import annotations

import pytest

from orchestrator.keys.key_text import Digester, is_key_text, new_text

GOOD = "ak_" + "aZ0_-" * 8 + "xyz"


def test_text_is_a_prefix_and_43_characters_that_need_no_escaping() -> None:
    texts = {new_text() for _ in range(100)}
    assert len(texts) == 100
    assert all(is_key_text(text) and len(text) == 46 for text in texts)


@pytest.mark.parametrize(
    "text",
    [
        "", "ak_", GOOD[:-1], GOOD + "x", GOOD + "\n", " " + GOOD, GOOD.replace("ak_", "sk_"), "x" * 1_000_000,
        "ak_' OR '1'='1' --" + "x" * 28, "ak_" + "é" * 43, "ak_" + "١" * 43, "ak_" + "\x00" * 43, GOOD[:-1] + "%",
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_key_is_told_from_one_without_a_lookup(text: str) -> None:
    assert is_key_text(GOOD)
    assert not is_key_text(text)


def test_digest_hangs_on_every_bit_of_text_and_secret_and_holds_neither() -> None:
    secret, text = b"s" * 48, GOOD
    digest = Digester(secret).digest(text)
    assert digest == Digester(secret).digest(text)
    assert digest != Digester(b"t" + secret[1:]).digest(text)
    assert digest != Digester(secret).digest(text[:-1] + "w")
    assert len(digest) == 64
    assert text not in digest
