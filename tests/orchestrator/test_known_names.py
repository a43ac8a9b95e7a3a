"""Names that few newcomers are compared with: fewer are folded, and none that passes for one of them is missed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.known_names import FEW, known_names
from skills.safety.impersonation import KnownNames

NAMES = ["pdf-tools", "github-review", "unit-tests", "modern-clock", "vvide-view", "données", "a", "ic-click", "x" * 80]


@pytest.mark.parametrize(
    "newcomer", ["pdf-t00ls", "рdf-tools", "github_review", "unlt-tests", "rnodern-clock", "wide-view"]
)
def test_who_passes_for_a_known_name_is_found_as_among_all(newcomer: str) -> None:
    few, every = known_names(NAMES, [newcomer]), KnownNames(NAMES)
    assert few.looking_like(newcomer) == every.looking_like(newcomer)
    assert few.near(newcomer) == every.near(newcomer)
    assert few.looking_like(newcomer) | few.near(newcomer)
    assert few.names == every.names


@given(st.text(alphabet="rnmvwcld1l0io-_ é", min_size=1, max_size=12), st.data())
def test_no_look_alike_is_missed_whatever_the_names_are(newcomer: str, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.text(alphabet="rnmvwcld1l0io-_ é", min_size=1, max_size=14), max_size=6))
    few, every = known_names([*NAMES, *names], [newcomer]), KnownNames([*NAMES, *names])
    assert few.looking_like(newcomer) == every.looking_like(newcomer)
    assert few.near(newcomer) == every.near(newcomer)


def test_many_newcomers_are_compared_with_all() -> None:
    assert known_names(NAMES, [f"name {n}" for n in range(FEW + 1)]).near("github_review") == {"github-review"}
