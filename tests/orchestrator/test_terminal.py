"""What the commands print."""

from __future__ import annotations

import pytest

from orchestrator.terminal import say_table


def test_control_characters_of_strangers_do_not_get_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(["workflow"], [["w\x1b[31mred\x07\x9b2J\u202e"], ["two\nlines"]])
    printed = capsys.readouterr().out
    assert r"w\x1b[31mred\x07\x9b2J\u202e" in printed
    assert [line.strip() for line in printed.splitlines()][-2:] == ["two", "lines"]
