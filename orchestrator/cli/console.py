"""`antroute console`: the console alone, over a store, for looking at what was decided."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from orchestrator.terminal import StoreUrl, existing, note, run

LOOPBACK = "127.0.0.1"

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 picks a free one.")]


def console(store: StoreUrl = None, port: Port = 0) -> None:
    """Serves the console alone until Ctrl-C, on this machine only; no model is opened, and nothing runs."""
    run(_console(store, port))


async def _console(store: str | None, port: int) -> None:
    from orchestrator.keys.serving import rules_for
    from orchestrator.listening import bound, url_of
    from orchestrator.rest.console_alone import for_looking, serve_console, unasked
    from orchestrator.sdk import Orchestrator
    from orchestrator.settings import load_settings

    settings = for_looking(load_settings(**({} if store is None else {"store_url": store})))
    existing(settings.store_url)
    rules = await rules_for(settings, LOOPBACK)
    with closing(bound(LOOPBACK, port)) as listener:
        async with Orchestrator(settings, llms=unasked(settings)) as antroute:
            listener.listen()
            note(f"The console is at {url_of(listener)}/console (stop with Ctrl-C)")
            await serve_console(antroute.service, listener, rules=rules)
