"""Names to classes: what is known, what is not, and that naming alone imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from routing.encoders import minilm
from routing.errors import EncoderUnavailable, UnknownPolicy
from routing.registry import ENCODERS, POLICIES, choose_encoder, make_encoder, make_policy

HEAVY = ("torch", "torch_geometric", "faiss", "ray", "litellm", "sqlalchemy", "langgraph", "aiohttp", "onnxruntime")


def test_unknown_policy_names_the_nearest_and_all() -> None:
    known = ", ".join(sorted(POLICIES))
    with pytest.raises(UnknownPolicy, match=rf"No policy 'linucbb'; did you mean 'linucb'\? known: {known}\."):
        make_policy("linucbb")


def test_unknown_encoder_names_all() -> None:
    with pytest.raises(
        EncoderUnavailable, match="No encoder 'zzz'; known: auto, hashing, hub:ORGANISATION/NAME, minilm, tuned:FOLDER"
    ):
        make_encoder("zzz")


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_every_encoder_can_be_made(name: str, encoder_dir: Path) -> None:
    encoder = make_encoder(name, cache_dir=encoder_dir)
    assert encoder.encode(["hello"]).shape == (1, encoder.dimension)


def test_auto_is_the_sentence_encoder_where_it_loads(encoder_dir: Path) -> None:
    choice = choose_encoder("auto", cache_dir=encoder_dir)
    assert choice.encoder.name == "all-MiniLM-L6-v2-int8-small-1"
    assert (choice.fallback_reason, choice.larger_reason) == (None, None)


def test_sentence_encoder_that_cannot_be_small_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    choice = choose_encoder("auto", cache_dir=tmp_path / "file")
    assert choice.encoder.name == "all-MiniLM-L6-v2-int8"
    assert choice.fallback_reason is None
    assert "No network can be kept in" in str(choice.larger_reason)
    make_encoder("minilm", cache_dir=tmp_path / "file")
    assert "takes more memory than it could: No network can be kept in" in caplog.text


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
