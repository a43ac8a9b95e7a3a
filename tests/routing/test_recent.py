"""What was asked last."""

from __future__ import annotations

from routing.recent import Recent


def test_beyond_the_capacity_the_one_asked_longest_ago_goes() -> None:
    recent: Recent[int] = Recent(2)
    recent.remember("a", 1)
    recent.remember("b", 2)
    assert recent.recall("a") == 1
    recent.remember("c", 3)
    assert ("a" in recent, "b" in recent, "c" in recent) == (True, False, True)
    assert recent.recall("b") is None


def test_half_a_surrogate_pair_is_a_text_too() -> None:
    recent: Recent[int] = Recent(2)
    assert recent.remember("\ud800", 1) == 1
    assert "\ud800" in recent
