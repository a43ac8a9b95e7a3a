"""Plan, solve, verify: a trail of its own picks each stage's candidate, and all stages learn from the outcome.

python examples/plans/path.py
"""

import asyncio

from local import shown

asyncio.run(
    shown(
        "A train leaves at 9:40 and arrives at 12:15. How many minutes does it take?",
        plan="path",
        verifier={"kind": "numeric", "expected": 155},
    )
)
