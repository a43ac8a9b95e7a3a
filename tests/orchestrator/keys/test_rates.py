"""How much a key and its tenant may ask."""

from __future__ import annotations

import pytest

from orchestrator.errors import RateLimited
from orchestrator.identity import LOCAL, Identity
from orchestrator.keys.authenticator import Visitor
from orchestrator.keys.rate_windows import LocalWindows, RateWindows
from orchestrator.keys.rates import FAILURES_PER_MINUTE, Rates, visit_of
from storage.key_records import RateLimits
from tests.orchestrator.keys.clocks import Clock

NO_LIMITS = RateLimits()


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates(lambda: RateWindows(LocalWindows(clock=clock)))


def visitor(
    key: RateLimits = NO_LIMITS, tenant: RateLimits = NO_LIMITS, *, account: str = "key_1", key_id: str = "key_1"
) -> Visitor:
    identity = Identity(tenant="sales", principal="bot", role="writer", account_id=account, key_id=key_id)
    return Visitor(identity=identity, key_rates=key, tenant_rates=tenant)


async def test_requests_beyond_the_keys_rate_are_refused_with_a_wait(rates: Rates) -> None:
    bot = visitor(RateLimits(requests_per_minute=2))
    for _ in range(2):
        await rates.enter(visit_of(bot))
    refused = visit_of(bot)
    with pytest.raises(RateLimited, match="'key_1' may take 2 requests a minute") as error:
        await rates.enter(refused)
    assert error.value.retry_after_seconds is not None
    assert error.value.retry_after_seconds >= 1
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-limit-requests"] == "2"


async def test_keys_of_a_tenant_share_its_rate(rates: Rates) -> None:
    tenant = RateLimits(requests_per_minute=3)
    for account in ("key_1", "key_2", "key_3"):
        await rates.enter(visit_of(visitor(tenant=tenant, account=account)))
    with pytest.raises(RateLimited, match="Tenant 'sales'"):
        await rates.enter(visit_of(visitor(tenant=tenant, account="key_4")))


async def test_rotated_key_counts_with_the_one_it_replaces(rates: Rates) -> None:
    limit = RateLimits(requests_per_minute=1)
    await rates.enter(visit_of(visitor(limit, account="key_1", key_id="key_1")))
    with pytest.raises(RateLimited):
        await rates.enter(visit_of(visitor(limit, account="key_1", key_id="key_2")))


async def test_tokens_count_when_the_answer_is_there(rates: Rates) -> None:
    bot = visitor(RateLimits(tokens_per_minute=100), RateLimits(tokens_per_minute=1000))
    first, second = visit_of(bot), visit_of(bot)
    await rates.enter(first)
    await rates.enter(second)
    first.tokens, second.tokens = 60, 90
    await rates.leave(first)
    third = visit_of(bot)
    await rates.enter(third)
    assert third.headers["x-ratelimit-remaining-tokens"] == "40"
    await rates.leave(second)
    with pytest.raises(RateLimited, match="100 tokens a minute"):
        await rates.enter(visit_of(bot))


async def test_requests_at_one_time_are_counted_and_given_back(rates: Rates) -> None:
    bot = visitor(RateLimits(parallel_requests=2))
    first, second = visit_of(bot), visit_of(bot)
    await rates.enter(first)
    await rates.enter(second)
    with pytest.raises(RateLimited, match="2 requests under way"):
        await rates.enter(visit_of(bot))
    await rates.leave(first)
    await rates.enter(visit_of(bot))


async def test_whoever_is_refused_takes_no_place(rates: Rates) -> None:
    bot = visitor(RateLimits(parallel_requests=5), RateLimits(requests_per_minute=1))
    await rates.enter(visit_of(bot))
    for _ in range(10):
        with pytest.raises(RateLimited, match="may take 1 requests"):
            await rates.enter(visit_of(bot))
    assert rates._name_to_places == {"key/key_1": 1}


async def test_least_room_is_what_is_told(rates: Rates) -> None:
    visit = visit_of(visitor(RateLimits(requests_per_minute=50), RateLimits(requests_per_minute=10)))
    await rates.enter(visit)
    assert visit.headers["x-ratelimit-remaining-requests"] == "9"


async def test_wrong_keys_of_one_address_do_not_count_for_another(rates: Rates) -> None:
    for _ in range(FAILURES_PER_MINUTE):
        assert not (await rates.failures("10.0.0.1")).is_refused
        await rates.failed("10.0.0.1")
    assert (await rates.failures("10.0.0.1")).is_refused
    assert not (await rates.failures("10.0.0.2")).is_refused


def test_whoever_has_no_limits_is_not_counted() -> None:
    assert visit_of(visitor()).holders == ()
    assert visit_of(Visitor(identity=LOCAL, key_rates=RateLimits(requests_per_minute=1))).holders == ()
