"""How to look at what the demo did: in a terminal the console is served until Ctrl-C, else the command is told."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from orchestrator.demo.result import DemoResult
from orchestrator.terminal import say

if TYPE_CHECKING:
    from orchestrator.settings import Settings

LOOPBACK = "127.0.0.1"


async def look(result: DemoResult, settings: Settings) -> None:
    """The demo's own models are closed by now, and none is opened for looking."""
    if not is_watched():
        say(f"Look at it in a browser: antroute console --store {result.store_url}")
        return
    from orchestrator.keys.access import AccessRules
    from orchestrator.listening import bound, url_of
    from orchestrator.rest.console_alone import for_looking, serve_console, unasked
    from orchestrator.sdk import Orchestrator

    with closing(bound(LOOPBACK, 0)) as listener:
        async with Orchestrator(for_looking(settings), llms=unasked(settings)) as antroute:
            listener.listen()
            for line in addresses(url_of(listener), last_decision(result)):
                say(line)
            await serve_console(antroute.service, listener, rules=AccessRules())


def addresses(url: str, decision_id: str | None) -> list[str]:
    """Where to look."""
    lines = [f"Look at it in a browser: {url}/console/decisions"]
    if decision_id is not None:
        lines.append(f"Why the last one was chosen: {url}/console/decisions/{decision_id}")
    return [*lines, "Stop with Ctrl-C."]


def last_decision(result: DemoResult) -> str | None:
    """The last one that the learner made in the comparison (it stands first), else the last one of exploring."""
    learned = result.standings[0].answered if result.standings else []
    answered = learned or list(result.explored)
    return answered[-1].decision_id if answered else None


def is_watched() -> bool:
    """Whether a person sits at a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()
