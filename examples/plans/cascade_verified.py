"""The small model first; the large one where a verifier says that the answer is wrong.

python examples/plans/cascade_verified.py
"""

import asyncio

from local import shown

from orchestrator import PlanSpec

asyncio.run(
    shown(
        "What is 23 * 17? Give the number alone.",
        plan=PlanSpec(name="cascade", options={"order": ["small", "large", "small-tools"]}),
        verifier={"kind": "numeric", "expected": 391},
    )
)
