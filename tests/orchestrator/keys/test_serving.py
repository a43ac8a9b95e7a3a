"""Who may come in, by settings, address and the keys that there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import SettingsInvalid
from orchestrator.keys.keyring import Keyring, KeyWish
from orchestrator.keys.serving import rules_for
from orchestrator.settings import Settings
from storage.key_records import KeyRole
from storage.registry import open_stores
from tests.conftest import scripted_settings

STRONG = "k" * 32
BEYOND = "0.0.0.0"
SECRET = "s" * 40


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'a.db'}"


def settings(store_url: str, **server: Any) -> Settings:
    return scripted_settings(store_url=store_url, server={"secret": SECRET, **server})


async def made(store_url: str, *roles: KeyRole) -> list[str]:
    stores = await open_stores(store_url)
    keyring = Keyring(stores.keys, stores.budgets, secret=SECRET.encode())
    ids = [(await keyring.create(KeyWish(name=role, role=role))).key.id for role in roles]
    await stores.close()
    return ids


async def revoked(store_url: str, key_id: str) -> None:
    stores = await open_stores(store_url)
    await Keyring(stores.keys, stores.budgets, secret=SECRET.encode()).revoke(key_id)
    await stores.close()


async def test_beyond_loopback_nobody_listens_without_an_admins_key(store_url: str) -> None:
    await made(store_url, "operator", "writer", "reader")
    with pytest.raises(SettingsInvalid, match="no admin key") as refused:
        await rules_for(settings(store_url), BEYOND)
    assert "antroute keys create admin --role admin" in refused.value.hint
    assert "ANTROUTE_SERVER__ADMIN_KEY" in refused.value.hint


async def test_admins_key_of_the_store_opens_the_door_and_all_must_send_one(store_url: str) -> None:
    await made(store_url, "admin")
    rules = await rules_for(settings(store_url), BEYOND)
    assert (rules.demands_key, rules.admin_key) == (True, None)


async def test_admins_key_that_was_revoked_opens_nothing(store_url: str) -> None:
    [key_id] = await made(store_url, "admin")
    await revoked(store_url, key_id)
    with pytest.raises(SettingsInvalid, match="no admin key"):
        await rules_for(settings(store_url), BEYOND)


async def test_weak_admin_key_of_the_settings_is_refused_although_the_store_has_a_good_one(store_url: str) -> None:
    await made(store_url, "admin")
    with pytest.raises(SettingsInvalid, match="has 31 characters") as refused:
        await rules_for(settings(store_url, admin_key=STRONG[1:]), BEYOND)
    assert STRONG[1:] not in f"{refused.value} {refused.value.hint}"


async def test_strong_admin_key_of_the_settings_needs_no_store(tmp_path: Path) -> None:
    rules = await rules_for(settings(f"sqlite:///{tmp_path / 'none.db'}", admin_key=STRONG), BEYOND)
    assert rules.demands_key
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("server", "demands_key"),
    [({}, False), ({"requires_key": True}, True), ({"admin_key": "weak"}, True)],
    ids=range(3),
)
async def test_on_loopback_a_key_is_demanded_only_where_the_settings_say_so(
    server: dict[str, Any], demands_key: bool, store_url: str
) -> None:
    await made(store_url, "admin")
    assert (await rules_for(settings(store_url, **server), "127.0.0.1")).demands_key is demands_key


async def test_rules_show_no_secret(store_url: str) -> None:
    storage = "redis://:hunter2@localhost:1"
    rules = await rules_for(settings(store_url, admin_key=STRONG, rate_limit_storage=storage), "127.0.0.1")
    assert rules.rate_limit_storage == storage
    for secret in (STRONG, SECRET, "hunter2"):
        assert secret not in repr(rules)
