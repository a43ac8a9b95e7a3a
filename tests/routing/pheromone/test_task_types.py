"""Task types are found among remembered queries, named by what they say, and keep their names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from routing.pheromone.mixture import TaskTypes, mixture_of
from routing.pheromone.task_types import find_task_types
from storage.errors import InvalidInput
from tests.routing.doubles import a_context
from tests.routing.pheromone.lessons import NOW, a_lesson, a_memory, about, unit_vectors

TOPICS = {
    "database": "select rows of the database table and join the columns",
    "poem": "write a poem in verses with rhymes about the sea",
    "sum": "add numbers and divide the sum to get an average",
}
EACH = 12


def queries(*, seed: int = 0, topics: tuple[str, ...] = tuple(TOPICS)) -> tuple[NDArray[np.float32], list[str]]:
    rng = np.random.default_rng(seed)
    directions = dict(zip(TOPICS, unit_vectors(len(TOPICS)), strict=True))
    vectors, texts = [], []
    for topic in topics:
        for number in range(EACH):
            near = directions[topic] + 0.05 * rng.normal(size=len(directions[topic]))
            vectors.append(near / np.linalg.norm(near))
            texts.append(f"{TOPICS[topic]} {number}")
    return np.array(vectors, dtype=np.float32), texts


def test_types_are_found_and_named_by_their_words() -> None:
    types = find_task_types(*queries(), encoder="test", count=3).types
    assert len(types.names) == 3
    words = {word for terms in types.terms for word in terms}
    assert {"database", "poem", "average"} <= words
    assert all(set(name.split("-")) <= words for name in types.names)


def test_the_same_queries_give_the_same_types() -> None:
    first, second = (find_task_types(*queries(), encoder="test", count=3).types for _ in range(2))
    assert first.body() == second.body()


def test_names_stay_when_the_queries_are_others() -> None:
    former = find_task_types(*queries(), encoder="test", count=3).types
    later = find_task_types(
        *queries(seed=9, topics=("sum", "poem", "database")), encoder="test", count=3, former=former
    )
    assert sorted(later.types.names) == sorted(former.names)
    for name in former.names:
        old, new = former.centres[former.names.index(name)], later.types.centres[later.types.names.index(name)]
        assert old @ new > 0.95
    assert later.former_to_task == {name: name for name in former.names}


def test_what_has_no_place_of_its_own_goes_on_under_the_nearest() -> None:
    former = find_task_types(*queries(), encoder="test", count=3).types
    fewer = find_task_types(*queries(), encoder="test", count=2, former=former)
    assert set(fewer.former_to_task) == set(former.names)
    assert set(fewer.former_to_task.values()) == set(fewer.types.names)


def test_types_of_another_encoder_are_not_matched() -> None:
    former = find_task_types(*queries(), encoder="other", count=3).types
    assert find_task_types(*queries(), encoder="test", count=3, former=former).former_to_task == {}


def test_too_few_queries_are_refused() -> None:
    vectors, texts = queries()
    with pytest.raises(InvalidInput, match="at least 5"):
        find_task_types(vectors, texts, encoder="test", count=20)
    with pytest.raises(InvalidInput, match="texts"):
        find_task_types(vectors, texts[1:], encoder="test", count=3)


def test_a_query_is_of_the_type_it_lies_in_and_of_the_rules_where_it_has_no_vector() -> None:
    vectors, texts = queries()
    types = find_task_types(vectors, texts, encoder="test", count=3).types
    context = about(vectors[0])
    mixture = mixture_of(context, types)
    assert sum(mixture.values()) == pytest.approx(1.0)
    name = max(mixture, key=lambda task: mixture[task])
    assert types.centres[types.names.index(name)] @ vectors[0] > 0.9
    assert mixture_of(a_context(), types) == a_context().task_mixture
    assert mixture_of(replace(context, encoder="other"), types) == context.task_mixture


def test_cells_go_on_under_the_new_types_and_the_event_is_told() -> None:
    vectors, texts = queries()
    memory, replayed = a_memory(), a_memory()
    first = find_task_types(vectors, texts, encoder="test", count=3)
    memory.retype(first.types, first.former_to_task)
    for number in range(30):
        memory.observe("small", about(vectors[number]), a_lesson(1.0, payload_id=f"payload_{number}"))
    before = sum(cell.n for cell in memory.cells(at=NOW))
    second = find_task_types(vectors, texts, encoder="test", count=2, former=first.types)
    memory.retype(second.types, second.former_to_task)
    cells = memory.cells(at=NOW)
    assert {cell.task for cell in cells} <= set(second.types.names)
    assert sum(cell.n for cell in cells) == pytest.approx(before)
    events = memory.drain()
    assert [event.kind for event in events].count("tasks") == 2
    for event in events:
        replayed.apply(event)
    assert replayed.state() == memory.state()
    assert replayed.types is not None
    assert replayed.types.names == second.types.names


def test_broken_types_are_refused() -> None:
    with pytest.raises(InvalidInput, match="one each"):
        TaskTypes.from_body({"encoder": "test", "names": ["a"], "terms": [], "centres": [[1.0]]})
