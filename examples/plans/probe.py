"""Three quick answers of the cheapest; more models only where they differ.

python examples/plans/probe.py
"""

import asyncio

from local import shown

asyncio.run(shown("Who wrote the novel Frankenstein?", plan="probe"))
