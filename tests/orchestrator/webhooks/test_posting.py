"""One try over a real connection: to the address that was judged, by the right name, and never further."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.webhooks.posting import NotSent, Poster
from orchestrator.webhooks.targets import TargetRefused
from tests.orchestrator.webhooks.receiver import Receiver, Said

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ALLOWED = ["hooks.example.com"]


class TurningResolver:
    """A name server of the attacker's: it answers differently each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def poster(*addresses: str, seconds: float = 5.0, tls: ssl.SSLContext | None = None) -> Poster:
    return Poster(
        timeout_seconds=seconds,
        allowed_private_hosts=ALLOWED,
        resolve=TurningResolver(list(addresses) or ["127.0.0.1"]),
        tls=tls,
    )


async def test_message_goes_to_the_resolved_address_under_the_name_in_the_url() -> None:
    async with Receiver() as receiver:
        sender = poster()
        answer = await sender.post(receiver.url(path="/in?x=1#here"), '{"a": 1}', {"webhook-id": "msg_1"}, now=NOW)
        await sender.close()
        port = receiver.port
    (heard,) = receiver.heard
    assert answer.status == 200
    assert heard.path == "/in?x=1"
    assert heard.body == b'{"a": 1}'
    assert heard.headers["host"] == f"hooks.example.com:{port}"
    assert heard.headers["webhook-id"] == "msg_1"
    assert heard.headers["content-type"] == "application/json"


async def test_name_that_turns_after_it_was_judged_is_not_asked_again() -> None:
    """The connection goes to the first answer, though by now the name means another address."""
    async with Receiver() as receiver:
        resolver = TurningResolver(["127.0.0.1"], ["127.0.0.9"])
        sender = Poster(timeout_seconds=5.0, allowed_private_hosts=ALLOWED, resolve=resolver)
        await sender.post(receiver.url(), "{}", {}, now=NOW)
        await sender.close()
    assert resolver.asked == 1
    assert len(receiver.heard) == 1


async def test_name_that_has_turned_inward_by_the_next_try_is_refused() -> None:
    async with Receiver() as receiver:
        sender = Poster(timeout_seconds=5.0, resolve=TurningResolver(["127.0.0.1"]))
        with pytest.raises(TargetRefused):
            await sender.post(receiver.url("turning.example.com", scheme="https"), "{}", {}, now=NOW)
        await sender.close()
    assert receiver.heard == []


async def test_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver() as receiver, Receiver() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        sender = poster()
        await sender.post(receiver.url(), "{}", {}, now=NOW)
        await sender.close()
    assert len(receiver.heard) == 1
    assert proxy.heard == []


async def test_redirect_is_an_answer_and_is_not_followed() -> None:
    async with Receiver() as inward:
        location = {"location": f"http://127.0.0.1:{inward.port}/secret"}
        async with Receiver(Said(status=307, headers=location)) as receiver:
            sender = poster()
            answer = await sender.post(receiver.url(), "{}", {}, now=NOW)
            await sender.close()
    assert answer.status == 307
    assert inward.heard == []


async def test_receiver_that_never_answers_costs_the_time_limit_and_no_more() -> None:
    async with Receiver(Said(is_hanging=True)) as receiver:
        sender = poster(seconds=0.3)
        with pytest.raises(NotSent, match=r"within 0\.3 s"):
            await sender.post(receiver.url(), "{}", {}, now=NOW)
        await sender.close()


async def test_body_without_end_is_not_read() -> None:
    async with Receiver(Said(is_endless=True)) as receiver:
        sender = poster()
        assert (await sender.post(receiver.url(), "{}", {}, now=NOW)).status == 200
        await sender.close()


async def test_next_address_is_tried_where_the_first_takes_no_connection() -> None:
    async with Receiver() as receiver:
        sender = poster("127.0.0.2", "127.0.0.1")  # the server listens on the second one only
        assert (await sender.post(receiver.url(), "{}", {}, now=NOW)).status == 200
        await sender.close()
    assert len(receiver.heard) == 1


async def test_host_without_an_address_is_told() -> None:
    async def nobody(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    sender = Poster(timeout_seconds=1.0, resolve=nobody)
    with pytest.raises(NotSent, match="no address"):
        await sender.post("https://nowhere.example.com/", "{}", {}, now=NOW)
    await sender.close()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("Mon, 04 May 2026 12:10:00 GMT", 600), ("999999999", 86_400), ("-5", None), ("soon", None)],
)
async def test_retry_after_is_read_in_both_forms_and_held_to_a_day(text: str, seconds: int | None) -> None:
    async with Receiver(Said(status=503, headers={"retry-after": text})) as receiver:
        sender = poster()
        answer = await sender.post(receiver.url(), "{}", {}, now=NOW)
        await sender.close()
    assert answer.retry_at == (None if seconds is None else NOW + timedelta(seconds=seconds))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of `hooks.example.com`, which signs itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-days", "2", "-subj", "/CN=hooks.example.com", "-addext", "subjectAltName=DNS:hooks.example.com"]
    subprocess.run([*command, *subject, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def tls_server(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_tls_asks_for_the_name_and_checks_the_certificate_against_it(certificate: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with Receiver(tls=tls_server(certificate)) as receiver:
        sender = poster(tls=trusting)
        answer = await sender.post(receiver.url(scheme="https"), "{}", {}, now=NOW)
        await sender.close()
    assert answer.status == 200
    assert receiver.names == ["hooks.example.com"]


async def test_certificate_of_another_name_is_not_accepted(certificate: tuple[Path, Path]) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with Receiver(tls=tls_server(certificate)) as receiver:
        sender = Poster(
            timeout_seconds=5.0,
            allowed_private_hosts=["other.example.com"],
            resolve=TurningResolver(["127.0.0.1"]),
            tls=trusting,
        )
        with pytest.raises(NotSent, match="ConnectError"):
            await sender.post(receiver.url("other.example.com", scheme="https"), "{}", {}, now=NOW)
        await sender.close()
    assert receiver.heard == []
