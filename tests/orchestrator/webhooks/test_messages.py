"""What a webhook says, and what it does not."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from orchestrator.webhooks.messages import delivery_of
from storage.job_records import EndState, Job, JobEnd
from storage.records import Payload

JOB = Job(
    workflow="review",
    payload_id="payload_1",
    payload_digest="d",
    tenant="acme",
    metadata={"ticket": "42"},
    webhook_url="https://hooks.example.com/in",
)


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_message_names_the_job_and_how_it_ended(state: EndState) -> None:
    code = "no_candidate" if state == "failed" else None
    delivery = delivery_of(JOB, JobEnd(state=state, error_code=code, error_message="The secret word is swordfish."))
    assert delivery is not None
    assert (delivery.tenant, delivery.job_id, delivery.url) == ("acme", JOB.id, "https://hooks.example.com/in")
    body = json.loads(delivery.body)
    assert delivery.kind == body["type"] == f"job.{state}"
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    assert body["data"] == {
        "job_id": JOB.id,
        "workflow": "review",
        "state": state,
        "metadata": {"ticket": "42"},
        "error_code": code,
    }


def test_message_holds_neither_the_result_nor_the_words_of_an_error() -> None:
    end = JobEnd(state="failed", result=Payload.of("swordfish"), error_message="swordfish", data={"x": "swordfish"})
    delivery = delivery_of(JOB, end)
    assert delivery is not None
    assert "swordfish" not in delivery.body


def test_job_without_a_webhook_brings_no_message() -> None:
    job = Job(workflow="review", payload_id="payload_1", payload_digest="d")
    assert delivery_of(job, JobEnd(state="succeeded")) is None
