"""Prometheus figures of the service: requests, runs, tokens, money, time, and how full and how healthy it is."""

from __future__ import annotations

from functools import partial

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from orchestrator.health import BreakerState, ModelHealth
from orchestrator.overload import Admission
from orchestrator.recorder import Entry
from orchestrator.service import Run, Service
from routing.base import ACTIVE, SHADOW
from storage.errors import StorageUnavailable
from storage.job_records import Job, JobState
from storage.records import Outcome

OVERHEAD_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)  # seconds
LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)  # seconds
JOB_BUCKETS = (0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600, 21600)  # seconds
JOB_STATES: tuple[JobState, ...] = ("queued", "running", "succeeded", "failed", "cancelled")
MOST_WORKFLOWS = 50  # by name; callers may bring their own, and those after that many are counted together
OTHER_WORKFLOWS = "others"
TOKEN_KINDS = ("input", "cache_read", "cache_write", "output")
BREAKER_STATES: tuple[BreakerState, ...] = ("closed", "half_open", "open")  # 0, 1, 2
STATUS_TO_REASON = {
    400: "invalid",
    401: "not_authenticated",
    402: "budget",
    403: "not_permitted",
    409: "conflict",
    413: "too_large",
    422: "invalid",
    429: "rate",
    503: "unavailable",
}


class Metrics:
    """One registry a service, so that two services in one process do not share figures.

    Labels are routes' templates, candidates and models of the settings, and words of our own: never what a caller sent.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter, gauge = partial(Counter, registry=self.registry), partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.requests = counter("antroute_http_requests", "HTTP requests by route and status.", ["route", "status"])
        self.request_seconds = histogram(
            "antroute_http_seconds", "Time to an answer's last byte.", ["route"], buckets=LATENCY_BUCKETS
        )
        self.refused = counter("antroute_refused", "HTTP requests that were refused, by reason.", ["reason"])
        self.runs = counter("antroute_runs", "Answered runs by candidate.", ["candidate"])
        self.failures = counter("antroute_failures", "Runs without an answer, by error.", ["code"])
        self.attempts = counter(
            "antroute_attempts", "Executions of candidates, by how they ended.", ["candidate", "status"]
        )
        self.cost = counter("antroute_cost_usd", "Cost of all executions, failed ones too.", ["candidate"])
        self.tokens = counter("antroute_tokens", "Tokens of all executions, by kind.", ["candidate", "kind"])
        self.overhead = histogram("antroute_overhead_seconds", "Our share of a run's time.", buckets=OVERHEAD_BUCKETS)
        self.latency = histogram("antroute_latency_seconds", "A run's time.", buckets=LATENCY_BUCKETS)
        self.upstream = histogram(
            "antroute_upstream_seconds", "Time of one execution.", ["candidate"], buckets=LATENCY_BUCKETS
        )
        self.first_word = histogram(
            "antroute_first_word_seconds", "Until a streamed run's first word.", ["candidate"], buckets=LATENCY_BUCKETS
        )
        self.under_way = gauge("antroute_requests_under_way", "Requests that are worked on.")
        self.waiting = gauge("antroute_requests_waiting", "Requests that wait for a place.")
        self.calls = gauge("antroute_calls_under_way", "Executions under way: each has a hold.", ["candidate"])
        self.breakers = gauge("antroute_breaker", "0 closed, 1 half-open, 2 open.", ["model"])
        self.account = gauge("antroute_account_usd", "Of the account `default`: spent, held.", ["kind"])
        self.jobs = gauge("antroute_jobs", "Jobs by state.", ["state"])
        self.job_seconds = histogram(
            "antroute_job_seconds", "From a job's first start to its end.", ["workflow", "state"], buckets=JOB_BUCKETS
        )
        self.forecast_failures = gauge(
            "antroute_forecast_failures", "Queries that a trained router failed on.", ["role"]
        )
        self.pending = gauge("antroute_pending_records", "Records that wait for the database.")
        self.checkpoint = gauge("antroute_audit_checkpoint", "Number of the newest signed checkpoint of the log.")
        self.not_outside = gauge("antroute_audit_checkpoints_not_outside", "Signed checkpoints that are not outside.")
        self._workflows: set[str] = set()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def answered(self, run: Run) -> None:
        self.runs.labels(run.candidate_id).inc()
        self.overhead.observe(run.overhead_seconds)
        self.latency.observe(run.latency_seconds)

    def failed(self, code: str) -> None:
        self.failures.labels(code).inc()

    def recorded(self, entry: Entry) -> None:
        """Hears of each execution that was settled and recorded."""
        if entry.hold_id is None or entry.decision is None or entry.decision.candidate_id is None:
            return
        candidate = entry.decision.candidate_id
        for outcome in (item for item in entry.items if isinstance(item, Outcome)):
            self.attempts.labels(candidate, outcome.status).inc()
            self.cost.labels(candidate).inc(float(outcome.cost_usd))
            self.upstream.labels(candidate).observe(outcome.latency_seconds)
            for kind in TOKEN_KINDS:
                if count := getattr(outcome.usage, kind):
                    self.tokens.labels(candidate, kind).inc(count)

    def began(self, candidate_id: str, seconds: float) -> None:
        """Hears of each streamed run's first word."""
        self.first_word.labels(candidate_id).observe(seconds)

    def responded(self, route: str, status: int, seconds: float) -> None:
        self.requests.labels(route, str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)
        if status in STATUS_TO_REASON:
            self.refused.labels(STATUS_TO_REASON[status]).inc()

    def job_ended(self, job: Job) -> None:
        if job.started_at is None or job.ended_at is None:
            return
        workflow = job.workflow
        if workflow not in self._workflows:
            if len(self._workflows) >= MOST_WORKFLOWS:
                workflow = OTHER_WORKFLOWS
            else:
                self._workflows.add(workflow)
        self.job_seconds.labels(workflow, job.state).observe((job.ended_at - job.started_at).total_seconds())

    def render(self) -> tuple[bytes, str]:
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def watched(service: Service, admission: Admission) -> Metrics:
    """Figures of this service, which are kept from now on."""
    metrics, nodes = Metrics(), service.nodes
    service.listeners.append(metrics)
    service.first_word_listeners.append(metrics.began)
    nodes.recorder.listeners.append(metrics.recorded)
    service.worker.end_listeners.append(metrics.job_ended)
    metrics.pending.set_function(lambda: len(nodes.recorder.pending))
    metrics.checkpoint.set_function(service.audit.newest_number)
    metrics.not_outside.set_function(service.audit.not_outside)
    metrics.under_way.set_function(lambda: admission.under_way)
    metrics.waiting.set_function(lambda: admission.waiting)
    for role in (ACTIVE, SHADOW):
        metrics.forecast_failures.labels(role).set_function(partial(_forecast_failures, service, role))
    for candidate in nodes.candidates.values():
        metrics.calls.labels(candidate.id).set_function(partial(nodes.conditions.under_way_of, candidate.id))
        metrics.breakers.labels(candidate.model).set_function(partial(_breaker, nodes.health, candidate.model))
    return metrics


async def looked_up(service: Service, metrics: Metrics) -> None:
    """Sets the figures that only the database knows; while it is away they stay as they were."""
    try:
        account = await service.stores.budgets.get("default")
        counts = await service.stores.jobs.counts()
    except StorageUnavailable:
        return
    metrics.account.labels("spent").set(float(account.spent_usd))
    metrics.account.labels("held").set(float(account.held_usd))
    for state in JOB_STATES:
        metrics.jobs.labels(state).set(counts.get(state, 0))


def _forecast_failures(service: Service, role: str) -> int:
    return service.trained.failures[role].count


def _breaker(health: ModelHealth, model: str) -> int:
    return BREAKER_STATES.index(health.states().get(model, "closed"))
