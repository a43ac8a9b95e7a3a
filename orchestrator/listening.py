"""A socket to listen on, and the address that it is reached at."""

from __future__ import annotations

import socket


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises SettingsInvalid where the address cannot be had."""
    from orchestrator.errors import SettingsInvalid

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, else asyncio leaves TCP_NODELAY alone and answers wait for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise SettingsInvalid(
            f"Cannot listen on {host}:{port}: {exc.strerror or exc}.", hint="Choose another with --port, or --port 0."
        ) from exc
    return listener
