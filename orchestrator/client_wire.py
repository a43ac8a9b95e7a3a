"""The connection under the client's verbs: requests, answers, and errors by their class."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx

from orchestrator.errors import BudgetAsk, ServerUnreachable, error_of
from storage.budget_records import Amount, BudgetLimits, Shortfall
from storage.errors import ServiceError

CONNECT_SECONDS = 5.0
READ_SECONDS = 150.0  # a little more than a run's usual time limit
PATIENCE = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)  # for the server's next byte


class ClientWire:
    """What all of the client's verbs stand on; `async with` opens and closes the connection."""

    def __init__(
        self, base_url: str, *, key: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/").removesuffix("/v1"),
            headers={"authorization": f"Bearer {key}"} if key else {},
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        patience: httpx.Timeout | None = None,
    ) -> dict[str, Any]:
        try:
            response = await self._http.request(
                method, path, json=body, headers=dict(headers or {}), timeout=patience or PATIENCE
            )
        except httpx.TransportError as exc:
            raise self._unreachable(exc) from exc
        if response.is_error:
            raise error_of_response(response)
        try:
            answer: dict[str, Any] = response.json()
        except ValueError as exc:
            raise ServiceError(f"{self._http.base_url} answered with no JSON; is it an Antroute server?") from exc
        return answer

    def _unreachable(self, exc: httpx.TransportError) -> ServerUnreachable:
        return ServerUnreachable(
            f"{self._http.base_url} did not answer ({type(exc).__name__}).", hint="Start it with `antroute serve`."
        )


def error_of_response(response: httpx.Response) -> ServiceError:
    try:
        return error_of_body(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return ServiceError(f"The server answered {response.status_code} with no error body of ours.")


def error_of_body(sent: Mapping[str, Any]) -> ServiceError:
    error = error_of(sent["code"], sent["message"], field=sent.get("param") or "", hint=sent.get("hint") or "")
    error.decision_id, error.retry_after_seconds = sent.get("decision_id"), sent.get("retry_after_seconds")
    if isinstance(error, BudgetAsk) and sent.get("shortfall"):
        error.shortfall = shortfall_of(sent["shortfall"])
    return error


def shortfall_of(sent: Mapping[str, Any]) -> Shortfall:
    return Shortfall(
        run_id=sent["run_id"],
        candidate_id=sent["candidate_id"],
        needed=amount_of(sent["needed"]),
        remaining=BudgetLimits.of(sent["remaining"]),
        missing=amount_of(sent["missing"]),
    )


def amount_of(sent: Mapping[str, Any]) -> Amount:
    return Amount(**{**sent, "usd": Decimal(sent["usd"])})
