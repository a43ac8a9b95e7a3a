"""Whether a name means this machine and no other."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """True for `localhost` and every loopback address; any other name could be bent to any address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The host in an HTTP `Host` header, without port and brackets."""
    host, _, port = header.rpartition(":")
    return (host if port.isdigit() and host else header).strip("[]")
