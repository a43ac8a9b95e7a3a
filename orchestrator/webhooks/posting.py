"""One try of one message: connects to the address that was judged, by the name in the URL; follows no redirect."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from orchestrator.webhooks.lookups import Lookups
from orchestrator.webhooks.targets import Resolve, Target, resolved

USER_AGENT = "Antroute-Webhooks/1"
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the receiver said; its body is never read."""

    status: int
    retry_at: datetime | None = None  # it asked not to be tried before


class NotSent(Exception):
    """No answer came."""


class Poster:
    """Sends over connections of their own: one that was opened for one name never carries another's message."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        allowed_private_hosts: Collection[str] = (),
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._allowed = frozenset(allowed_private_hosts)
        self._resolve = resolve or Lookups()
        self._tls = tls
        self._http: httpx.AsyncClient | None = None

    async def post(self, url: str, body: str, headers: Mapping[str, str], *, now: datetime) -> Answer:
        """Raises TargetRefused for a URL that may not be called, NotSent where nobody answered in time."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                target = await resolved(url, resolve=self._resolve, allowed_private_hosts=self._allowed)
                return await self._sent(target, body.encode(), headers, now)
        except TimeoutError as exc:
            raise NotSent(f"no answer within {self._timeout_seconds:g} s") from exc
        except httpx.HTTPError as exc:
            raise NotSent(type(exc).__name__) from exc
        except OSError as exc:
            raise NotSent("the host has no address") from exc

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def _sent(self, target: Target, body: bytes, headers: Mapping[str, str], now: datetime) -> Answer:
        """Tries the addresses in turn until one takes the connection."""
        *others, last = target.addresses
        for address in others:
            try:
                return await self._sent_to(address, target, body, headers, now)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._sent_to(last, target, body, headers, now)

    async def _sent_to(
        self, address: str, target: Target, body: bytes, headers: Mapping[str, str], now: datetime
    ) -> Answer:
        request = self._client().build_request(
            "POST",
            target.url.copy_with(host=address, fragment=None),
            content=body,
            headers={
                **headers,
                "host": target.url.netloc.decode("ascii"),
                "content-type": "application/json",
                "user-agent": USER_AGENT,
            },
            extensions={"sni_hostname": target.host},
        )
        response = await self._client().send(request, stream=True)
        try:
            return Answer(status=response.status_code, retry_at=_retry_at(response.headers.get("retry-after"), now))
        finally:
            await response.aclose()

    def _client(self) -> httpx.AsyncClient:
        """Without the environment's proxies, which would look names up again."""
        if self._http is None:
            self._http = httpx.AsyncClient(
                verify=self._tls or ssl.create_default_context(),
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(self._timeout_seconds, connect=CONNECT_SECONDS, pool=None),
                limits=httpx.Limits(max_keepalive_connections=0, max_connections=None),
            )
        return self._http


def _retry_at(text: str | None, now: datetime) -> datetime | None:
    """Of a Retry-After in seconds or as a date; None where it can be read as neither."""
    if text is None:
        return None
    try:
        seconds = float(text) if text.isdigit() else (_aware(parsedate_to_datetime(text)) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return datetime.fromtimestamp(now.timestamp() + min(max(seconds, 0.0), 86_400.0), UTC)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
