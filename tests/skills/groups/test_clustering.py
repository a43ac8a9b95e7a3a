"""Clusters hold what belongs together, and never more than they may."""

from __future__ import annotations

import numpy as np
import pytest

from skills.groups.clustering import clusters
from storage.errors import InvalidInput
from tests.skills.groups.topics import TOPICS, skills, vectors_of


def test_skills_of_one_topic_are_in_one_cluster() -> None:
    vectors = vectors_of(skills(200))
    labels = clusters(vectors, 10, most=50, seed=1)
    topics = np.arange(200) % len(TOPICS)
    alike = [len(set(topics[labels == label].tolist())) for label in range(int(labels.max()) + 1)]
    assert np.mean(alike) <= 1.5  # k-means++ may part one topic and join two others


def test_no_cluster_is_larger_than_it_may_be_even_if_all_are_alike() -> None:
    vectors = np.tile(vectors_of(skills(1)), (100, 1))
    labels = clusters(vectors, 5, most=20, seed=1)
    assert np.bincount(labels).tolist() == [20] * 5


def test_the_same_arguments_give_the_same_labels() -> None:
    vectors = vectors_of(skills(300))
    assert np.array_equal(clusters(vectors, 17, most=40, seed=3), clusters(vectors, 17, most=40, seed=3))


def test_texts_without_a_vector_are_in_some_cluster_too() -> None:
    vectors = np.concatenate([vectors_of(skills(50)), np.zeros((10, 32), dtype=np.float32)])
    assert len(clusters(vectors, 6, most=20, seed=1)) == 60


def test_rows_without_room_are_refused() -> None:
    with pytest.raises(InvalidInput, match="100 rows do not fit into 4 clusters of 20"):
        clusters(vectors_of(skills(100)), 4, most=20, seed=1)
