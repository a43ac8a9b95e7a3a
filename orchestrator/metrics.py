"""Prometheus figures of the service: requests, decisions, money and our own overhead."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.service import Run

OVERHEAD_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)  # seconds
LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)  # seconds


class Metrics:
    """One registry a service, so that two services in one process do not share figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "antroute_http_requests", "HTTP requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.runs = Counter("antroute_runs", "Answered runs by candidate.", ["candidate"], registry=self.registry)
        self.failures = Counter(
            "antroute_failures", "Runs without an answer, by error.", ["code"], registry=self.registry
        )
        self.cost = Counter(
            "antroute_cost_usd", "Cost of answered runs, by who answered.", ["candidate"], registry=self.registry
        )
        self.overhead = Histogram(
            "antroute_overhead_seconds", "Our share of a run's time.", buckets=OVERHEAD_BUCKETS, registry=self.registry
        )
        self.latency = Histogram(
            "antroute_latency_seconds", "A run's time.", buckets=LATENCY_BUCKETS, registry=self.registry
        )
        self.forecast_failures = Gauge(
            "antroute_forecast_failures", "Queries that a trained router failed on.", ["role"], registry=self.registry
        )
        self.pending = Gauge("antroute_pending_records", "Records that wait for the database.", registry=self.registry)

    def answered(self, run: Run) -> None:
        self.runs.labels(run.candidate_id).inc()
        self.cost.labels(run.candidate_id).inc(float(run.cost_usd))
        self.overhead.observe(run.overhead_seconds)
        self.latency.observe(run.latency_seconds)

    def failed(self, code: str) -> None:
        self.failures.labels(code).inc()

    def render(self) -> tuple[bytes, str]:
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class CountedApp:
    """Counts every HTTP response by its route's template, never by its path: a path can hold anything."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unknown")
                self.metrics.requests.labels(route, str(message["status"])).inc()
            await send(message)

        await self.app(scope, receive, counted if scope["type"] == "http" else send)
