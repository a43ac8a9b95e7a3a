"""How the steps of a workflow follow each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph import StateGraph


def _merged(left: Mapping[str, str], right: Mapping[str, str]) -> dict[str, str]:
    return {**left, **right}


class WorkflowState(TypedDict):
    """Every value that a step wrote, by the step's name; steps that run side by side merge theirs."""

    values: Annotated[dict[str, str], _merged]


class WorkflowNode(Protocol):
    """A step as langgraph calls it."""

    async def __call__(self, state: WorkflowState) -> WorkflowState: ...


class StepWork(Protocol):
    """Does a step: its name and what earlier steps answered in, its own answer out."""

    async def __call__(self, name: str, values: Mapping[str, str], /) -> str: ...


@dataclass(frozen=True, kw_only=True)
class SavedThread:
    """Where a workflow's state is saved after each step; `has_begun`: there is one to go on from."""

    saver: BaseCheckpointSaver[Any]
    id: str
    has_begun: bool


async def answers_of(
    name_to_needs: Mapping[str, Sequence[str]], work: StepWork, *, thread: SavedThread | None = None
) -> dict[str, str]:
    """Runs each step once all steps that it needs have run; what every step answered, by its name.

    With a thread the state is saved before the next step begins (`sync`: it takes less CPU than saving beside it).
    One step alone follows on none, and nothing lies in between that could be saved.
    """
    if len(name_to_needs) == 1:
        return {name: await work(name, {}) for name in name_to_needs}
    graph = _workflow_graph(name_to_needs, work)
    start: WorkflowState = {"values": {}}
    if thread is None:
        final = await graph.compile().ainvoke(start)
    else:
        compiled = graph.compile(checkpointer=thread.saver)
        final = await compiled.ainvoke(
            None if thread.has_begun else start, {"configurable": {"thread_id": thread.id}}, durability="sync"
        )
    values: Mapping[str, str] = final["values"]
    return {name: values[name] for name in name_to_needs}


def _workflow_graph(name_to_needs: Mapping[str, Sequence[str]], work: StepWork) -> StateGraph[WorkflowState]:
    from langgraph.graph import END, START, StateGraph  # 33 MB, which a gateway without workflows never needs

    def node(name: str) -> WorkflowNode:
        async def run(state: WorkflowState) -> WorkflowState:
            return {"values": {name: await work(name, state["values"])}}

        return run

    graph = StateGraph(WorkflowState)
    ids = {name: f"step_{place}" for place, name in enumerate(name_to_needs)}  # a name may hold what langgraph reserves
    for name in name_to_needs:
        graph.add_node(ids[name], node(name))
    needed = {need for needs in name_to_needs.values() for need in needs}
    for name, needs in name_to_needs.items():
        graph.add_edge([ids[need] for need in needs] if needs else START, ids[name])
        if name not in needed:
            graph.add_edge(ids[name], END)
    return graph
