"""Who may come in while the service listens: from the settings, the address, and the keys that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import SettingsInvalid
from orchestrator.keys.access import AccessRules
from orchestrator.loopback import is_loopback
from orchestrator.secret import service_secret
from storage.records import utc_now
from storage.registry import open_stores

if TYPE_CHECKING:
    from orchestrator.settings import Settings

SHORTEST_KEY = 32  # characters of the settings' admin key


async def rules_for(settings: Settings, host: str) -> AccessRules:
    """Raises SettingsInvalid where the address is beyond loopback and no admin has a good key, or a weak one."""
    server = settings.server
    admin_key = server.admin_key.get_secret_value() if server.admin_key else None
    is_beyond = not is_loopback(host)
    if is_beyond and admin_key is not None and len(admin_key) < SHORTEST_KEY:
        raise SettingsInvalid(
            f"{host!r} is beyond loopback, and server.admin_key has {len(admin_key)} characters.",
            hint=f"Set ANTROUTE_SERVER__ADMIN_KEY to {SHORTEST_KEY} or more random characters, or unset it.",
        )
    if is_beyond and admin_key is None and not await has_admin(settings.store_url):
        raise SettingsInvalid(
            f"{host!r} is beyond loopback, and there is no admin key.",
            hint="Make one: antroute keys create admin --role admin (with the --store of the service); "
            f"or set ANTROUTE_SERVER__ADMIN_KEY to {SHORTEST_KEY} or more random characters; or listen on 127.0.0.1.",
        )
    storage = server.rate_limit_storage
    return AccessRules(
        admin_key=admin_key,
        requires_key=server.requires_key or is_beyond,
        secret=service_secret(settings),
        rate_limit_storage=None if storage is None else storage.get_secret_value(),
    )


async def has_admin(store_url: str) -> bool:
    """Whether an admin's key in this store is good."""
    stores, now = await open_stores(store_url), utc_now()
    try:
        return any(key.role == "admin" and key.is_good(now) for key in await stores.keys.keys())
    finally:
        await stores.close()
