"""A run's state is plain values: langgraph's own serializer can save it between steps."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from orchestrator.checkers import Checker
from orchestrator.errors import Failure
from orchestrator.run_state import RunState
from orchestrator.service import Service
from orchestrator.views import plain
from storage import records
from tests.conftest import MakeService, fails

NAMES = (
    "Amount",
    "Assessment",
    "BudgetLimits",
    "Decision",
    "Generation",
    "Message",
    "Outcome",
    "Payload",
    "Query",
    "TokenUsage",
)
ALLOWED = [getattr(records, name) for name in NAMES] + [Checker, Failure]


async def states_of(service: Service) -> list[RunState]:
    """The state after each step of a run that fails once."""
    seen: list[Any] = []
    graph = service.graph
    state = service.start("What is the capital of France?", {"checker": Checker(kind="exact", expected="Paris")})
    async for each in graph.astream(state, stream_mode="values"):  # type: ignore[attr-defined]  # langgraph's own
        seen.append(each)
    return seen


async def test_state_after_every_step_can_be_saved_and_read_again(make_service: MakeService) -> None:
    service = await make_service(small=fails, seed=1)
    serializer = JsonPlusSerializer(allowed_msgpack_modules=ALLOWED, pickle_fallback=False)
    states: list[RunState] = []
    while not any("failure" in state for state in states):
        states += await states_of(service)
    assert any(state.get("answer") for state in states)
    for state in states:
        loaded = serializer.loads_typed(serializer.dumps_typed(dict(state)))
        assert {key: type(value) for key, value in loaded.items() if key != "tried"} == {
            key: type(value) for key, value in state.items() if key != "tried"
        }
        assert plain(loaded) == plain(state)  # msgpack knows no tuples
