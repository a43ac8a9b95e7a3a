"""Texts to contexts: the right task, signals in range, bounded work, any text."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from routing.encoders.cached import CachedEncoder
from routing.encoders.hashing import HashingEncoder
from routing.features import SIGNALS, TaskCatalog, TaskFeaturizer, excerpt, signals
from routing.registry import make_encoder
from storage.errors import InvalidInput
from tests.routing.doubles import RecordingEncoder

HELD_OUT = yaml.safe_load((Path(__file__).parent / "data" / "held_out_queries.yaml").read_text(encoding="utf-8"))
TWO_TASKS = TaskCatalog(task_to_examples={"units": ["convert miles to km"], "poems": ["write a poem", "rhyme for me"]})


@pytest.fixture(scope="module")
def hashing_featurizer() -> TaskFeaturizer:
    return TaskFeaturizer(CachedEncoder(HashingEncoder()))


def share_right(encoder: str, encoder_dir: Path) -> float:
    featurizer = TaskFeaturizer(CachedEncoder(make_encoder(encoder, cache_dir=encoder_dir)))
    texts = [text for queries in HELD_OUT.values() for text in queries]
    tasks = [task for task, queries in HELD_OUT.items() for _ in queries]
    found = [context.task for context in featurizer.contexts(texts)]
    return sum(a == b for a, b in zip(tasks, found, strict=True)) / len(tasks)


@pytest.mark.parametrize(("encoder", "least"), [("minilm", 0.83), ("hashing", 0.5)])  # one of ten by chance
def test_held_out_queries_get_their_task(encoder: str, least: float, encoder_dir: Path) -> None:
    assert share_right(encoder, encoder_dir) >= least


def test_the_default_catalog_has_enough_varied_examples() -> None:
    examples = TaskCatalog.default().task_to_examples
    assert set(examples) == set(HELD_OUT)
    assert all(8 <= len(texts) <= 12 and len(set(texts)) == len(texts) for texts in examples.values())


def test_vector_is_bias_mixture_and_signals_in_the_order_of_the_names() -> None:
    featurizer = TaskFeaturizer(CachedEncoder(HashingEncoder()), TWO_TASKS)
    context = featurizer.contexts(["convert 5 miles to km"])[0]
    assert featurizer.context_names == ("bias", "task:units", "task:poems", *(f"signal:{s}" for s in SIGNALS))
    assert len(context.vector) == len(featurizer.context_names)
    assert context.task == "units"
    np.testing.assert_array_equal(context.vector[:3], [1.0, *context.task_mixture.values()])
    np.testing.assert_array_equal(context.vector[3:], signals("convert 5 miles to km"))


@given(text=st.text(st.characters(), max_size=300))
def test_any_text_has_a_mixture_that_sums_to_one_and_signals_in_range(
    hashing_featurizer: TaskFeaturizer, text: str
) -> None:
    context = hashing_featurizer.contexts([text])[0]
    assert sum(context.task_mixture.values()) == pytest.approx(1.0)
    assert context.vector.min() >= 0.0
    assert context.vector.max() <= 1.0


@pytest.mark.parametrize(
    "prefix", ["\x00" * 50, "!!!! zx qq $$ " * 200, "\ud800\udfff", "{{%s}}<|im_end|>" * 30, "İ" * 900]
)
def test_confounding_prefix_leaves_a_usable_context(hashing_featurizer: TaskFeaturizer, prefix: str) -> None:
    context = hashing_featurizer.contexts([prefix + "What is 2 + 2?"])[0]
    assert np.isfinite(context.vector).all()
    assert context.task in context.task_mixture


def test_examples_are_encoded_once_and_a_repeated_text_never_again() -> None:
    inner = RecordingEncoder()
    featurizer = TaskFeaturizer(CachedEncoder(inner), TWO_TASKS)
    assert not featurizer.is_instant("hello")
    first = featurizer.contexts(["hello"])[0]
    assert featurizer.is_instant("hello")
    second = featurizer.contexts(["hello"])[0]
    assert inner.batches == [["hello"], ["convert miles to km", "write a poem", "rhyme for me"]]
    np.testing.assert_array_equal(first.vector, second.vector)


def test_long_text_is_read_at_its_head_and_its_tail_only() -> None:
    inner = RecordingEncoder()
    text = "START" + "x" * 5_000_000 + "END"
    TaskFeaturizer(CachedEncoder(inner), TWO_TASKS).contexts([text])
    read = inner.batches[0][0]
    assert len(read) < 1000
    assert read.startswith("START")
    assert read.endswith("END")


def test_signals_of_a_huge_text_cost_what_a_long_text_costs() -> None:
    began = time.process_time()
    for _ in range(20):
        signals("a1+ {x}? 'q'\n" * 500_000)
    assert time.process_time() - began < 1.0  # about 20 ms; reading it all would take 20 s


def test_signals_tell_kinds_of_text_apart() -> None:
    def named(text: str) -> dict[str, float]:
        return dict(zip(SIGNALS, signals(text).tolist(), strict=True))

    code, sum_, prose = named("def f(x):\n    return [x]"), named("12 * 7 + 3 = ?"), named("Tell me a story")
    assert code["code_marks"] > 0.6 > prose["code_marks"] == 0
    assert sum_["math_marks"] > 0.6 > prose["math_marks"] == 0
    assert sum_["digits"] > prose["digits"] == 0
    assert (code["lines"], prose["lines"]) == (0.5, 0.0)
    assert (named("Who is it")["question"], prose["question"]) == (1.0, 0.0)
    assert named("Reverse 'abc'")["quotes"] == 0.5
    assert named("x" * 9000)["length"] == 1.0


def test_short_text_is_read_whole() -> None:
    assert excerpt("x" * 900) == "x" * 900


@pytest.mark.parametrize("tasks", [{}, {"code": []}, {"code": "one text"}, {"code": [1]}])
def test_catalog_without_examples_is_refused(tasks: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidInput, match=r"at least one task|needs a list of example texts"):
        TaskCatalog(task_to_examples=tasks)


def test_no_texts_give_no_contexts(hashing_featurizer: TaskFeaturizer) -> None:
    assert hashing_featurizer.contexts([]) == []
