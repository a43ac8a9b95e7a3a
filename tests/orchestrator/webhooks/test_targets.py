"""A caller's URL reaches nothing that only we can reach."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from orchestrator.webhooks.lookups import Lookups
from orchestrator.webhooks.targets import TargetRefused, checked_url, is_public, resolved

INWARD = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.7", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "168.63.129.16", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::1", "2002:c0a8:101::1", "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip
OUTWARD = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]


@pytest.mark.parametrize("address", INWARD)
def test_address_that_is_not_of_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", OUTWARD)
def test_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", INWARD)
async def test_name_with_an_inward_address_is_refused_even_beside_a_public_one(address: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34", address]

    with pytest.raises(TargetRefused, match="not public"):
        await resolved("https://hooks.example.com/in", resolve=resolve)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example.com/in", "over https only"),
        ("ftp://hooks.example.com/in", "no https"),
        ("hooks.example.com/in", "no https"),
        ("https:///in", "no https"),
        ("file:///etc/passwd", "no https"),
        ("https://user:word@hooks.example.com/", "no user or password"),
        ("https://127.0.0.1/", "not a public address"),
        ("https://[::1]/", "not a public address"),
        ("https://[::ffff:10.0.0.1]/", "not a public address"),
        ("https://hooks.example.com:99999/", "ports go from"),
        ("https://hooks.example.com:eighty/", "is no URL"),
        ("https://hooks.example.com/" + "x" * 2048, "at most 2048"),
    ],
)
def test_url_that_may_not_be_called_is_refused_at_once(url: str, why: str) -> None:
    with pytest.raises(TargetRefused, match=why) as caught:
        checked_url(url)
    assert caught.value.field == "webhook_url"


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
async def test_loopback_by_another_spelling_is_refused(host: str) -> None:
    """The system's resolver reads these numbers as addresses; what it says is judged."""
    with pytest.raises((TargetRefused, OSError)):
        await resolved(f"https://{host}/", resolve=Lookups())


async def test_address_is_looked_up_once_and_kept() -> None:
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["93.184.216.34", "93.184.216.34", "1.1.1.1"]

    target = await resolved("https://HOOKS.example.com:8443/in?x=1", resolve=resolve)
    assert asked == [("hooks.example.com", 8443)]
    assert target.addresses == ("93.184.216.34", "1.1.1.1")
    assert (target.host, target.port) == ("hooks.example.com", 8443)


async def test_host_that_the_operator_allows_may_be_private_and_plain() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["10.0.0.7"]

    target = await resolved("http://hooks.internal/in", resolve=resolve, allowed_private_hosts=["Hooks.Internal"])
    assert target.port == 80
    with pytest.raises(TargetRefused):
        await resolved("https://other.internal/in", resolve=resolve, allowed_private_hosts=["hooks.internal"])
