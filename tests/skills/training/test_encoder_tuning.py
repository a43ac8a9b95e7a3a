"""Tuning a sentence encoder, on a tiny random network: it learns, in the last layers alone, and the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from skills.base import Provenance, Skill
from skills.training.encoder_tuning import Tuning, TuningSettings, packed, tune, tune_for
from skills.training.encoder_tuning_network import Encoding, runs, upper_names
from skills.training.encoder_tuning_pairs import Shares, Similarities, sampled_pairs
from skills.training.queries import LabelledQuery
from skills.tuned_layers import BertNetwork
from storage.errors import InvalidInput

WORDS, SIZE, LAYERS = 2_000, 32, 3
TOPICS = 24
SETTINGS = TuningSettings(pairs=128, batch=16, rate=3e-3, epochs=20, is_bfloat16=False, blend=1.0)


class TinyEncoder:
    """A random network of BERT's form over words told apart by their letters."""

    name = "tiny"
    dimension = SIZE

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        shapes = {"words": (WORDS, SIZE), "positions": (128, SIZE), "types": (2, SIZE)}
        for layer in range(LAYERS):
            for part in BertNetwork.LINEAR:
                inputs = 2 * SIZE if part == "narrow" else SIZE
                outputs = 2 * SIZE if part == "wide" else SIZE
                shapes |= {f"{layer}.{part}.weight": (inputs, outputs), f"{layer}.{part}.bias": (outputs,)}
        arrays = {
            name: rng.normal(0, 1.0 if name == "words" else 0.2, shape).astype(np.float32)
            for name, shape in shapes.items()
        }
        for place in ["norm", *(f"{layer}.{part}" for layer in range(LAYERS) for part in BertNetwork.NORMS)]:
            arrays[f"{place}.weight"] = np.ones(SIZE, dtype=np.float32)
            arrays[f"{place}.bias"] = np.zeros(SIZE, dtype=np.float32)
        stored = {name: (f"{name}_q", f"{name}_s") if array.ndim == 2 else (name,) for name, array in arrays.items()}
        self._network = BertNetwork(
            file_sha256="f" * 64, arrays=arrays, stored=stored, layers=LAYERS, heads=2, epsilon=1e-12
        )

    def network(self) -> BertNetwork:
        return self._network

    def token_ids(self, texts: Sequence[str], *, limit: int) -> list[list[int]]:
        return [[1, *(2 + crc32(word.encode()) % (WORDS - 2) for word in text.split())][:limit] for text in texts]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return vectors_with(self, {}, texts)


class NumberEncoder:
    name = "numbers"
    dimension = 2

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(texts), 2), dtype=np.float32) / np.float32(np.sqrt(2))


def vectors_with(
    encoder: TinyEncoder, changed: dict[str, NDArray[np.float32]], texts: Sequence[str]
) -> NDArray[np.float32]:
    network = replace(encoder.network(), arrays={**encoder.network().arrays, **changed})
    encoding = Encoding(network, trained=2, is_bfloat16=False)
    states = encoding.states(encoder.token_ids(texts, limit=64), lambda *_: None)
    found: NDArray[np.float32] = encoding.vectors(states, range(len(texts))).detach().numpy()
    return found


def topic(number: int) -> Skill:
    """A skill whose page and whose queries have no word in common."""
    return Skill(
        name=f"skill{number}",
        description=f"kind{number * 7}",
        body=f"First open case{number * 11}, then close it",
        id=f"s{number}",
        provenance=Provenance(source="test", sha256=""),
    )


def query(number: int, place: int) -> LabelledQuery:
    text = f"please{place} puzzle{number * 13}"
    return LabelledQuery(query_id=f"q{number}-{place}", text=text, gold=((f"s{number}",),))


POOL = [topic(number) for number in range(TOPICS)]
QUERIES = [query(number, place) for number in range(TOPICS) for place in range(6)]


@pytest.fixture(scope="module")
def tuning() -> Tuning:
    return tuned(SETTINGS)


def tuned(settings: TuningSettings) -> Tuning:
    encoder = TinyEncoder()
    pairs = sampled_pairs(POOL, QUERIES, count=settings.pairs, shares=settings.shares, seed=settings.seed)
    # Random vectors are all near one another: told apart by hand, no skill is taken for another's copy.
    similarities = Similarities(
        heads=np.eye(TOPICS, dtype=np.float32), texts=np.zeros((len(pairs), TOPICS), dtype=np.float32)
    )
    return tune(POOL, pairs, similarities, encoder=encoder, settings=settings)


def share_found(changed: dict[str, NDArray[np.float32]]) -> float:
    encoder = TinyEncoder()
    heads = vectors_with(encoder, changed, [f"{skill.name}: {skill.description}" for skill in POOL])
    texts = vectors_with(encoder, changed, [query.text for query in QUERIES])
    right = np.repeat(np.arange(TOPICS), len(QUERIES) // TOPICS)
    return float(np.mean((texts @ heads.T).argmax(axis=1) == right))


def test_queries_find_their_skills_after_tuning(tuning: Tuning) -> None:
    assert share_found({}) < 0.2
    assert share_found(tuning.new) > 0.4  # 0.6 is seen
    assert np.mean(tuning.losses[-5:]) < 0.6 * np.mean(tuning.losses[:5])


def test_last_layers_alone_change(tuning: Tuning) -> None:
    assert sorted(tuning.new) == sorted(upper_names(tuning.network, 2))
    assert all(name.startswith(("1.", "2.")) for name in tuning.new)
    old = TinyEncoder().network().arrays
    assert all(np.array_equal(tuning.network.arrays[name], old[name]) for name in old)
    assert max(float(np.abs(array - old[name]).max()) for name, array in tuning.new.items()) > 0.01


def test_same_seed_gives_the_same_layers() -> None:
    short = replace(SETTINGS, epochs=2)
    first, again = tuned(short), tuned(short)
    assert again.losses == first.losses
    assert all(np.array_equal(again.new[name], array) for name, array in first.new.items())
    assert tuned(replace(short, seed=1)).losses != first.losses


def test_blend_lies_between_old_and_new_weights(tuning: Tuning) -> None:
    name = "2.wide.weight"
    old, new = tuning.network.arrays[name], tuning.new[name]
    np.testing.assert_array_equal(tuning.blended(0.0)[name], old)
    np.testing.assert_array_equal(tuning.blended(1.0)[name], new)
    np.testing.assert_allclose(tuning.blended(0.5)[name], (old + new) / 2, atol=1e-6)


def test_time_limit_ends_the_training() -> None:
    tuning = tuned(replace(SETTINGS, epochs=500, seconds=0.5))
    assert 1 <= len(tuning.losses) < 4_000
    assert tuning.seconds < 5


def test_packed_matrices_are_int8_with_a_scale_a_column(tuning: Tuning) -> None:
    layers = packed(tuning.network, tuning.new, {"steps": 1})
    numbers, scales = layers.arrays["2.wide.weight_q"], layers.arrays["2.wide.weight_s"]
    assert (numbers.dtype, scales.dtype, scales.shape) == (np.int8, np.float32, (1, 2 * SIZE))
    assert np.abs(numbers * scales - tuning.new["2.wide.weight"]).max() <= scales.max() / 2 + 1e-6
    np.testing.assert_array_equal(layers.arrays["2.wide.bias"], tuning.new["2.wide.bias"])
    assert layers.base_sha256 == "f" * 64


def test_layers_tell_how_they_were_trained() -> None:
    calls: list[str] = []
    layers = tune_for(
        POOL,
        QUERIES,
        encoder=TinyEncoder(),
        settings=replace(SETTINGS, epochs=1),
        on_progress=lambda done, of, what: calls.append(what),
    )
    assert layers.trained_with["base"] == "tiny"
    assert layers.trained_with["pairs"] == 128
    assert layers.trained_with["steps"] == 8
    assert {"encoding texts", "running the encoder's fixed layers", "tuning the encoder"} <= set(calls)


def test_encoder_without_layers_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Encoder 'numbers' cannot be tuned; 'minilm' can"):
        tune_for(POOL, QUERIES, encoder=NumberEncoder())


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(InvalidInput, match="5 pairs are too few to tune an encoder; give 64"):
        tune_for(
            POOL, QUERIES[:5], encoder=TinyEncoder(), settings=replace(SETTINGS, shares=Shares(long=0, described=0))
        )


def test_vectors_do_not_depend_on_the_texts_beside() -> None:
    encoder = TinyEncoder()
    texts = ["one", "two words", "a much longer text of many words " * 3, "four words stand here"]
    together = vectors_with(encoder, {}, texts)
    alone = np.concatenate([vectors_with(encoder, {}, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=2e-3)


def test_runs_hold_every_text_once_with_like_lengths() -> None:
    lengths = np.array([5, 90, 7, 6, 91, 2000, 3000])
    found = list(runs(lengths))
    assert sorted(text for run in found for text in run) == list(range(7))
    assert [5] in found
    assert [6] in found
