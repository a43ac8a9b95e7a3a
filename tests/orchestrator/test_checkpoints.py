"""A later claim of a job goes on from all that the one before had saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.checkpoints import Checkpoints
from orchestrator.graph import answers_of

NEEDS = {"left": [], "right": [], "sum": ["left", "right"]}


class Died(Exception):
    """The worker is gone."""


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_what_a_step_wrote_while_its_neighbour_ran_reaches_the_steps_after_both(
    kind: str, tmp_path: Path
) -> None:
    checkpoints = Checkpoints("memory:" if kind == "memory" else f"sqlite:///{tmp_path / 'a.db'}")
    ran: list[str] = []

    async def dying(name: str, values: object) -> str:
        if name == "right":
            raise Died
        return f"{name} by the first"

    async def living(name: str, values: object) -> str:
        ran.append(name)
        return f"{name} by the second"

    try:
        with pytest.raises(Died):
            await answers_of(NEEDS, dying, thread=await checkpoints.thread("job", 1))
        answers = await answers_of(NEEDS, living, thread=await checkpoints.thread("job", 2))
    finally:
        await checkpoints.close()
    assert answers == {"left": "left by the first", "right": "right by the second", "sum": "sum by the second"}
    assert ran == ["right", "sum"]
