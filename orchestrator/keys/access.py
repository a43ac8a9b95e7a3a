"""Who stands at the door: from a request's headers to a visitor, or to the words with which it is turned away."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.errors import NotAuthenticated, NotPermitted
from orchestrator.identity import LOCAL, Identity
from orchestrator.keys.authenticator import WRONG_KEY, Authenticator, Visitor
from orchestrator.keys.key_text import PREFIX
from orchestrator.keys.rates import Rates, refusal
from orchestrator.loopback import host_of, is_loopback

FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})  # what proxies add
LONGEST_KEY = 512  # bytes of a header's key that are looked at
LOCAL_VISITOR = Visitor(identity=LOCAL)
STRANGER = Visitor(identity=Identity(tenant="", principal="stranger", role="reader", account_id=""))


@dataclass(frozen=True, kw_only=True)
class AccessRules:
    """What the operator's settings say of the door."""

    admin_key: str | None = field(default=None, repr=False)
    requires_key: bool = False  # an admin key demands one, too
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    rate_limit_storage: str | None = field(default=None, repr=False)  # None: in this process

    @property
    def demands_key(self) -> bool:
        """Whether nobody comes in without one; else whoever sends none is the local operator."""
        return self.requires_key or self.admin_key is not None


class Access:
    """Where no key is demanded, only a text that begins like one of ours is taken for a key: many clients must send
    some key, and send any.
    """

    def __init__(self, authenticator: Authenticator, rates: Rates, *, demands_key: bool) -> None:
        self._authenticator = authenticator
        self._rates = rates
        self._demands_key = demands_key

    def stranger(self, host: str) -> Visitor:
        """Of routes that take no key. Raises NotPermitted as `visitor` does."""
        if not self._demands_key:
            require_loopback(host)
        return STRANGER

    async def visitor(self, headers: Mapping[bytes, bytes], *, host: str, client: str) -> Visitor:
        """Raises NotAuthenticated, NotPermitted for a name that is not this machine's, RateLimited after wrong keys."""
        authorization = headers.get(b"authorization", b"")
        text = key_in(authorization)
        if not self._demands_key and (text is None or not text.startswith(PREFIX)):
            require_loopback(host)
            require_this_machine(headers)
            return LOCAL_VISITOR
        if text is None:
            raise NotAuthenticated(WRONG_KEY)
        failures = await self._rates.failures(client)
        try:
            return await self._authenticator.visitor(text, may_ask=not failures.is_refused)
        except NotAuthenticated as error:
            if failures.is_refused:
                message = f"{failures.limit} wrong keys in a minute came from this address; no more are looked up."
                raise refusal(message, failures.wait_seconds) from error
            await self._rates.failed(client)
            raise


def require_loopback(host: str) -> None:
    """Raises NotPermitted: a web page's own name may be bent to this address."""
    if not is_loopback(host_of(host)):
        raise NotPermitted(
            f"Host {host!r} is not this machine: without a key only loopback names are served.",
            hint="Use http://127.0.0.1, or make a key (`antroute keys create`) and send it.",
        )


def require_this_machine(headers: Mapping[bytes, bytes]) -> None:
    """Raises NotPermitted for what a page from elsewhere has a browser send, and for what a proxy passes on."""
    origin = headers.get(b"origin")
    if origin is not None and not is_loopback(host_of(origin.decode("latin-1").rpartition("//")[2])):
        raise NotPermitted(
            f"A page of {origin.decode('latin-1')!r} is not this machine's: without a key it may ask nothing.",
            hint="Make a key (`antroute keys create`) and send it.",
        )
    if not FORWARDED.isdisjoint(headers):
        raise NotPermitted(
            "A proxy passed this on, so that nobody knows whether the asker is the local operator.",
            hint="Set `server.requires_key: true`, make a key (`antroute keys create`) and send it.",
        )


def key_in(authorization: bytes) -> str | None:
    """The key in the header `Authorization: Bearer KEY`; None where there is none that could be one."""
    if len(authorization) > LONGEST_KEY:
        return None
    scheme, _, sent = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    try:
        return sent.strip().decode() or None
    except UnicodeDecodeError:
        return None
