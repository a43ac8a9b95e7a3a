"""What the commands print."""

from __future__ import annotations

import pytest

from orchestrator.terminal import say_answer, say_table


def test_control_characters_of_strangers_do_not_get_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(["workflow"], [["w\x1b[31mred\x07\x9b2J\u202e"], ["two\nlines"]])
    printed = capsys.readouterr().out
    assert r"w\x1b[31mred\x07\x9b2J\u202e" in printed
    assert [line.strip() for line in printed.splitlines()][-2:] == ["two", "lines"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_answer_is_harmless_on_a_terminal_and_unchanged_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    answer = "Lima\n\tis \x1b]0;mine\x07\x1b[2Jthe capital.\r\u202e"
    say_answer(answer)
    shown = "Lima\n\tis \\x1b]0;mine\\x07\\x1b[2Jthe capital.\\r\\u202e"
    assert capsys.readouterr().out == f"{shown if is_terminal else answer}\n"
