"""Deliveries are tried until they arrive, or are given up in the open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from orchestrator.webhooks.posting import Answer, NotSent, Poster
from orchestrator.webhooks.secrets import SigningSecrets
from orchestrator.webhooks.sender import PAUSES_SECONDS, WebhookSender
from orchestrator.webhooks.targets import TargetRefused
from storage.registry import open_stores
from storage.stores import Stores
from storage.webhook_records import Delivery, DeliveryState
from tests.orchestrator.doubles import until
from tests.orchestrator.webhooks.receiver import Receiver, Said


def service_secret() -> bytes:
    return b"s" * 48


class Clock:
    """Stands until a test moves it; begins at the real time, with which receivers compare signatures."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class ScriptedPoster:
    """Answers with these in turn, the last one again and again."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.posted: list[str] = []

    async def post(self, url: str, body: str, headers: object, *, now: datetime) -> Answer:
        self.posted.append(url)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    opened = await open_stores("memory:")
    yield opened
    await opened.close()


def delivery(url: str, clock: Clock, *, tenant: str = "acme") -> Delivery:
    return Delivery(
        tenant=tenant, job_id="job_1", url=url, kind="job.succeeded", body='{"type": "job.succeeded"}',
        next_try_at=clock.now,
    )  # fmt: skip


def sender_of(stores: Stores, poster: Poster | ScriptedPoster, clock: Clock, **more: float) -> WebhookSender:
    secrets = SigningSecrets(stores.keys, service_secret)
    return WebhookSender(stores.deliveries, secrets, poster, now=clock, chance=lambda: 0.0, **more)


async def tried(sender: WebhookSender) -> int:
    count = await sender.send_due()
    await sender.settle()
    return count


async def test_500_then_200_arrives_at_the_second_try_with_the_same_id(stores: Stores) -> None:
    clock = Clock()
    async with Receiver(Said(status=500), Said()) as receiver:
        poster = Poster(timeout_seconds=5.0, allowed_private_hosts=["hooks.example.com"], resolve=loopback)
        sender = sender_of(stores, poster, clock)
        put = await stores.deliveries.put(delivery(receiver.url(), clock))
        assert await tried(sender) == 1
        waiting = await stores.deliveries.get(put.id)
        assert (waiting.state, waiting.tries, waiting.last_status) == ("pending", 1, 500)
        assert waiting.next_try_at == clock.now + timedelta(seconds=5)
        assert await tried(sender) == 0
        clock.pass_seconds(5)
        assert await tried(sender) == 1
        await sender.stop()
    arrived = await stores.deliveries.get(put.id)
    assert (arrived.state, arrived.tries, arrived.last_status) == ("delivered", 2, 200)
    assert arrived.delivered_at == clock.now
    assert arrived.last_error is None
    secret = await SigningSecrets(stores.keys, service_secret).of("acme", now=clock.now)
    for heard in receiver.heard:
        assert Webhook(secret.text).verify(heard.body, heard.headers) == {"type": "job.succeeded"}
    assert [heard.headers["webhook-id"] for heard in receiver.heard] == [put.id, put.id]


async def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def test_receiver_after_a_rotation_may_check_with_either_secret(stores: Stores) -> None:
    clock = Clock()
    secrets = SigningSecrets(stores.keys, service_secret)
    old = await secrets.of("acme", now=clock.now)
    new = await secrets.rotate("acme", now=clock.now)
    async with Receiver() as receiver:
        poster = Poster(timeout_seconds=5.0, allowed_private_hosts=["hooks.example.com"], resolve=loopback)
        sender = sender_of(stores, poster, clock)
        await stores.deliveries.put(delivery(receiver.url(), clock))
        await tried(sender)
        await sender.stop()
    (heard,) = receiver.heard
    for secret in (old.text, new.text):
        assert Webhook(secret).verify(heard.body, heard.headers) == {"type": "job.succeeded"}


async def test_pauses_grow_until_the_delivery_is_given_up(stores: Stores) -> None:
    clock = Clock()
    poster = ScriptedPoster(NotSent("no answer within 15 s"))
    sender = sender_of(stores, poster, clock)
    put = await stores.deliveries.put(delivery("https://hooks.example.com/", clock))
    moments = []
    for _ in range(len(PAUSES_SECONDS) + 1):
        assert await tried(sender) == 1
        moments.append(clock.now)
        now = await stores.deliveries.get(put.id)
        clock.now = max(clock.now, now.next_try_at)
    assert (now.state, now.tries, now.last_error) == ("given_up", 8, "no answer within 15 s")
    assert [(after - before).total_seconds() for before, after in pairwise(moments)] == list(PAUSES_SECONDS)
    clock.pass_seconds(1e6)
    assert await tried(sender) == 0


@pytest.mark.parametrize(
    ("answer", "state", "told"),
    [
        (Answer(status=204), "delivered", None),
        (Answer(status=302), "pending", "redirects are not followed"),
        (Answer(status=404), "pending", "did not take it"),
        (Answer(status=410), "given_up", "gone for good"),
        (TargetRefused("'x' is not a public address."), "given_up", "not a public address"),
    ],
)
async def test_answer_says_what_becomes_of_the_delivery(
    stores: Stores, answer: Answer | Exception, state: DeliveryState, told: str | None
) -> None:
    clock = Clock()
    sender = sender_of(stores, ScriptedPoster(answer), clock)
    put = await stores.deliveries.put(delivery("https://hooks.example.com/", clock))
    await tried(sender)
    after = await stores.deliveries.get(put.id)
    assert (after.state, after.tries) == (state, 1)
    assert (after.last_error is None) if told is None else told in (after.last_error or "")


async def test_receiver_that_asks_for_more_time_gets_it_and_no_less_than_usual(stores: Stores) -> None:
    clock = Clock()
    answers = [Answer(status=503, retry_at=clock.now + timedelta(hours=1)), Answer(status=503, retry_at=clock.now)]
    sender = sender_of(stores, ScriptedPoster(*answers), clock)
    put = await stores.deliveries.put(delivery("https://hooks.example.com/", clock))
    await tried(sender)
    assert (await stores.deliveries.get(put.id)).next_try_at == clock.now + timedelta(hours=1)
    clock.pass_seconds(3600)
    await tried(sender)
    assert (await stores.deliveries.get(put.id)).next_try_at == clock.now + timedelta(minutes=5)


async def test_slow_receiver_does_not_hold_up_the_others(stores: Stores) -> None:
    clock = Clock()
    async with Receiver(Said(is_hanging=True)) as slow, Receiver() as quick:
        poster = Poster(timeout_seconds=60.0, allowed_private_hosts=["hooks.example.com"], resolve=loopback)
        sender = sender_of(stores, poster, clock)
        hanging = await stores.deliveries.put(delivery(slow.url(), clock))
        sender.start()

        async def is_heard() -> bool:
            return bool(slow.heard)

        await until(is_heard)
        put = await stores.deliveries.put(delivery(quick.url(), clock))
        sender.nudge()

        async def is_delivered() -> bool:
            return (await stores.deliveries.get(put.id)).state == "delivered"

        await until(is_delivered)
        await sender.stop()
    assert (await stores.deliveries.get(hanging.id)).state == "pending"


async def test_no_more_than_so_many_are_tried_at_once(stores: Stores) -> None:
    clock = Clock()
    gate, at_once = asyncio.Event(), []

    class GatedPoster(ScriptedPoster):
        async def post(self, url: str, body: str, headers: object, *, now: datetime) -> Answer:
            at_once.append(url)
            await gate.wait()
            return Answer(status=200)

    sender = sender_of(stores, GatedPoster(NotSent()), clock, parallel=3)
    for number in range(7):
        await stores.deliveries.put(delivery(f"https://hooks.example.com/{number}", clock))
    counts = [await sender.send_due(), await sender.send_due()]
    await asyncio.sleep(0)
    assert (counts, len(at_once)) == ([2, 0], 2)  # one place is for whoever comes next
    await stores.deliveries.put(delivery("https://hooks.example.com/other", clock, tenant="umbrella"))
    assert [await sender.send_due(), await sender.send_due()] == [1, 0]
    gate.set()
    await sender.settle()
    assert [await tried(sender) for _ in range(4)] == [2, 2, 1, 0]
    assert {each.state for each in await stores.deliveries.find()} == {"delivered"}


async def test_slow_receivers_of_one_tenant_take_half_of_the_places_while_others_wait(stores: Stores) -> None:
    clock, gate = Clock(), asyncio.Event()

    class SlowForAcme(ScriptedPoster):
        async def post(self, url: str, body: str, headers: object, *, now: datetime) -> Answer:
            self.posted.append(url)
            if "acme" in url:
                await gate.wait()
            return Answer(status=200)

    poster = SlowForAcme(NotSent())
    sender = sender_of(stores, poster, clock, parallel=8)
    for number in range(20):
        await stores.deliveries.put(delivery(f"https://acme.example.com/{number}", clock))
    for number in range(6):
        await stores.deliveries.put(delivery(f"https://other.example.com/{number}", clock, tenant="umbrella"))
    assert await sender.send_due() == 8
    await asyncio.sleep(0)
    assert sum("acme" in url for url in poster.posted) == 4
    while len(poster.posted) < 10:
        await asyncio.sleep(0)
        await sender.send_due()
    assert [url for url in poster.posted if "other" in url] == [f"https://other.example.com/{n}" for n in range(6)]
    gate.set()
    await sender.settle()


async def test_message_whose_try_is_cut_off_at_the_end_is_due_again_at_once(stores: Stores) -> None:
    clock = Clock()
    async with Receiver(Said(is_hanging=True)) as slow:
        poster = Poster(timeout_seconds=60.0, allowed_private_hosts=["hooks.example.com"], resolve=loopback)
        sender = sender_of(stores, poster, clock)
        put = await stores.deliveries.put(delivery(slow.url(), clock))
        await sender.send_due()

        async def is_heard() -> bool:
            return bool(slow.heard)

        await until(is_heard)
        assert (await stores.deliveries.get(put.id)).next_try_at > clock.now
        await sender.stop()
    after = await stores.deliveries.get(put.id)
    assert (after.state, after.tries, after.next_try_at) == ("pending", 0, clock.now)


async def test_message_that_is_claimed_while_the_sender_stops_is_not_left_to_its_lease(stores: Stores) -> None:
    clock, is_asked, gate = Clock(), asyncio.Event(), asyncio.Event()

    class SlowToClaim:
        def __getattr__(self, name: str) -> Any:
            return getattr(stores.deliveries, name)

        async def due(self, **wanted: Any) -> list[Delivery]:
            taken = await stores.deliveries.due(**wanted)
            is_asked.set()
            await gate.wait()
            return taken

    put = await stores.deliveries.put(delivery("https://hooks.example.com/", clock))
    poster = ScriptedPoster(Answer(status=200))
    sender = WebhookSender(SlowToClaim(), SigningSecrets(stores.keys, service_secret), poster, now=clock)
    sender.start()
    await is_asked.wait()
    stopping = asyncio.create_task(sender.stop())
    await asyncio.sleep(0)
    gate.set()
    await stopping
    assert (await stores.deliveries.get(put.id)).state == "delivered"


async def test_try_that_broke_off_with_its_process_is_made_again_by_another(stores: Stores) -> None:
    clock = Clock()
    put = await stores.deliveries.put(delivery("https://hooks.example.com/", clock))
    [taken] = await stores.deliveries.due(now=clock.now, most=1, lease_seconds=120)  # its process is killed here
    assert taken.id == put.id
    sender = sender_of(stores, ScriptedPoster(Answer(status=200)), clock)
    assert await tried(sender) == 0
    clock.pass_seconds(120)
    assert await tried(sender) == 1
    assert (await stores.deliveries.get(put.id)).state == "delivered"


async def test_sender_goes_on_after_the_store_was_away(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    from storage.errors import StorageUnavailable

    clock, failures = Clock(), [StorageUnavailable("The database is locked.")]

    class Deliveries:
        def __getattr__(self, name: str) -> Any:
            return getattr(stores.deliveries, name)

        async def due(self, **wanted: Any) -> list[Delivery]:
            if failures:
                raise failures.pop()
            return await stores.deliveries.due(**wanted)

    put = await stores.deliveries.put(delivery("https://hooks.example.com/", clock))
    sender = WebhookSender(
        Deliveries(), SigningSecrets(stores.keys, service_secret), ScriptedPoster(Answer(status=200)), now=clock,
        poll_seconds=0.01,
    )  # fmt: skip
    sender.start()

    async def is_delivered() -> bool:
        return (await stores.deliveries.get(put.id)).state == "delivered"

    await until(is_delivered)
    await sender.stop()
    assert "The database is locked." in caplog.text
