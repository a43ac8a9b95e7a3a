"""One candidate answers, drawn from the router's probabilities.

python examples/plans/single.py
"""

import asyncio

from local import shown

asyncio.run(shown("What is 17% of 2340?", plan="single"))
