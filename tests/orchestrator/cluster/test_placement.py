"""Which nodes get workers."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cluster.placement import Node, missing


def node(name: str, cpus: float) -> Node:
    return Node(id=name, address="127.0.0.1", cpus=cpus)


def test_each_node_has_a_worker_for_its_share_of_cpus_and_at_least_one() -> None:
    nodes = [node("a", 1), node("b", 4), node("c", 0)]
    assert missing(nodes, [], workers=None, cpus_per_worker=2) == ["a", "b", "b"]
    assert missing(nodes, ["b"], workers=None, cpus_per_worker=2) == ["a", "b"]
    assert missing(nodes, ["a", "b", "b"], workers=None, cpus_per_worker=2) == []


def test_a_fixed_number_is_spread_by_cpus() -> None:
    nodes = [node("a", 2), node("b", 4)]
    assert Counter(missing(nodes, [], workers=3, cpus_per_worker=2)) == {"a": 1, "b": 2}


def test_workers_on_nodes_that_left_are_not_counted() -> None:
    assert missing([node("a", 2)], ["gone", "gone"], workers=2, cpus_per_worker=2) == ["a", "a"]


def test_without_nodes_nobody_is_started() -> None:
    assert missing([], [], workers=2, cpus_per_worker=1) == []


@given(
    cpus=st.lists(st.integers(0, 8), min_size=1, max_size=6),
    workers=st.none() | st.integers(1, 20),
)
def test_what_is_started_leaves_nothing_missing_whatever_the_order(cpus: list[int], workers: int | None) -> None:
    nodes = [node(f"n{place}", count) for place, count in enumerate(cpus)]
    started = missing(nodes, [], workers=workers, cpus_per_worker=2)
    assert missing(nodes, started, workers=workers, cpus_per_worker=2) == []
    assert missing(nodes[::-1], [], workers=workers, cpus_per_worker=2) == started
    if workers is not None and any(cpus):
        assert len(started) == workers
