"""Features of candidates: each says what its name promises, whatever the order of candidates and pool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skills.base import Provenance, Skill
from skills.index.building import build_index
from skills.index.index import SkillIndex
from skills.ranking.base import Floats, Retrieved
from skills.ranking.features import FEATURES, text_features
from tests.skills.index.pools import CountingEncoder, skills

QUERIES = ["encrypt the password of page 217", "zzz", "m217x", "!?", "deploy-weather", "page " * 1_000]
NAMES = list(FEATURES)


def of(name: str, values: Floats) -> Floats:
    return values[:, NAMES.index(name)]


def made(skill_id: str, name: str, description: str, body: str) -> Skill:
    return Skill(
        id=skill_id,
        name=name,
        description=description,
        body=body,
        provenance=Provenance(source="made", sha256="", license="MIT"),
    )


WORDS = [f"{first}{second}" for first in ("bak", "lor", "mun", "tef", "vig", "zod") for second in ("ano", "ile", "ure")]


def opened(folder: Path, pool: list[Skill]) -> SkillIndex:
    build_index(pool, folder, encoder=CountingEncoder())
    return SkillIndex.open(folder, encoder=CountingEncoder())


def by_id(found: Retrieved) -> dict[str, Floats]:
    cards = [found.index.cards[row].skill_id for row in found.rows.tolist()]
    return dict(zip(cards, text_features(found), strict=True))


def picked(found: Retrieved, kept: list[int]) -> Retrieved:
    return replace(
        found,
        rows=found.rows[kept],
        lexical=found.lexical[kept],
        dense=found.dense[kept],
        similarities=found.similarities[kept],
        fused=found.fused[kept],
        field_counts={name: counts[kept] for name, counts in found.field_counts.items()},
        learned=None if found.learned is None else found.learned[kept],
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SkillIndex:
    bare = [made(f"bare-{place}", f"bare {place}", "", "") for place in range(5)]
    return opened(tmp_path_factory.mktemp("index"), [*skills(300), *bare])


@pytest.mark.parametrize("text", QUERIES)
def test_features_are_finite_and_their_number_is_known(index: SkillIndex, text: str) -> None:
    (found,) = index.retrieve([text], candidates=305)
    values = text_features(found)
    assert values.shape == (305, len(FEATURES))
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("text", QUERIES)
def test_few_candidates_have_features_too(index: SkillIndex, text: str, count: int) -> None:
    values = text_features(picked(index.retrieve([text])[0], list(range(count))))
    assert values.shape == (count, len(FEATURES))
    assert np.isfinite(values).all()


@pytest.mark.parametrize("text", QUERIES)
def test_order_of_candidates_does_not_matter(index: SkillIndex, text: str) -> None:
    (found,) = index.retrieve([text], candidates=40)
    order = np.random.default_rng(0).permutation(40)
    other = text_features(picked(found, order.tolist()))
    np.testing.assert_allclose(text_features(found)[order], other, rtol=1e-3, atol=1e-4)


def test_order_of_the_pool_does_not_matter(index: SkillIndex, tmp_path: Path) -> None:
    pool = index.arrays.documents(np.arange(305))
    turned = opened(tmp_path, pool[::-1])
    for text in QUERIES[:3]:
        one, other = (by_id(each.retrieve([text], candidates=305)[0]) for each in (index, turned))
        assert one.keys() == other.keys()
        for skill_id, values in one.items():
            np.testing.assert_allclose(values, other[skill_id], rtol=1e-3, atol=2e-3)


def test_words_near_to_one_another_show(tmp_path: Path) -> None:
    filler = " ".join(WORDS * 5)
    near = made("near", "one", "x", f"{filler}\nconvert foreign currency\n{filler}")
    far = made("far", "two", "x", f"{filler} currency\n{filler} convert {filler}\n{filler} foreign")
    (found,) = opened(tmp_path, [near, far, *skills(20)]).retrieve(["please convert foreign currency"])
    values = by_id(found)
    for name in ("best window", "best line", "best line's cosine", "near pairs", "longest run", "pairs counted"):
        place = NAMES.index(name)
        assert values["near"][place] > values["far"][place], name
    whole, part = (values[skill_id][NAMES.index("best window")] for skill_id in ("near", "far"))
    assert (whole, values["near"][NAMES.index("near pairs")]) == (pytest.approx(1), pytest.approx(1))
    assert 0 < part < 0.5
    assert values["far"][NAMES.index("coverage of body")] == pytest.approx(1)
    assert values["far"][NAMES.index("near pairs")] == 0


def test_each_place_of_a_skill_is_told_apart(tmp_path: Path) -> None:
    word = "zeppelin"
    late = "\n".join(f"{WORDS[line % 18]} {line}" for line in range(400)) + f"\n{word}"
    pool = [
        made("name", word, "x", "y"),
        made("description", "a1", f"About a {word}.", "y"),
        made("headings", "a2", "x", f"# The {word}\ny"),
        made("body", "a3", "x", f"The {word}."),
        made("late", "a4", "x", late),
    ]
    (found,) = opened(tmp_path, [*pool, *skills(20)]).retrieve([word])
    values = by_id(found)
    places = {"name": "name", "description": "description", "headings": "heading", "body": "body", "late": "late body"}
    for skill_id in places:
        covered = [values[skill_id][NAMES.index(f"coverage of {place}")] for place in places.values()]
        assert covered == [pytest.approx(float(other == skill_id), abs=1e-5) for other in places]
    assert values["name"][NAMES.index("name in the query")] == 1
    assert values["name"][NAMES.index("name covered")] == pytest.approx(1, abs=1e-5)
    assert values["late"][NAMES.index("first in the body")] > values["body"][NAMES.index("first in the body")]


def test_repeating_a_line_gains_nothing(tmp_path: Path) -> None:
    once = made("once", "plain", "x", "convert the invoice\nand be done")
    often = made("often", "plain", "x", "convert the invoice\n" * 200 + "and be done")
    (found,) = opened(tmp_path, [once, often, *skills(20)]).retrieve(["convert the invoice"])
    values = by_id(found)
    for name in ("lexical share", "best window", "best line", "lines together", "pairs counted", "frequency in body"):
        assert values["once"][NAMES.index(name)] == pytest.approx(values["often"][NAMES.index(name)]), name
    assert values["often"][NAMES.index("stuffing")] > values["once"][NAMES.index("stuffing")] == 0


def test_counting_a_word_without_end_stops_to_gain(tmp_path: Path) -> None:
    some = made("some", "plain", "x", " ".join(["invoice"] * 30))
    many = made("many", "plain", "x", " ".join(["invoice"] * 600))
    (found,) = opened(tmp_path, [some, many, *skills(20)]).retrieve(["invoice"])
    values = by_id(found)
    for name in (
        "frequency in body",
        "lexical by fields, behind the best",
        "frequency of the second rarest",
        "best line",
    ):
        assert values["many"][NAMES.index(name)] <= values["some"][NAMES.index(name)] + 1e-5, name


def test_standing_in_the_list_follows_the_scores(index: SkillIndex) -> None:
    (found,) = index.retrieve(["encrypt the password of page 217"], candidates=50)
    values = text_features(found)
    assert of("fused, behind the best", values)[0] == 0
    assert (np.diff(of("fused, place", values)) >= 0).all()
    assert of("fused, standardised", values).mean() == pytest.approx(0, abs=1e-4)
    equal = found.lexical == found.lexical.max()
    assert (of("lexical, place", values)[equal] == 0).all()
