"""Choosing agents by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agents.base import Agent
from agents.errors import AgentError
from agents.registry import AGENTS, make_agent

HEAVY = ["torch", "torch_geometric", "faiss", "ray", "litellm", "sqlalchemy", "langgraph", "aiohttp", "onnxruntime"]
HEAVY += ["huggingface_hub", "xllamacpp", "httpx"]


@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_of_the_registry_can_be_made_and_says_what_it_is(name: str) -> None:
    agent = make_agent(name)
    assert isinstance(agent, Agent)
    assert agent.description


def test_an_unknown_agent_is_refused_with_the_known_ones() -> None:
    known = "compiled, single_turn, skilled, step_by_step, tool_loop"
    with pytest.raises(AgentError, match=f"No agent 'tool_lop'; known: {known}"):
        make_agent("tool_lop")


def test_agents_and_the_table_of_models_load_no_heavy_library() -> None:
    code = (
        "import sys; from agents.registry import AGENTS, make_agent; import agents.model_files, agents.errors\n"
        f"[make_agent(name) for name in AGENTS]; print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
