"""Names that pass for another's."""

from __future__ import annotations

import pytest

from skills.safety.impersonation import KnownNames

KNOWN = KnownNames(["pdf-tools", "github-review", "unit-tests"])


@pytest.mark.parametrize("name", ["pdf-t\u043eols", "pdf-too1s", "g\u0456thub-review", "unit\u200b-te\u0455ts"])
def test_name_that_looks_like_a_known_one_is_found(name: str) -> None:
    assert KNOWN.looking_like(name)


@pytest.mark.parametrize("name", ["pdf-tools", "word-tools", "tests"])
def test_other_and_own_names_are_not(name: str) -> None:
    assert not KNOWN.looking_like(name)


@pytest.mark.parametrize("name", ["pdf_tools", "github-reviews", "github-reveiw", "unt-tests"])
def test_name_one_slip_away_is_near(name: str) -> None:
    assert KNOWN.near(name)
