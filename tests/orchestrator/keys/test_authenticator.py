"""From a key's text to who comes in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.errors import NotAuthenticated
from orchestrator.keys.authenticator import REMEMBERED_SECONDS, Authenticator
from orchestrator.keys.key_text import new_text
from orchestrator.keys.keyring import Keyring, KeyWish
from storage.budget_records import BudgetLimits
from storage.key_records import ApiKey, RateLimits
from storage.service_stores import KeyStore
from storage.stores import Stores
from tests.orchestrator.keys.clocks import SECRET, Clock


class CountedKeys:
    """A key store that counts how often it is asked for a digest."""

    def __init__(self, keys: KeyStore) -> None:
        self.keys, self.asked = keys, 0

    async def of_digest(self, digest: str) -> ApiKey | None:
        self.asked += 1
        return await self.keys.of_digest(digest)

    def __getattr__(self, name: str) -> object:
        return getattr(self.keys, name)


async def test_key_comes_in_as_its_tenant_with_its_role_and_account(
    keyring: Keyring, authenticator: Authenticator
) -> None:
    rates = RateLimits(requests_per_minute=5)
    await keyring.create_tenant("sales", limits=BudgetLimits(), rates=RateLimits(parallel_requests=2))
    new = await keyring.create(KeyWish(name="bot", tenant="sales", role="reader", rates=rates))
    visitor = await authenticator.visitor(new.text)
    identity = visitor.identity
    assert (identity.tenant, identity.principal, identity.role) == ("sales", "bot", "reader")
    assert (identity.account_id, identity.key_id) == (new.key.account_id, new.key.id)
    assert (visitor.key_rates, visitor.tenant_rates) == (rates, RateLimits(parallel_requests=2))


async def test_admin_key_of_the_settings_is_an_admin(authenticator: Authenticator) -> None:
    assert (await authenticator.visitor("a" * 40)).identity.role == "admin"
    for text in ("a" * 39, "a" * 41, "b" * 40, ""):
        with pytest.raises(NotAuthenticated):
            await authenticator.visitor(text)


async def test_unknown_key_is_refused(authenticator: Authenticator) -> None:
    with pytest.raises(NotAuthenticated):
        await authenticator.visitor(new_text())


async def test_key_made_with_another_secret_is_refused(keyring: Keyring, stores: Stores) -> None:
    new = await keyring.create(KeyWish(name="bot"))
    with pytest.raises(NotAuthenticated):
        await Authenticator(stores.keys, secret=b"t" * 48).visitor(new.text)


async def test_store_is_asked_once_in_a_while(keyring: Keyring, stores: Stores, clock: Clock) -> None:
    counted = CountedKeys(stores.keys)
    authenticator = Authenticator(counted, secret=SECRET, clock=clock, now=clock.now)  # type: ignore[arg-type]
    new = await keyring.create(KeyWish(name="bot"))
    for _ in range(10):
        await authenticator.visitor(new.text)
    assert counted.asked == 1
    clock.passes(REMEMBERED_SECONDS)
    await authenticator.visitor(new.text)
    assert counted.asked == 2


async def test_what_is_no_key_never_reaches_the_store(stores: Stores) -> None:
    counted = CountedKeys(stores.keys)
    authenticator = Authenticator(counted, secret=SECRET)  # type: ignore[arg-type]
    for text in ("", "x" * 500, "ak_' OR 1=1; --", "ак_" + "x" * 43):
        with pytest.raises(NotAuthenticated):
            await authenticator.visitor(text)
    assert counted.asked == 0


async def test_revoked_key_is_refused_at_once_here(keyring: Keyring, authenticator: Authenticator) -> None:
    new = await keyring.create(KeyWish(name="bot"))
    await authenticator.visitor(new.text)
    await keyring.revoke(new.key.id)
    with pytest.raises(NotAuthenticated, match="was revoked"):
        await authenticator.visitor(new.text)


async def test_key_revoked_by_another_process_is_refused_soon(
    keyring: Keyring, stores: Stores, authenticator: Authenticator, clock: Clock
) -> None:
    new = await keyring.create(KeyWish(name="bot"))
    await authenticator.visitor(new.text)
    await stores.keys.end(new.key.id, at=clock.now())
    clock.passes(REMEMBERED_SECONDS)
    assert REMEMBERED_SECONDS <= 5
    with pytest.raises(NotAuthenticated, match="was revoked"):
        await authenticator.visitor(new.text)


async def test_key_expires_to_the_moment_although_it_is_remembered(
    keyring: Keyring, authenticator: Authenticator, clock: Clock
) -> None:
    new = await keyring.create(KeyWish(name="bot", expires_at=clock.now() + timedelta(seconds=1)))
    await authenticator.visitor(new.text)
    clock.passes(1)
    with pytest.raises(NotAuthenticated, match="has expired"):
        await authenticator.visitor(new.text)


async def test_key_never_seen_is_not_looked_up_for_whoever_sent_many_wrong_ones(
    keyring: Keyring, authenticator: Authenticator, clock: Clock
) -> None:
    seen, unseen = [await keyring.create(KeyWish(name=name)) for name in ("seen", "unseen")]
    await authenticator.visitor(seen.text)
    clock.passes(100)
    assert (await authenticator.visitor(seen.text, may_ask=False)).identity.principal == "seen"
    with pytest.raises(NotAuthenticated):
        await authenticator.visitor(unseen.text, may_ask=False)
