"""A conversation that no longer fits: keep its last turns, a summary, or nothing of it; the best answer is kept.

python examples/plans/branch.py
"""

import asyncio

from local import shown

from orchestrator import PlanSpec
from storage.records import Message

TURNS = tuple(
    Message(
        role="user" if place % 2 == 0 else "assistant", content=f"Note {place}: the meeting room is B{place}. " * 12
    )
    for place in range(16)
)
asyncio.run(
    shown(
        "In which room do we meet according to the last note?",
        plan=PlanSpec(name="branch", options={"from_share": 0.1, "keep": 3}),
        messages=TURNS,
    )
)
