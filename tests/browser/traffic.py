"""What happened at the site before anybody looks: questions, verdicts and jobs, all of it over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from tests.browser.hostile import ALL, LONG_LINE_BYTES, NAME_TO_TEXT, ON_ONE_LINE, RTL
from tests.browser.questions import EXPECTED, QUESTION_TO_ANSWER, QUESTIONS, VERIFIED
from tests.browser.served import DEAR, FAILING, STRANGE_WORKFLOW, Site
from tests.browser.upstream import WAITING, Upstream

POLICIES = ("table", "thompson", "pheromone", "linucb", "uniform", "cheapest")
JOB_SECONDS = 30.0
CANNOT_BE_ASKED = "replaced"  # a NUL is refused at the door


@dataclass
class Made:
    """Ids of what is there to be looked at, by what is special about it."""

    decisions: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)


class Served(Protocol):
    """What a caller needs of a site."""

    @property
    def address(self) -> str: ...

    @property
    def upstream(self) -> Upstream: ...


class Caller:
    """A program that uses the site."""

    def __init__(self, site: Served) -> None:
        self.site = site
        self.http = httpx.Client(base_url=site.address, timeout=30)
        self.made = Made()

    def ask(self, text: str, *, model: str = "auto", name: str = "", **antroute: Any) -> dict[str, Any]:
        """The answer's `antroute` part; under `name` its ids are kept."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 64, "antroute": antroute}
        answer = self.http.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["antroute"]
        found["answer"] = answer.json()["choices"][0]["message"]["content"]
        if name:
            self.made.decisions[name], self.made.runs[name] = found["decision_id"], found["run_id"]
        return found

    def judge(self, decision_id: str, quality: float) -> None:
        answer = self.http.post(f"/v1/decisions/{decision_id}/outcomes", json={"quality": quality})
        assert answer.status_code == 201, answer.text

    def submit(self, workflow: str, text: str, *, name: str, **more: Any) -> str:
        body = {"workflow": workflow, "input": {"text": text}, **more}
        answer = self.http.post("/v1/jobs", json=body)
        assert answer.status_code == 201, answer.text
        self.made.jobs[name] = str(answer.json()["id"])
        return self.made.jobs[name]

    def await_job(self, job_id: str, *states: str) -> None:
        began = time.monotonic()
        while (state := self.http.get(f"/v1/jobs/{job_id}").json()["state"]) not in states:
            assert time.monotonic() - began < JOB_SECONDS, f"{job_id} is {state}"
            time.sleep(0.05)


def with_traffic(site: Site, *, rounds: int = 1) -> Made:
    """All of it, in the same order each time; `rounds`: how often each policy is asked each question."""
    caller = Caller(site)
    ordinary(caller, rounds)
    special(caller)
    jobs(caller)
    if site.is_hostile:
        hostile(caller)
    caller.http.close()
    return caller.made


def ordinary(caller: Caller, rounds: int) -> None:
    """Each policy gets its share of the questions; most answers are judged by whether they are right."""
    for number, (policy, question) in enumerate(asked(rounds)):
        found = caller.ask(question, model=f"auto:{policy}", name=policy)
        if number % 5 != 4:
            caller.judge(found["decision_id"], float(found["answer"] == QUESTION_TO_ANSWER[question]))


def asked(rounds: int) -> Iterator[tuple[str, str]]:
    for number in range(rounds * len(QUESTIONS)):
        for place, policy in enumerate(POLICIES):
            if (number + place) % 3 == 0:
                yield policy, QUESTIONS[(number * 5 + place) % len(QUESTIONS)]


def special(caller: Caller) -> None:
    """One of each kind of run that a page must know how to show."""
    numeric = {"kind": "numeric", "expected": EXPECTED}
    caller.ask(VERIFIED, name="cascade", plan="cascade", verifier=numeric)
    caller.ask(VERIFIED, name="vote", plan="vote")
    caller.ask(QUESTIONS[0], name="graph", model="auto:graph", weights={"quality": 1, "cost": 0.2})
    for text in ("May a customer have the money back after 20 days?", "How is a British postcode written?"):
        caller.ask(text, name="skilled", model="skilled/medium")
    refused = {"model": FAILING, "messages": [{"role": "user", "content": QUESTIONS[3]}]}
    assert caller.http.post("/v1/chat/completions", json=refused).status_code == 503
    last = caller.http.get("/v1/decisions", params={"limit": 1}).json()["decisions"][0]
    caller.made.decisions["failed"], caller.made.runs["failed"] = last["id"], last["run_id"]
    too_dear = {**refused, "model": DEAR, "antroute": {"budget_usd": 0.0000001}}
    assert caller.http.post("/v1/chat/completions", json=too_dear).status_code == 402
    last = caller.http.get("/v1/decisions", params={"limit": 1}).json()["decisions"][0]
    caller.made.decisions["refused"], caller.made.runs["refused"] = last["id"], last["run_id"]
    caller.ask("Which rivers meet in Passau?", name="plain", model="auto:table")


def jobs(caller: Caller) -> None:
    """One of each state."""
    review = caller.submit("review", "The moon is cheese.", name="succeeded", metadata={"order": "7"})
    pinned = caller.submit("pinned", "Who repairs you?", name="failed")
    caller.await_job(review, "succeeded")
    caller.await_job(pinned, "failed")
    later = caller.submit("review", "Not yet.", name="queued", not_before="2100-01-01T00:00:00Z")
    cancelled = caller.submit("review", "Never.", name="cancelled", not_before="2100-01-01T00:00:00Z")
    assert caller.http.post(f"/v1/jobs/{cancelled}/cancel").status_code == 200
    running = caller.submit("review", f"{WAITING}Anna", name="running")
    caller.await_job(running, "running")
    caller.await_job(later, "queued")


def hostile(caller: Caller) -> None:
    """Every text of the corpus as a question, whose answer repeats it; and as a name where names are taken."""
    for name, text in NAME_TO_TEXT.items():
        if name != CANNOT_BE_ASKED:
            found = caller.ask(text, name=f"hostile {name}", model=DEAR)
            assert text in found["answer"]
    asked_all = ALL.replace("\x00", "")[:6000]
    caller.site.upstream.answers[asked_all] = ALL
    caller.ask(asked_all, name="hostile all", model=DEAR)
    caller.site.upstream.answers["One long line, please."] = f"{ON_ONE_LINE} {'x' * LONG_LINE_BYTES}"
    caller.ask("One long line, please.", name="hostile long", model=DEAR)
    metadata = {NAME_TO_TEXT["style"][:64]: NAME_TO_TEXT["svg"], "note": NAME_TO_TEXT["turned"], "to": RTL}
    job = caller.submit(STRANGE_WORKFLOW, ON_ONE_LINE, name="hostile", metadata=metadata)
    caller.await_job(job, "succeeded", "failed")
    caller.await_job(caller.submit(RTL, RTL, name="hostile right"), "succeeded", "failed")
