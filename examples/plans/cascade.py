"""The small model first; the large one where the small one is not sure of its words.

python examples/plans/cascade.py
"""

import asyncio

from local import shown

from orchestrator import PlanSpec

asyncio.run(
    shown(
        "Which planet of our solar system is the largest?",
        plan=PlanSpec(name="cascade", options={"order": ["small", "large"], "accept": 0.9}),
    )
)
