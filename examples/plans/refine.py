"""Two answer apart; one of them makes one answer of both.

python examples/plans/refine.py
"""

import asyncio

from local import shown

from orchestrator import PlanSpec

asyncio.run(
    shown(
        "Name one advantage and one drawback of solar power, in one sentence.",
        plan=PlanSpec(name="refine", options={"most": 2, "refiner": "large"}),
    )
)
