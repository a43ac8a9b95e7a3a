"""Three quick answers of the cheapest; more models only where they differ.

python examples/plans/probe.py
"""

import asyncio

from local import shown

asyncio.run(shown("What is 17% of 2340?", plan="probe"))
