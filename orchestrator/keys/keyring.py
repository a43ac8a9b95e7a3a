"""Keys and tenants as their administrator handles them: make, look, rotate, revoke, limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.keys.key_text import ENDING_CHARACTERS, Digester, new_text
from storage.budget_records import BudgetAccount, BudgetLimits
from storage.errors import InvalidInput, RecordNotFound
from storage.key_records import KEY_ROLES, ApiKey, KeyRole, RateLimits, Tenant
from storage.records import new_id, utc_now
from storage.service_stores import KeyStore
from storage.stores import BudgetStore

DEFAULT_TENANT = "default"  # of whoever comes without a key; its account is that of the settings
GRACE_SECONDS = 24 * 3600.0  # for which a rotated key still lets in
MOST_GRACE_SECONDS = 90 * 24 * 3600.0
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
MOST_NAME_CHARACTERS = 100


@dataclass(frozen=True, kw_only=True)
class KeyWish:
    """What a key shall be."""

    name: str
    tenant: str = DEFAULT_TENANT
    role: KeyRole = "writer"
    rates: RateLimits = RateLimits()
    limits: BudgetLimits = BudgetLimits()  # of its own account; its tenant's hold beside them
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key and, this once, its text."""

    key: ApiKey
    text: str = field(repr=False)


class Keyring:
    """`on_change` hears that what may come in is not as it was, so that this process heeds it at once."""

    def __init__(
        self,
        keys: KeyStore,
        budgets: BudgetStore,
        *,
        secret: bytes,
        on_change: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = keys
        self._budgets = budgets
        self._digester = Digester(secret)
        self._on_change = on_change
        self._now = now

    async def create(self, wish: KeyWish) -> NewKey:
        """Raises InvalidInput for a name that is taken or odd, RecordNotFound for an unknown tenant."""
        now = self._now()
        _check_name(wish.name)
        if wish.expires_at is not None and wish.expires_at <= now:
            raise InvalidInput(f"expires_at is {wish.expires_at.isoformat()}, which is over.", field="expires_at")
        tenant = await self.tenant(wish.tenant)
        if any(each.name == wish.name and each.is_good(now) for each in await self._store.keys(tenant=tenant.name)):
            raise InvalidInput(
                f"Tenant {tenant.name!r} has a key named {wish.name!r}.",
                field="name",
                hint="Choose another name, or give that key a new text: antroute keys rotate ID",
            )
        key_id = new_id("key")
        await self._open(key_id, wish.limits, parent_id=tenant.account_id)
        text = new_text()
        made = ApiKey(
            id=key_id,
            name=wish.name,
            tenant=tenant.name,
            role=wish.role,
            digest=self._digester.digest(text),
            ending=text[-ENDING_CHARACTERS:],
            account_id=key_id,
            rates=wish.rates,
            created_at=now,
            expires_at=wish.expires_at,
        )
        return NewKey(key=await self._store.put(made), text=text)

    async def keys(self, *, tenant: str | None = None) -> list[ApiKey]:
        """In order of creation, also those that are revoked or have expired."""
        return await self._store.keys(tenant=tenant)

    async def get(self, key_id: str) -> ApiKey:
        """Raises RecordNotFound."""
        return await self._store.get(key_id)

    async def revoke(self, key_id: str) -> ApiKey:
        """It lets nobody in from now on: here at once, elsewhere within seconds. Raises RecordNotFound."""
        revoked = await self._store.end(key_id, at=self._now())
        self._on_change()
        return revoked

    async def rotate(self, key_id: str, *, grace_seconds: float = GRACE_SECONDS) -> NewKey:
        """A new text for the same name, role, account and rates; the old one ends after the grace period.

        One that was to expire is given as long a life again. Raises RecordNotFound; InvalidInput for a key that lets
        nobody in any more, or was rotated before.
        """
        if not 0 <= grace_seconds <= MOST_GRACE_SECONDS:
            raise InvalidInput(
                f"grace_seconds is {grace_seconds!r}; it must lie in [0, {MOST_GRACE_SECONDS:.0f}].",
                field="grace_seconds",
            )
        now, old = self._now(), await self._store.get(key_id)
        if not old.is_good(now) or old.revoked_at is not None:
            raise InvalidInput(
                f"Key {key_id!r} has ended or was rotated before.", field="key_id", hint="antroute keys create"
            )
        text = new_text()
        successor = replace(
            old,
            id=new_id("key"),
            digest=self._digester.digest(text),
            ending=text[-ENDING_CHARACTERS:],
            created_at=now,
            expires_at=None if old.expires_at is None else now + (old.expires_at - old.created_at),
            replaces=old.id,
        )
        made = await self._store.put(successor)
        await self._store.end(old.id, at=now + timedelta(seconds=grace_seconds))
        self._on_change()
        return NewKey(key=made, text=text)

    async def change_rates(self, key_id: str, rates: RateLimits) -> ApiKey:
        """Raises RecordNotFound."""
        changed = await self._store.change_rates(key_id, rates)
        self._on_change()
        return changed

    async def create_tenant(self, name: str, *, limits: BudgetLimits, rates: RateLimits) -> Tenant:
        """Raises InvalidInput for a name that is taken or odd."""
        if not _TENANT.fullmatch(name):
            raise InvalidInput(
                f"{name!r} cannot be a tenant's name: 1 to 63 of a-z, 0-9, '-' and '_', a letter or digit first.",
                field="name",
            )
        if name == DEFAULT_TENANT or any(each.name == name for each in await self._store.tenants()):
            raise InvalidInput(f"There is a tenant {name!r}.", field="name")
        account_id = f"tenant_{name}"
        await self._open(account_id, limits, parent_id=None)
        return await self._store.put_tenant(Tenant(name=name, account_id=account_id, rates=rates))

    async def change_tenant(self, name: str, rates: RateLimits) -> Tenant:
        """Raises RecordNotFound."""
        changed = await self._store.put_tenant(replace(await self.tenant(name), rates=rates))
        self._on_change()
        return changed

    async def tenants(self) -> list[Tenant]:
        """All but the one of whoever comes without a key, as long as nobody has a key of it."""
        return await self._store.tenants()

    async def tenant(self, name: str) -> Tenant:
        """The default tenant is made where it is missing. Raises RecordNotFound for another one."""
        try:
            return await self._store.tenant(name)
        except RecordNotFound:
            if name != DEFAULT_TENANT:
                raise RecordNotFound(f"No tenant {name!r}.", hint=f"Make it: antroute tenants create {name}") from None
        await self._open(DEFAULT_TENANT, BudgetLimits(), parent_id=None)
        return await self._store.put_tenant(Tenant(name=DEFAULT_TENANT, account_id=DEFAULT_TENANT))

    async def _open(self, account_id: str, limits: BudgetLimits, *, parent_id: str | None) -> None:
        """Opens the account unless it is there, whose limits stay."""
        try:
            await self._budgets.get(account_id)
        except RecordNotFound:
            await self._budgets.open(BudgetAccount.of(account_id, limits, parent_id=parent_id))


def role_of(word: str) -> KeyRole:
    """Raises InvalidInput for a word that is no role."""
    for role in KEY_ROLES:
        if word == role:
            return role
    raise InvalidInput(f"No role {word!r}; known: {', '.join(KEY_ROLES)}.", field="role")


def _check_name(name: str) -> None:
    if not (1 <= len(name) <= MOST_NAME_CHARACTERS and name.isprintable() and name == name.strip()):
        raise InvalidInput(
            f"{name[:MOST_NAME_CHARACTERS]!r} cannot be a key's name: 1 to {MOST_NAME_CHARACTERS} printable "
            "characters, none of them a blank at either end.",
            field="name",
        )
