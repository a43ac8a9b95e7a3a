"""The examples for clients, run as a reader would: as scripts, against a real `antroute serve`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.able_upstream import able_upstream
from tests.e2e.antroute import ROOT, SCRIPTED, START_SECONDS, Home, Server

pytest.importorskip("openai")


def said_by(example: str, server: Server) -> list[str]:
    """The lines that it prints, once it has ended well."""
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / f"{example}.py"), f"{server.address}/v1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def able_home(folder: Path, address: str) -> Home:
    models = {"able": {"provider": "openai", "base_url": address}}
    candidates = [{"agent": "single_turn", "model": "able", "id": "able"}]
    return Home(folder, {**SCRIPTED, "models": models, "candidates": candidates})


def test_examples_show_what_a_model_that_can_do_all_answers(tmp_path: Path) -> None:
    pytest.importorskip("langchain_openai")
    with able_upstream() as upstream, able_home(tmp_path, upstream.address).served() as server:
        plain, as_json, vectors, wish = said_by("openai_client", server)
        conversation = said_by("langchain_client", server)
    assert plain == "able says: 0: What is the capital of Peru?"
    assert as_json == "As JSON: {'name': 'Tom', 'age': 7}"
    assert vectors == "2 vectors of 384 numbers" or "minilm" in vectors  # where the encoder is not installed
    assert wish == """Wishes: ['get_weather({"city": "Lima"})']"""
    human, call, tool, end = conversation
    assert human == "human: What is the weather in Lima?"
    assert call.startswith("ai: [{'name': 'get_weather', 'args': {'city': 'Lima'}")
    assert (tool, end) == ("tool: It is sunny in Lima.", "ai: They say: It is sunny in Lima.")


def test_example_tells_what_a_scripted_model_cannot_do_and_goes_on(tmp_path: Path) -> None:
    with Home(tmp_path).served() as server:
        plain, as_json, _, wish = said_by("openai_client", server)
    assert plain.endswith("says: You said: What is the capital of Peru?")
    assert as_json.startswith("Not here: ") and "it takes a model with 'json'" in as_json
    assert wish.startswith("Not here: ") and "it takes a model with 'tools'" in wish
