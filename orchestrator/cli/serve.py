"""`antroute serve`: the HTTP front door."""

from __future__ import annotations

import logging
import signal
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.loopback import is_loopback
from orchestrator.terminal import note, opened, run

if TYPE_CHECKING:
    from orchestrator.settings import Settings

FAREWELL_SECONDS = 5  # for answers under way when the server is told to stop
SHORTEST_KEY = 32  # characters; `python -c "import secrets; print(secrets.token_urlsafe(32))"` makes 43

Host = Annotated[
    str | None, typer.Option("--host", help="Address to listen on; beyond loopback an admin key is needed.")
]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="0 picks a free one.")]
Store = Annotated[str | None, typer.Option("--store", help="The store's URL.")]
Policy = Annotated[str | None, typer.Option("--policy", help="The policy behind `model: auto`.")]


def serve(host: Host = None, port: Port = None, store: Store = None, policy: Policy = None) -> None:
    """Serves the OpenAI-compatible API and the inspection routes until Ctrl-C."""
    run(_serve(host, port, store, policy))


async def _serve(host: str | None, port: int | None, store: str | None, policy: str | None) -> None:
    from orchestrator.memory import share_one_heap
    from orchestrator.settings import load_settings

    share_one_heap()
    overrides = {name: value for name, value in {"store_url": store, "policy": policy}.items() if value is not None}
    settings = load_settings(**overrides)
    address = host or settings.server.host
    key = admin_key(settings, address)
    listener = bound(address, settings.server.port if port is None else port)
    with closing(listener):
        await _answer(settings, listener, key)


async def _answer(settings: Settings, listener: socket.socket, key: str | None) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("stamina").setLevel(logging.ERROR)  # each retry; what came of them stands in the outcome
    async with opened(settings=settings) as antroute:
        from uvicorn import Config, Server

        from orchestrator.rest.app import make_app

        await antroute.route("Good morning.")  # loads the encoder now, not while the first caller waits
        app = make_app(antroute.service, key=key, body_bytes=settings.limits.body_bytes)
        config = Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=FAREWELL_SECONDS,
        )
        server = Server(config)
        for number in (signal.SIGINT, signal.SIGTERM):
            # uvicorn raises a signal again once it has stopped, and the stores are yet to be closed then.
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        listener.listen()
        url = url_of(listener)
        note(f"Antroute listens on {url} (OpenAI clients: base_url={url}/v1, model=auto; stop with Ctrl-C)")
        await server.serve(sockets=[listener])


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def admin_key(settings: Settings, host: str) -> str | None:
    """The key that callers must send. Raises SettingsInvalid where the address needs a better one."""
    from orchestrator.errors import SettingsInvalid

    key = settings.server.admin_key.get_secret_value() if settings.server.admin_key else None
    if not is_loopback(host) and (key is None or len(key) < SHORTEST_KEY):
        raise SettingsInvalid(
            f"{host!r} is beyond loopback, and there is {'a weak' if key else 'no'} admin key.",
            hint=f"Set ANTROUTE_SERVER__ADMIN_KEY to {SHORTEST_KEY} or more random characters, or listen on 127.0.0.1.",
        )
    return key


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises SettingsInvalid where the address cannot be had."""
    from orchestrator.errors import SettingsInvalid

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise SettingsInvalid(
            f"Cannot listen on {host}:{port}: {exc.strerror or exc}.", hint="Choose another with --port, or --port 0."
        ) from exc
    return listener
