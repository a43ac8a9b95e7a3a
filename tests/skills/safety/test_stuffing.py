"""The penalty for text written to be found."""

from __future__ import annotations

from skills.safety.stuffing import heading_penalty, stuffing_penalty

PROSE = (
    "Merges, splits and rotates documents. Ask for the input files, check that each can be opened, then run the "
    "command and show where the result lies. Warn before an existing file would be replaced."
)


def test_prose_has_no_penalty() -> None:
    assert stuffing_penalty(PROSE) == 0.0
    assert stuffing_penalty("") == 0.0


def test_repeated_term_has_the_full_penalty() -> None:
    assert stuffing_penalty("invoice " * 60) == 1.0


def test_clean_beginning_does_not_hide_a_stuffed_end() -> None:
    assert stuffing_penalty(PROSE * 20 + " pdf invoice scanner" * 60) > 0.5


def test_longer_list_of_terms_has_a_higher_penalty() -> None:
    def listed(count: int) -> str:
        return ", ".join(f"{chr(97 + i // 26)}{chr(97 + i % 26)}xy" for i in range(count))

    assert stuffing_penalty(listed(30)) == 0.0
    assert 0.0 < stuffing_penalty(listed(80)) < stuffing_penalty(listed(119)) < 1.0


def test_repetition_in_a_heading_counts_in_any_order() -> None:
    words = ["monthly", "revenue", "chart", "region", "sales", "csv", "analyse", "plot", "export"]
    assert heading_penalty(" ".join(words * 4)) == 1.0
    assert heading_penalty(" ".join(words[shift:][0] for shift in range(9) for _ in range(4))) > 0.9
    assert heading_penalty(" ".join(words)) == heading_penalty(PROSE) == 0.0
