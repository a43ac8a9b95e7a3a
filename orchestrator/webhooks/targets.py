"""Which URLs a message may go to, and at which addresses: a caller's URL must not reach what only we can reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

from storage.errors import InvalidInput

Resolve = Callable[[str, int], Awaitable[list[str]]]  # host and port to addresses; raises OSError

LONGEST_URL = 2048
MOST_ADDRESSES = 4  # of one host that are tried in turn
DEFAULT_PORTS = {"https": 443, "http": 80}
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last four bytes are the IPv4 address that is reached
METADATA = frozenset({IPv4Address("168.63.129.16")})  # public by its number, yet Azure's own host for its machines


class TargetRefused(InvalidInput):
    """This URL may not be called."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to connect, and by which name: the addresses are final, nobody looks the name up again."""

    url: httpx.URL
    host: str  # for `Host` and for TLS
    port: int
    addresses: tuple[str, ...]


def checked_url(url: str, *, allowed_private_hosts: Collection[str] = ()) -> httpx.URL:
    """The URL, as far as it can be judged without looking its name up. Raises TargetRefused."""
    try:
        parsed = httpx.URL(url) if len(url) <= LONGEST_URL else None
    except (httpx.InvalidURL, ValueError) as exc:
        raise _refused(f"{url!r} is no URL: {exc}.") from exc
    if parsed is None:
        raise _refused(f"The webhook's URL has {len(url)} characters; at most {LONGEST_URL} are taken.")
    if parsed.scheme not in DEFAULT_PORTS or not parsed.host:
        raise _refused(f"{url!r} is no https:// URL.")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise _refused(f"{url!r} names port {parsed.port}; ports go from 1 to 65535.")
    if parsed.userinfo:
        raise _refused("A webhook's URL holds no user or password.", hint="Messages are signed: check the signature.")
    is_allowed = _is_named(parsed, allowed_private_hosts)
    if parsed.scheme == "http" and not is_allowed:
        raise _refused(f"{url!r}: messages go over https only.", hint=_hint(parsed))
    literal = _literal(parsed.host)
    if literal is not None and not is_allowed and not is_public(literal):
        raise _refused(f"{parsed.host!r} is not a public address.", hint=_hint(parsed))
    return parsed


async def resolved(url: str, *, resolve: Resolve, allowed_private_hosts: Collection[str] = ()) -> Target:
    """Looks the host up once. Raises TargetRefused where any of its addresses is not public; OSError for none."""
    parsed = checked_url(url, allowed_private_hosts=allowed_private_hosts)
    port = parsed.port or DEFAULT_PORTS[parsed.scheme]
    host = parsed.raw_host.decode("ascii")
    found = list(dict.fromkeys(await resolve(host, port)))
    if not found:
        raise OSError(f"no address for {host!r}")
    if not _is_named(parsed, allowed_private_hosts) and not all(is_public(ip_address(each)) for each in found):
        raise _refused(f"{host!r} has an address that is not public.", hint=_hint(parsed))
    return Target(url=parsed, host=host, port=port, addresses=tuple(found[:MOST_ADDRESSES]))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it belongs to the internet at large, and so does the IPv4 address that is packed into it, if any."""
    packed = _packed(address)
    if packed is not None:
        return is_public(packed)
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    is_special = address.is_multicast or address.is_reserved or address.is_unspecified or address in METADATA
    return address.is_global and not is_special


def _packed(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Of a mapped, a 6to4, a Teredo or a NAT64 address."""
    if isinstance(address, IPv4Address):
        return None
    if address.teredo is not None:
        return address.teredo[1]
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_named(url: httpx.URL, hosts: Collection[str]) -> bool:
    return url.host.lower() in {host.lower().strip("[]") for host in hosts}


def _refused(message: str, *, hint: str | None = None) -> TargetRefused:
    return TargetRefused(message, field="webhook_url", hint=hint)


def _hint(url: httpx.URL) -> str:
    return f"Where {url.host!r} is your own, the operator can add it to `webhooks.allowed_private_hosts`."
