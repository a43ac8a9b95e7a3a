"""What the settings put around the router, outermost first: SessionRouter, PacedRouter, FallbackRouter."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.routing_settings import PaceSettings
from orchestrator.settings import Settings
from routing.base import Router
from routing.pacing import Allowance, PacedRouter
from routing.sessions import SessionRouter, SessionRules
from routing.wrappers import FallbackRouter
from storage.records import utc_now
from storage.stores import Stores

LONGEST_PERIOD_DAYS = 31


def around(router: Router, settings: Settings, stores: Stores) -> Router:
    """The router with its wrappers; spend is paced where the settings name an allowance."""
    wrapped: Router = FallbackRouter(router)
    pacing = settings.pacing
    if pacing.whole or pacing.accounts:
        wrapped = PacedRouter(
            wrapped,
            whole=_allowance(pacing.whole) if pacing.whole else None,
            accounts={account: _allowance(pace) for account, pace in pacing.accounts.items()},
            ancestors=_Ancestors(stores).of,
        )
    sessions = settings.sessions
    rules = SessionRules(
        idle_seconds=sessions.idle_seconds,
        margin=sessions.margin,
        cache_weight=sessions.cache_weight,
        most_sessions=sessions.most,
    )
    return SessionRouter(wrapped, rules=rules)


async def rebook(router: Router, settings: Settings, stores: Stores) -> None:
    """Tells the router what the newest runs cost, where spend is paced: after a restart a period goes on as it was."""
    if not (settings.pacing.whole or settings.pacing.accounts) or not settings.relearn_limit:
        return
    oldest = utc_now() - timedelta(days=LONGEST_PERIOD_DAYS)
    for outcome in await stores.decisions.outcomes(limit=settings.relearn_limit):
        if outcome.status != "judged" and outcome.happened_at >= oldest:
            router.ended(await stores.decisions.get(outcome.decision_id), outcome)


def _allowance(pace: PaceSettings) -> Allowance:
    return Allowance(usd=pace.allowance_usd, period=pace.period)


class _Ancestors:
    """Of an account, those that it draws on, nearest first."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def of(self, account_id: str) -> list[str]:
        """Raises StorageUnavailable, RecordNotFound."""
        found: list[str] = []
        parent = (await self._stores.budgets.get(account_id)).parent_id
        while parent:
            found.append(parent)
            parent = (await self._stores.budgets.get(parent)).parent_id
        return found
