"""The likeliest few answer, and their votes are weighed.

python examples/plans/vote.py
"""

import asyncio

from local import shown

from orchestrator import PlanSpec

asyncio.run(shown("What is the capital of Australia?", plan=PlanSpec(name="vote", options={"most": 3, "mass": 1.0})))
