"""Agent name to `module:Class`; nothing is imported until named."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from agents.base import Agent
from agents.errors import AgentError

AGENTS = {
    "single_turn": "agents.single_turn:SingleTurnAgent",
    "step_by_step": "agents.step_by_step:StepByStepAgent",
    "skilled": "agents.skilled:SkilledAgent",
    "tool_loop": "agents.tool_loop:ToolLoopAgent",
    "compiled": "agents.compiled:CompiledAgent",
}


def make_agent(name: str) -> Agent:
    """The agent of this name. Raises AgentError where there is none."""
    if name not in AGENTS:
        raise AgentError(f"No agent {name!r}; known: {', '.join(sorted(AGENTS))}.")
    module, _, agent_class = AGENTS[name].partition(":")
    return cast(Agent, getattr(import_module(module), agent_class)())
