"""A small model writes; a large one takes the steps at which the small one hesitates.

python examples/plans/glimpse.py
"""

import asyncio

from local import shown

from orchestrator import PlanSpec

asyncio.run(
    shown(
        "A shop sells pens at 3 for 2 dollars. How much do 12 pens cost?",
        plan=PlanSpec(name="glimpse", options={"small": "small", "large": "large", "steps": 3, "tau": 0.8}),
    )
)
