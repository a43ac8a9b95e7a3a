"""Choosing among several encoders by pilots' centroids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from skills.base import Skill, SkillHit, SkillSearch
from skills.ranking.experts import ExpertSearcher, PilotCentroids, pilot_centroids
from storage.errors import InvalidInput
from tests.skills.index.pools import skill

EAST, NORTH = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32)


class Compass:
    """Texts to one of two directions."""

    name = "compass"
    dimension = 2

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([EAST if "east" in text else NORTH for text in texts])


class Always:
    """Finds one skill, whatever is asked."""

    ranker_sha256 = ""
    encoder_name = "none"

    def __init__(self, found: str) -> None:
        self.sha256 = f"index of {found}"
        self.found = found

    def search(self, texts: Sequence[str], *, top: int) -> list[SkillSearch]:
        hit = SkillHit(skill_id=self.found, name=self.found, sha256="", rank=1, retrieval=1.0)
        return [SkillSearch(hits=(hit,))] * len(texts)

    def skills(self, skill_ids: Sequence[str]) -> list[Skill]:
        return [skill(0, skill_id=skill_id) for skill_id in skill_ids]


def centroids() -> PilotCentroids:
    vectors = np.stack([EAST, EAST, NORTH])
    return pilot_centroids(vectors, np.array([[1, 0], [0.5, 0.2], [0, 1]], dtype=np.float32), ["a", "b", "a"])


def test_each_sort_and_best_expert_has_a_centroid_of_length_one() -> None:
    found = centroids()
    assert found.experts.tolist() == [0, 0, 1]
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1)


def test_query_goes_to_the_expert_whose_pilots_are_nearest() -> None:
    searcher = ExpertSearcher([Always("first"), Always("second")], Compass(), centroids())
    found = searcher.search(["to the north", " ", "to the east", "north again"], top=1)
    assert [[hit.skill_id for hit in one.hits] for one in found] == [["second"], [], ["first"], ["second"]]
    assert searcher.search([" "], top=1) == [SkillSearch(hits=())]
    assert [one.skill_id for one in searcher.skills(["x"])] == ["x"]


def test_another_expert_is_another_index() -> None:
    one, other = (ExpertSearcher([Always("a"), Always(name)], Compass(), centroids()) for name in "bc")
    assert one.sha256 != other.sha256
    assert one.ranker_sha256 == ""


def test_pilots_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match="2 vectors, 1 rows of scores"):
        pilot_centroids(np.stack([EAST, NORTH]), np.ones((1, 2), dtype=np.float32), ["a", "b"])
    with pytest.raises(InvalidInput, match="there are 1"):
        ExpertSearcher([Always("a")], Compass(), centroids())
