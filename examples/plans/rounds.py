"""A leader asks helpers for a few rounds, then answers.

python examples/plans/rounds.py
"""

import asyncio

from local import shown

from orchestrator import PlanSpec

asyncio.run(
    shown(
        "Is the capital of Canada west of the capital of France? Answer yes or no.",
        plan=PlanSpec(name="rounds", options={"leader": "large", "most": 2}),
    )
)
