"""Sends one HTTP request to one server, and nowhere else: no foreign redirects, no private address by surprise."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from skills.errors import SkillError, SkillFailed, SkillRefused, SkillUnavailable
from skills.libraries.openapi_request import HttpRequest

if TYPE_CHECKING:
    import httpx

MAX_RESPONSE_BYTES = 256 * 1024
MAX_REDIRECTS = 3  # within the server, of a GET
FETCH_SECONDS = 30.0
SHOWN_CHARACTERS = 1000  # of a response that is an error
_NOT_TAKEN = (429, 503)  # the server says that it has not done what was asked
_GATEWAY = (502, 504)  # what stands behind it may have done it: only a GET is sent again
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/x-www-form-urlencoded")


class HttpCaller:
    """Calls one server. Proxies and keys of the environment are not used."""

    def __init__(
        self, *, base_url: str, headers: Mapping[str, str], may_be_private: bool, timeout_seconds: float
    ) -> None:
        """`may_be_private`: the operator named this server. Raises SkillFailed for what is no http or https URL."""
        self.base = _checked(base_url)
        self.headers = headers
        self.may_be_private = may_be_private
        self.timeout_seconds = timeout_seconds

    async def call(self, name: str, request: HttpRequest) -> str:
        """The response as text of at most MAX_RESPONSE_BYTES.

        SkillRefused: status 4xx; SkillUnavailable: nothing was done, and another moment may be better; SkillFailed: all
        else.
        """
        import httpx

        try:
            async with asyncio.timeout(self.timeout_seconds):
                status, headers, content = await self._answer(request, MAX_RESPONSE_BYTES)
        except TimeoutError as exc:
            raise SkillFailed(f"{name!r}: no answer from {self.base.netloc} in {self.timeout_seconds:g} s.") from exc
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:  # nothing was sent
            message = f"{name!r}: {self.base.netloc} could not be asked: {exc or type(exc).__name__}."
            raise SkillUnavailable(message, hint="Try another skill.") from exc
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as exc:
            raise SkillFailed(f"{name!r}: {self.base.netloc} could not be asked: {exc or type(exc).__name__}.") from exc
        text = _text(headers.get("content-type", ""), content)
        if 200 <= status < 300:
            return text or f"(status {status}, nothing else)"
        message = f"{name!r}: {self.base.netloc} answered {status}: {text[:SHOWN_CHARACTERS]}"
        if status in _NOT_TAKEN or (status in _GATEWAY and request.method == "GET"):
            raise SkillUnavailable(message, hint="Try another skill.", retry_after_seconds=_retry_after(headers))
        if 400 <= status < 500 and status not in (401, 403, 408, 429):
            raise SkillRefused(message, hint="Try other arguments.")
        raise SkillFailed(message, hint="Try another skill.")

    @classmethod
    async def fetched(cls, url: str, *, most_bytes: int) -> bytes:
        """What is at a URL that the operator named. Raises SkillError."""
        import httpx

        caller = cls(base_url=url, headers={}, may_be_private=True, timeout_seconds=FETCH_SECONDS)
        target = urlunsplit(("", "", "", caller.base.query, ""))
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                request = HttpRequest(method="GET", target=target, headers={})
                status, _, content = await caller._answer(request, most_bytes + 1)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as exc:  # TimeoutError is an OSError
            raise SkillError(f"{url!r} could not be fetched: {exc or type(exc).__name__}.") from exc
        if status != 200:
            raise SkillError(f"{url!r} could not be fetched: status {status}.")
        if len(content) > most_bytes:
            raise SkillError(f"{url!r} has more than {most_bytes} bytes.")
        return content

    async def _answer(self, request: HttpRequest, most_bytes: int) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and the first bytes of the content."""
        import httpx

        address = await self._address()
        url = self._url(request.target)
        async with httpx.AsyncClient(trust_env=False, timeout=self.timeout_seconds) as client:
            for _ in range(MAX_REDIRECTS + 1):
                status, headers, content = await self._sent(client, url, address, request, most_bytes)
                following = urljoin(url, headers.get("location", ""))
                if status not in (301, 302, 303, 307, 308) or request.method != "GET":
                    return status, headers, content
                if _origin(urlsplit(following)) != _origin(self.base):
                    raise SkillFailed(
                        f"{self.base.netloc} leads to another server, {urlsplit(following).netloc!r:.80}."
                    )
                url = following
        raise SkillFailed(f"{self.base.netloc} leads from one address to the next more than {MAX_REDIRECTS} times.")

    def _url(self, target: str) -> str:
        """`target` behind the server's own path, if it has one."""
        path = self.base.path.rstrip("/") if target.startswith("/") else self.base.path
        return urlunsplit((self.base.scheme, self.base.netloc, path, "", "")) + target

    async def _sent(
        self, client: httpx.AsyncClient, url: str, address: str, request: HttpRequest, most_bytes: int
    ) -> tuple[int, httpx.Headers, bytes]:
        """Connects to `address`, which was checked, while the server and its certificate go by their name."""
        parts = urlsplit(url)
        host = f"[{address}]" if ":" in address else address
        netloc = host if parts.port is None else f"{host}:{parts.port}"
        headers = {**request.headers, **self.headers, "Host": parts.netloc, "Accept-Encoding": "identity"}
        async with client.stream(
            request.method,
            urlunsplit((parts.scheme, netloc, parts.path, parts.query, "")),
            headers={"Accept": "application/json, text/*;q=0.9, */*;q=0.5", **headers},
            content=request.content or None,
            extensions={"sni_hostname": parts.hostname or ""},
        ) as response:
            content = b""
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) >= most_bytes:
                    break
            return response.status_code, response.headers, content[:most_bytes]

    async def _address(self) -> str:
        """The server's first address. Raises SkillFailed for a private one that no operator named."""
        port = self.base.port or (443 if self.base.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.base.hostname, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        private = [address for address in addresses if not _is_public(address)]
        if private and not self.may_be_private:
            raise SkillFailed(
                f"{self.base.netloc} is at {private[0]}, which is no public address;"
                " the operator may name it as the library's `base_url`."
            )
        return addresses[0]


def _checked(url: str) -> SplitResult:
    if not url:
        raise SkillFailed("The document names no server; the operator can name one as the library's `base_url`.")
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as exc:
        raise SkillFailed(f"{url!r:.200} is no URL: {exc}.") from exc
    if not is_usable or parts.username is not None:
        raise SkillFailed(f"{url!r:.200} is no server's URL; `https://host/path` without a password would be right.")
    return parts


def _is_public(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None) or ip
    return bool(ip.is_global and mapped.is_global and not ip.is_multicast)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port


def _retry_after(headers: httpx.Headers) -> float | None:
    """In whole seconds, as nearly all servers write it; None for a date, and where it is not told."""
    told = headers.get("retry-after", "").strip()
    return float(told) if told.isascii() and told.isdigit() and len(told) < 10 else None


def _text(kind: str, content: bytes) -> str:
    plain = kind.partition(";")[0].strip().lower()
    if plain and not plain.startswith(_TEXT_TYPES) and not plain.endswith(("+json", "+xml")):
        return f"({len(content)} bytes of {plain[:80]})"
    return content.decode("utf-8", "replace")
