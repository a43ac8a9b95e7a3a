"""What an administrator does with keys and tenants."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from orchestrator.keys.keyring import Keyring, KeyWish
from orchestrator.keys.views import key_state, key_view, new_key_view
from storage.budget_records import Amount, BudgetLimits
from storage.errors import BudgetExceeded, InvalidInput, RecordNotFound
from storage.key_records import RateLimits
from storage.stores import Stores
from tests.orchestrator.keys.clocks import Clock


async def test_text_is_told_once_and_neither_stored_nor_shown_again(keyring: Keyring, stores: Stores) -> None:
    new = await keyring.create(KeyWish(name="bot"))
    assert new.text not in repr(new)
    [listed] = await keyring.keys()
    assert new.text not in repr(listed)
    assert listed.ending == new.text[-4:]
    log = "".join(event.canonical for event in await stores.audit.events())
    assert new.text not in log
    assert "key_created" in {event.kind for event in await stores.audit.events()}


async def test_view_shows_neither_text_nor_digest(keyring: Keyring, clock: Clock) -> None:
    new = await keyring.create(KeyWish(name="bot"))
    view = key_view(new.key, now=clock.now())
    assert new.text not in str(view)
    assert new.key.digest not in str(view)
    assert new_key_view(new, now=clock.now())["key"] == new.text


async def test_key_spends_within_its_own_limits_and_its_tenants(keyring: Keyring, stores: Stores) -> None:
    await keyring.create_tenant("sales", limits=BudgetLimits(usd=Decimal(3)), rates=RateLimits())
    wishes = [KeyWish(name=name, tenant="sales", limits=BudgetLimits(usd=Decimal(2))) for name in ("one", "two")]
    one, two = [(await keyring.create(wish)).key for wish in wishes]
    with pytest.raises(BudgetExceeded):
        await stores.budgets.hold(one.account_id, Amount(usd=Decimal("2.5")), expires_in_seconds=60)
    await stores.budgets.hold(one.account_id, Amount(usd=Decimal(2)), expires_in_seconds=60)
    with pytest.raises(BudgetExceeded):
        await stores.budgets.hold(two.account_id, Amount(usd=Decimal(2)), expires_in_seconds=60)
    assert (await stores.budgets.get("tenant_sales")).held_usd == 2


async def test_two_good_keys_of_a_tenant_have_two_names(keyring: Keyring) -> None:
    first = await keyring.create(KeyWish(name="bot"))
    with pytest.raises(InvalidInput, match="has a key named 'bot'"):
        await keyring.create(KeyWish(name="bot"))
    await keyring.revoke(first.key.id)
    assert (await keyring.create(KeyWish(name="bot"))).key.id != first.key.id


async def test_key_of_an_unknown_tenant_is_refused_with_the_command_that_makes_it(keyring: Keyring) -> None:
    with pytest.raises(RecordNotFound, match="No tenant 'sales'") as refused:
        await keyring.create(KeyWish(name="bot", tenant="sales"))
    assert refused.value.hint == "Make it: antroute tenants create sales"


@pytest.mark.parametrize("name", ["", " bot", "b\not", "x" * 101, "\x00"])
async def test_odd_name_of_a_key_is_refused(name: str, keyring: Keyring) -> None:
    with pytest.raises(InvalidInput, match="cannot be a key's name"):
        await keyring.create(KeyWish(name=name))


@pytest.mark.parametrize("name", ["", "Sales", "_x", "a b", "a" * 64, "../x", "é", "default"])
async def test_odd_or_taken_name_of_a_tenant_is_refused(name: str, keyring: Keyring) -> None:
    with pytest.raises(InvalidInput):
        await keyring.create_tenant(name, limits=BudgetLimits(), rates=RateLimits())


async def test_tenant_is_made_once(keyring: Keyring) -> None:
    await keyring.create_tenant("sales", limits=BudgetLimits(), rates=RateLimits())
    with pytest.raises(InvalidInput, match="There is a tenant 'sales'"):
        await keyring.create_tenant("sales", limits=BudgetLimits(usd=Decimal(9)), rates=RateLimits())


async def test_rotated_key_lets_in_until_its_grace_is_over(keyring: Keyring, clock: Clock) -> None:
    old = (await keyring.create(KeyWish(name="bot", expires_at=clock.now() + timedelta(days=30)))).key
    clock.passes(24 * 3600)
    new = await keyring.rotate(old.id, grace_seconds=3600)
    assert new.key.replaces == old.id
    assert (new.key.account_id, new.key.role, new.key.name) == (old.account_id, old.role, old.name)
    assert new.key.expires_at == clock.now() + timedelta(days=30)
    states = [key_state(key, now=clock.now()) for key in await keyring.keys()]
    assert states == ["rotated", "good"]
    clock.passes(3600)
    assert [key_state(key, now=clock.now()) for key in await keyring.keys()] == ["revoked", "good"]


async def test_rotated_key_can_be_revoked_before_its_grace_is_over(keyring: Keyring, clock: Clock) -> None:
    old = (await keyring.create(KeyWish(name="bot"))).key
    await keyring.rotate(old.id)
    assert not (await keyring.revoke(old.id)).is_good(clock.now())


async def test_key_that_has_ended_or_was_rotated_is_not_rotated(keyring: Keyring) -> None:
    ended = (await keyring.create(KeyWish(name="ended"))).key
    await keyring.revoke(ended.id)
    rotated = (await keyring.create(KeyWish(name="rotated"))).key
    await keyring.rotate(rotated.id)
    for key in (ended, rotated):
        with pytest.raises(InvalidInput, match="has ended or was rotated before"):
            await keyring.rotate(key.id)
    with pytest.raises(RecordNotFound):
        await keyring.rotate("key_none")


async def test_grace_beyond_measure_is_refused(keyring: Keyring) -> None:
    key = (await keyring.create(KeyWish(name="bot"))).key
    for grace in (-1.0, 1e9, float("nan")):
        with pytest.raises(InvalidInput, match="grace_seconds"):
            await keyring.rotate(key.id, grace_seconds=grace)


async def test_key_that_would_have_expired_is_refused(keyring: Keyring, clock: Clock) -> None:
    with pytest.raises(InvalidInput, match="which is over"):
        await keyring.create(KeyWish(name="bot", expires_at=clock.now()))
