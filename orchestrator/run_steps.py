"""How the steps of a run follow each other: route → execute → record, and round again with somebody else."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.nodes import Nodes, seconds_left, untried
from orchestrator.run_state import RunState


@dataclass(frozen=True, kw_only=True)
class RunSteps:
    """After a failure an untried candidate takes over, `max_attempts` at most, as long as there is time."""

    nodes: Nodes
    max_attempts: int

    async def run(self, state: RunState) -> RunState:
        """The final state of a run that begins in this one."""
        nodes = self.nodes
        is_over = False
        while not is_over:
            for step in (nodes.route, nodes.execute, nodes.record):
                state = {**state, **await step(state)}
            is_over = not self._goes_on(state)
        return state

    def _goes_on(self, state: RunState) -> bool:
        has_failed = state["outcome"].status in ("failed", "refused") and state["decision"].candidate_id is not None
        may_go_on = state["attempt"] - state["trials"] < self.max_attempts and seconds_left(state) > 0
        return has_failed and may_go_on and untried(state, list(self.nodes.candidates))
