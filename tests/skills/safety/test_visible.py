"""Invisible characters written out."""

from __future__ import annotations

from skills.safety.visible import excerpt_of, visible


def test_invisible_and_direction_changing_characters_are_written_out() -> None:
    assert visible("a\u200bb\u202ec\U000e0041") == "a⟨U+200B⟩b⟨U+202E⟩c⟨U+E0041⟩"


def test_escape_sequences_cannot_reach_the_terminal() -> None:
    assert visible("\x1b[2K") == "⟨U+001B⟩[2K"


def test_ordinary_text_of_any_script_stays_as_it_is() -> None:
    for text in ("plain\ttext\n", "café μs", "отчёты", "文書", "مرحبا", "👨\u200d👩\u200d👧"):
        assert visible(text) == text


def test_excerpt_is_one_short_line() -> None:
    assert excerpt_of("a\nb  c", 0, 6) == "a b c"
    assert len(excerpt_of("x" * 1000, 0, 1000)) == 80
