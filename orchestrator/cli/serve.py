"""`antroute serve`: the HTTP front door."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.listening import bound, url_of
from orchestrator.terminal import note, opened

if TYPE_CHECKING:
    import socket

    from orchestrator.keys.access import AccessRules
    from orchestrator.sdk import Orchestrator
    from orchestrator.settings import Settings

Host = Annotated[
    str | None, typer.Option("--host", help="Address to listen on; beyond loopback an admin key is needed.")
]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="0 picks a free one.")]
Store = Annotated[str | None, typer.Option("--store", help="The store's URL.")]
Policy = Annotated[str | None, typer.Option("--policy", help="The policy behind `model: auto`.")]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray", metavar="local|ADDRESS", help="Jobs are run by workers on this Ray cluster; local: start one."
    ),
]


def serve(host: Host = None, port: Port = None, store: Store = None, policy: Policy = None, ray: Ray = None) -> None:
    """Serves the OpenAI-compatible API and the inspection routes until Ctrl-C."""
    from orchestrator.event_loop import run

    run(_serve(host, port, store, policy, ray))


async def _serve(host: str | None, port: int | None, store: str | None, policy: str | None, ray: str | None) -> None:
    from orchestrator.keys.serving import rules_for
    from orchestrator.memory import share_one_heap
    from orchestrator.settings import load_settings

    share_one_heap()
    overrides = {name: value for name, value in {"store_url": store, "policy": policy}.items() if value is not None}
    settings = load_settings(**overrides)
    address = host or settings.server.host
    rules = await rules_for(settings, address)
    listener = bound(address, settings.server.port if port is None else port)
    with closing(listener), ExitStack() as cluster:
        if ray is not None:
            from orchestrator.cluster.connection import joined

            cluster.enter_context(joined(ray, settings.ray))
        await _answer(settings, listener, rules, has_cluster=ray is not None)


async def _answer(settings: Settings, listener: socket.socket, rules: AccessRules, *, has_cluster: bool) -> None:
    from orchestrator.logs import configure

    configure(settings.server.log_format, level=settings.server.log_level)
    async with _service(settings, has_cluster=has_cluster) as antroute:
        from orchestrator.draining import Draining
        from orchestrator.memory import leave_what_is_there
        from orchestrator.overload import Admission
        from orchestrator.rest.app import make_app
        from orchestrator.rest.server import DrainingServer

        await antroute.route("Good morning.")  # loads the encoder now, not while the first caller waits
        service, limits = antroute.service, settings.limits
        admission = Admission(most=limits.parallel_runs, most_waiting=limits.waiting_runs)
        draining = Draining(
            admission,
            seconds=settings.server.drain_seconds,
            cut_short=service.cut_short,
            jobs=service.worker.stop,
        )
        app = make_app(
            service,
            rules=rules,
            body_bytes=limits.body_bytes,
            admission=admission,
            has_access_log=settings.server.access_log,
        )
        server = DrainingServer(app, draining)
        leave_what_is_there()
        service.worker.drain_seconds = settings.server.drain_seconds
        service.worker.start()
        service.webhooks.sender.start()
        listener.listen()
        url = url_of(listener)
        note(f"The console is at {url}/console")
        note(f"Antroute listens on {url} (OpenAI clients: base_url={url}/v1, model=auto; stop with Ctrl-C)")
        await server.serve_until_drained(listener)


@asynccontextmanager
async def _service(settings: Settings, *, has_cluster: bool) -> AsyncGenerator[Orchestrator, None]:
    """Open, and on a cluster with workers there in place of its own."""
    if not has_cluster:
        async with opened(settings=settings) as antroute:
            yield antroute
        return
    from orchestrator.cluster.carried import without_own_worker
    from orchestrator.cluster.serving import workers_for

    async with (
        opened(settings=without_own_worker(settings)) as antroute,
        workers_for(antroute.service, settings),
    ):
        yield antroute
