"""Texts to vectors by a named model, with the same budget and the same trace as every other run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

import orjson

from agents.base import TOKENS_PER_MESSAGE, token_bound_of_text
from agents.embedding import Embedder, EmbeddingRequest, Embeddings
from agents.errors import AnswerCut, ModelUnavailable
from orchestrator.errors import DeadlineExceeded, Failure, UnknownModel
from orchestrator.identity import Identity
from orchestrator.recorder import Entry, Recorder
from orchestrator.run import Run
from orchestrator.run_options import Defaults
from orchestrator.texts import is_storable, storable
from storage.errors import BudgetExceeded, InvalidInput, ServiceError
from storage.records import Amount, Assessment, Decision, ModelCard, Outcome, Payload, Span, TokenUsage, new_id, utc_now
from storage.stores import Stores

POLICY = "named"  # the caller names the model: nobody chooses
POLICY_SHA256 = sha256(POLICY.encode()).hexdigest()
TASK = "embedding"
MOST_TEXTS = 2048  # of one call, as OpenAI has it
HOLD_GRACE_SECONDS = 60.0  # a hold outlives the time limit by this


@dataclass(frozen=True, kw_only=True)
class EmbeddingModel:
    """A model that embeds; `embedder` None: it cannot be asked, and why."""

    card: ModelCard
    embedder: Embedder | None = None
    absent_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """The vectors, and the run that they came of."""

    embeddings: Embeddings
    run: Run


@dataclass(frozen=True, kw_only=True)
class EmbeddingService:
    """Holds the worst case, asks, settles and records; nothing is routed and nothing is learned."""

    name_to_model: Mapping[str, EmbeddingModel] = field(default_factory=dict)
    stores: Stores
    recorder: Recorder
    defaults: Defaults

    async def embed(self, request: EmbeddingRequest, *, model: str, identity: Identity) -> Embedded:
        """Raises UnknownModel, InvalidInput, BudgetExceeded, DeadlineExceeded, and what the model raises."""
        found = self._model(model)
        self._check(request)
        self.recorder.require_room()
        worst_case = _worst_case(found.card, request)
        decision, payload = _decision(found.card, request, identity, worst_case)
        limits = self.defaults.run_limits
        if not limits.fits(worst_case):
            raise BudgetExceeded(f"Embedding {len(request.texts)} texts could take more than one run may: {limits}.")
        seconds = self.defaults.run_timeout_seconds
        await self.stores.journal.write(payload, decision)
        hold = await self.stores.budgets.hold(
            decision.account_id, worst_case, expires_in_seconds=seconds + HOLD_GRACE_SECONDS
        )
        began, started_at = time.perf_counter(), utc_now()
        usage, outcome = worst_case_usage(request), _outcome(decision)
        try:
            embeddings = await _asked(found, request, seconds=seconds)
            usage = embeddings.usage
        except ServiceError as error:
            usage, outcome = _billed(error, request), _failed(outcome, error)
            error.decision_id = decision.id
            raise
        except BaseException:  # the caller left: nobody can say how far the model had come
            outcome = replace(outcome, status="cancelled")
            raise
        finally:
            taken = time.perf_counter() - began
            cost = found.card.cost_usd(usage)
            outcome = replace(outcome, usage=usage, cost_usd=cost, latency_seconds=taken)
            spent = Amount(usd=cost, tokens=usage.total, seconds=taken, joules=found.card.joules(usage))
            span = Span(
                run_id=decision.run_id, name="embeddings", started_at=started_at, seconds=taken,
                is_failed=outcome.status != "succeeded",
                attributes={"gen_ai.request.model": model, "gen_ai.usage.input_tokens": str(usage.total)},
            )  # fmt: skip
            entry = Entry(hold_id=hold.id, spent=spent, items=(outcome, span))
            await asyncio.shield(self.recorder.record(entry))
        return Embedded(embeddings=embeddings, run=_run(decision, outcome, spent))

    def _model(self, name: str) -> EmbeddingModel:
        found = self.name_to_model.get(name)
        if found is None:
            known = ", ".join(sorted(self.name_to_model)) or "none"
            raise UnknownModel(f"No model {name!r} that embeds; known: {known}.", field="model")
        if found.embedder is None:
            raise ModelUnavailable(f"model {name!r} {found.absent_reason}")
        return found

    def _check(self, request: EmbeddingRequest) -> None:
        size = sum(map(token_bound_of_text, request.texts))
        if not all(map(is_storable, request.texts)):
            raise InvalidInput("A text holds a NUL or half a surrogate pair.", field="input", hint="Send plain UTF-8.")
        if not all(request.texts):
            raise InvalidInput("A text is empty.", field="input")
        if size > (most := self.defaults.query_bytes * 8):  # texts of many at once
            raise InvalidInput(f"The texts have {size} bytes; at most {most} are taken in one call.", field="input")


async def _asked(model: EmbeddingModel, request: EmbeddingRequest, *, seconds: float) -> Embeddings:
    if model.embedder is None:
        raise ModelUnavailable(model.absent_reason)
    try:
        async with asyncio.timeout(seconds):
            return await model.embedder.embed(request)
    except TimeoutError as exc:
        raise DeadlineExceeded(f"No vectors within {seconds:g} s.", hint="Send fewer texts at a time.") from exc


def worst_case_usage(request: EmbeddingRequest) -> TokenUsage:
    """No byte-level tokenizer makes more tokens than a text has bytes."""
    return TokenUsage(input=sum(token_bound_of_text(text) + TOKENS_PER_MESSAGE for text in request.texts))


def _worst_case(card: ModelCard, request: EmbeddingRequest) -> Amount:
    usage = worst_case_usage(request)
    return Amount(usd=card.cost_usd(usage), tokens=usage.total, seconds=0.0, joules=card.joules(usage))


def _billed(error: ServiceError, request: EmbeddingRequest) -> TokenUsage:
    """What was counted, the worst case where nobody can say, else nothing."""
    if isinstance(error, AnswerCut):
        return error.usage_so_far
    is_open = isinstance(error, DeadlineExceeded) or (isinstance(error, ModelUnavailable) and error.may_be_billed)
    return worst_case_usage(request) if is_open else TokenUsage()


def _decision(
    card: ModelCard, request: EmbeddingRequest, identity: Identity, worst_case: Amount
) -> tuple[Decision, Payload]:
    """Its payload is the text, or a JSON list of the texts."""
    one = len(request.texts) == 1
    payload = Payload.of(request.texts[0] if one else orjson.dumps(list(request.texts)).decode())
    assessment = Assessment(candidate_id=card.model, probability=1.0, score=0.0, worst_case_usd=worst_case.usd)
    decision = Decision(
        query_id=new_id("query"),
        run_id=new_id("run"),
        step="embed",
        attempt=1,
        tenant=identity.tenant,
        principal=identity.principal,
        account_id=identity.account_id,
        payload_id=payload.id,
        payload_digest=payload.digest,
        task=TASK,
        task_mixture={TASK: 1.0},
        context=(),
        encoder="",
        assessments=(assessment,),
        candidate_id=card.model,
        propensity=1.0,
        policy=POLICY,
        policy_version=POLICY,
        policy_sha256=POLICY_SHA256,
        rng_seed=0,
        rng_counter=0,
        budget_before_usd=worst_case.usd,
        budget_reserved_usd=worst_case.usd,
        resources_reserved={"tokens": float(worst_case.tokens), "seconds": 0.0, "joules": worst_case.joules},
    )
    return decision, payload


def _outcome(decision: Decision) -> Outcome:
    return Outcome(decision_id=decision.id, run_id=decision.run_id, status="succeeded")


def _failed(outcome: Outcome, error: ServiceError) -> Outcome:
    code = Failure.of(error, outcome.decision_id).code
    return replace(outcome, status="failed", error_code=code, error_message=storable(str(error)))


def _run(decision: Decision, outcome: Outcome, spent: Amount) -> Run:
    return Run(
        run_id=decision.run_id,
        answer="",
        candidate_id=decision.candidate_id or "",
        decision_id=decision.id,
        cost_usd=outcome.cost_usd,
        quality=None,
        attempts=1,
        latency_seconds=outcome.latency_seconds,
        overhead_seconds=0.0,
        usage=outcome.usage,
        spent=spent,
    )
