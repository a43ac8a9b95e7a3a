"""One strategy where it is clear, two and a check where it is close, all where it is open.

python examples/plans/strategy.py
"""

import asyncio

from local import shown

asyncio.run(shown("How many days lie between 2024-02-10 and 2024-03-05?", plan="strategy"))
