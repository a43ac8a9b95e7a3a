"""Names to classes: what is known, what is not, and that naming alone imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from routing.encoders import minilm
from routing.errors import EncoderUnavailable, UnknownPolicy
from routing.registry import ENCODERS, POLICIES, choose_encoder, make_encoder, make_policy

HEAVY = ("torch", "torch_geometric", "faiss", "ray", "litellm", "sqlalchemy", "langgraph", "aiohttp", "onnxruntime")


def test_unknown_policy_names_the_nearest_and_all() -> None:
    with pytest.raises(
        UnknownPolicy, match=r"No policy 'linucbb'; did you mean 'linucb'\? known: best_single, cheapest"
    ):
        make_policy("linucbb")


def test_unknown_encoder_names_all() -> None:
    with pytest.raises(EncoderUnavailable, match="No encoder 'zzz'; known: auto, hashing, minilm"):
        make_encoder("zzz")


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_every_encoder_can_be_made(name: str) -> None:
    encoder = make_encoder(name)
    assert encoder.encode(["hello"]).shape == (1, encoder.dimension)


def test_auto_is_the_sentence_encoder_where_it_loads() -> None:
    choice = choose_encoder("auto")
    assert choice.encoder.name == "all-MiniLM-L6-v2-int8"
    assert choice.fallback_reason is None


def test_auto_falls_back_and_says_why(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(minilm, "TOKENIZER_PLACE", ("no_such_pieces", "tokenizer.json"))
    encoder = make_encoder("auto")
    assert "no sentence encoder" in encoder.name
    assert "'no-such-pieces' is not installed" in caplog.text
    assert "'no-such-pieces' is not installed" in str(choose_encoder("auto").fallback_reason)


def test_importing_the_registry_and_making_policies_loads_nothing_heavy() -> None:
    code = (
        "import sys, routing.registry, routing.router, routing.features, routing.candidates, routing.wrappers\n"
        f"for name in {sorted(POLICIES)!r}: routing.registry.make_policy(name)\n"
        "routing.registry.make_encoder('hashing')\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
