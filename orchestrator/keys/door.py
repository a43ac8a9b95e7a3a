"""The parts of the door, put together: what hears of a change in the keys, and what counts with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.keys.access import Access, AccessRules
from orchestrator.keys.authenticator import Authenticator
from orchestrator.keys.keyring import Keyring
from orchestrator.keys.rates import Rates
from storage.stores import Stores

if TYPE_CHECKING:
    from orchestrator.keys.rate_windows import RateWindows


@dataclass(frozen=True, kw_only=True)
class Door:
    keyring: Keyring
    access: Access
    rates: Rates


def make_door(stores: Stores, rules: AccessRules) -> Door:
    """Raises SettingsInvalid for a storage of rate limits that cannot be used."""
    authenticator = Authenticator(stores.keys, secret=rules.secret, admin_key=rules.admin_key)

    def windows() -> RateWindows:
        from orchestrator.keys.rate_windows import RateWindows

        return RateWindows.at(rules.rate_limit_storage)

    rates = Rates(windows)
    if rules.demands_key or rules.rate_limit_storage is not None:
        _ = rates.windows  # now, and not while the first caller waits
    return Door(
        keyring=Keyring(stores.keys, stores.budgets, secret=rules.secret, on_change=authenticator.forget),
        access=Access(authenticator, rates, demands_key=rules.demands_key),
        rates=rates,
    )
