"""The router: a query and its options to a choice, drawn from a policy's probabilities and repeatable afterwards."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from routing.base import (
    ACTIVE,
    NO_ACTIVE_ROUTER,
    SHADOW,
    Choice,
    Context,
    Identity,
    Lesson,
    Option,
    Policy,
    Router,
    Vector,
)
from routing.batching import ContextBatcher
from routing.errors import NoCandidate, UnknownPolicy
from routing.features import Featurizer
from routing.forecasts import Weights
from routing.recent import Recent
from routing.registry import unknown
from routing.snapshots import state_sha256
from storage.errors import InvalidInput
from storage.records import Assessment, Decision, Query, Reward, ShadowChoice

AUTO = "auto"  # the trained router where one is active, else the table
TRAINED = "graph"  # the policy that weighs a trained router's forecasts
SPARE = "table"  # chooses where another policy has no view of its own
REMEMBERED = 4096  # vectors of queries that somebody may still judge
SEED_BITS = 63  # fits a signed 64-bit column


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """Which random number a choice is made with."""

    seed: int
    counter: int


@dataclass(frozen=True, kw_only=True)
class _Chooser:
    """Who chooses this time, and what the decision says of it."""

    policy: Policy
    label: str
    identity: Identity


class PolicyRouter(Router):
    """Holds named policies that all learn from every reward, one of which chooses.

    A policy that refuses a context (`Policy.refusal`) is replaced by the table, and the choice's policy says so: `table
    (after bad_forecast)`. `auto` is the trained router; that none is active is then no refusal worth telling.
    `first_counter`: with a fixed seed, the number of decisions made before, so that a restart repeats no random number.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        featurizer: Featurizer,
        *,
        default: str,
        seed: int | None = None,
        first_counter: int = 0,
    ) -> None:
        self._policies = dict(policies)
        self._featurizer = featurizer
        self._batcher = ContextBatcher(featurizer)
        self._default = self._known(default)
        self._seed = secrets.randbits(SEED_BITS) if seed is None else seed
        self._counter = first_counter
        self._name_to_sha256: dict[str, str] = {}
        self._ignored: Counter[str] = Counter()
        self._query_to_embedding: Recent[NDArray[np.float32]] = Recent(REMEMBERED)
        # A reward learned between the probabilities and the hash would name a state that did not choose.
        self._lock = Lock()

    @property
    def policies(self) -> tuple[str, ...]:
        return tuple(self._policies)

    @property
    def ignored(self) -> Mapping[str, int]:
        """Why rewards were not learned from, and how many."""
        with self._lock:
            return dict(self._ignored)

    async def route(
        self,
        query: Query,
        options: Sequence[Option],
        *,
        policy: str | None = None,
        weights: Weights | None = None,
    ) -> Choice:
        """See `Router.route`. Also raises EncoderUnavailable, and InvalidInput where two options have one id."""
        name = self._default if policy is None else self._known(policy)
        check_distinct([option.candidate.id for option in options])
        context = replace(
            await self._batcher.context(query.text),
            stage=query.step,
            arm_to_condition={option.candidate.id: option.condition for option in options if option.condition},
        )
        if weights is not None:
            context = replace(context, weights=weights)
        if context.embedding is not None:
            self._query_to_embedding.remember(query.id, context.embedding)
        with self._lock:
            draw = _Draw(seed=self._seed, counter=self._counter)
            self._counter += 1
            chooser = self._chooser(name, context)
            assessments = assessed(chooser.policy, options, context)
            choice = _choice(assessments, context, draw, chooser)
            return self._with_shadow(choice, options)

    def learn(self, decision: Decision, reward: Reward) -> None:
        """See `Router.learn`. A decision made with other tasks or another encoder is counted in `ignored`, and so is a
        reward that a candidate gave itself.

        Raises InvalidInput if the reward is not in [0, 1].
        """
        self._teach(decision, reward, list(self._policies))

    def learn_elsewhere(self, decision: Decision, reward: Reward, *, but: Collection[str]) -> None:
        """Learns what another process's decision earned; `but`: not the policies that hear of it in another way."""
        self._teach(decision, reward, [name for name in self._policies if name not in but])

    def _teach(self, decision: Decision, reward: Reward, names: Sequence[str]) -> None:
        if not 0.0 <= reward.value <= 1.0:
            raise InvalidInput(f"Reward {reward.id!r} is {reward.value!r}; it must lie in [0, 1].", field="value")
        misfit = "judged by who made it" if reward.judged_by == "self" else self._misfit(decision)
        with self._lock:
            if misfit is not None or decision.candidate_id is None:
                self._ignored[misfit or "nobody was chosen"] += 1
                return
            context = replace(context_of(decision), embedding=self._query_to_embedding.recall(decision.query_id))
            lesson = lesson_of(decision, reward)
            for name in names:
                self._policies[name].observe(decision.candidate_id, context, lesson)
            self._name_to_sha256.clear()

    def state(self, policy: str) -> dict[str, object]:
        """The policy's saved form. Raises UnknownPolicy."""
        with self._lock:
            return self._policies[self._known(policy)].state()

    def restore(self, policy: str, state: Mapping[str, object]) -> None:
        """Undo of `state`. Raises UnknownPolicy, InvalidInput."""
        with self._lock:
            self._policies[self._known(policy)].restore(state)
            self._name_to_sha256.pop(policy, None)

    def changed(self, policy: str) -> None:
        """Hears that a policy was changed by others than `learn`: its state is hashed anew for the next decision."""
        with self._lock:
            self._name_to_sha256.clear()

    def _known(self, name: str) -> str:
        if name == AUTO:
            self._known(SPARE)
        elif name not in self._policies:
            raise UnknownPolicy(unknown("policy", name, [AUTO, *self._policies]))
        return name

    def _chooser(self, name: str, context: Context) -> _Chooser:
        wanted = (TRAINED if TRAINED in self._policies else SPARE) if name == AUTO else name
        refusal = self._policies[wanted].refusal(context)
        if refusal is None:
            label = wanted
        else:
            is_expected = name == AUTO and refusal == NO_ACTIVE_ROUTER
            wanted, label = SPARE, SPARE if is_expected else f"{SPARE} (after {refusal})"
        policy = self._policies[wanted]
        identity = policy.identity(context) or Identity(version=policy.version, sha256=self._sha256(wanted))
        return _Chooser(policy=policy, label=label, identity=identity)

    def _with_shadow(self, choice: Choice, options: Sequence[Option]) -> Choice:
        """Whom the watched router would have picked with the same random number, and its chance for the picked one."""
        forecast = choice.context.forecasts.get(SHADOW)
        if forecast is None or choice.candidate_id is None or TRAINED not in self._policies:
            return choice
        allowed = [option.candidate.id for option in options if option.mask_reason is None]
        seen = replace(choice.context, forecasts={ACTIVE: forecast})
        probabilities = self._policies[TRAINED].probabilities(allowed, seen).tolist()
        shadow = ShadowChoice(
            policy_version=forecast.version_id,
            candidate_id=sample(probabilities, allowed, seed=choice.rng_seed, counter=choice.rng_counter),
            probability=probabilities[allowed.index(choice.candidate_id)],
        )
        return replace(choice, shadow=shadow, shadow_probabilities=dict(zip(allowed, probabilities, strict=True)))

    def _misfit(self, decision: Decision) -> str | None:
        names = self._featurizer.context_names
        tasks = {f"task:{task}" for task in decision.task_mixture}
        if decision.encoder != self._featurizer.encoder_name:
            return f"made with encoder {decision.encoder!r}"
        if len(decision.context) != len(names) or tasks != {name for name in names if name.startswith("task:")}:
            return "made with other tasks or signals"
        return None

    def _sha256(self, name: str) -> str:
        if name not in self._name_to_sha256:
            self._name_to_sha256[name] = state_sha256(self._policies[name].state())
        return self._name_to_sha256[name]


def assessed(policy: Policy, options: Sequence[Option], context: Context) -> tuple[Assessment, ...]:
    """What the policy thinks of each option: scores of all, probabilities of those that may be picked."""
    allowed = [option.candidate.id for option in options if option.mask_reason is None]
    id_to_probability: dict[str, float] = {}
    if allowed:
        probabilities = policy.probabilities(allowed, context)
        id_to_probability = dict(zip(allowed, probabilities.tolist(), strict=True))
    contributions = policy.scores([option.candidate.id for option in options], context)
    return tuple(
        Assessment(
            candidate_id=option.candidate.id,
            probability=id_to_probability.get(option.candidate.id, 0.0),
            score=sum(parts.values()),
            contributions=dict(parts),
            worst_case_usd=option.worst_case_usd,
            mask_reason=option.mask_reason,
        )
        for option, parts in zip(options, contributions, strict=True)
    )


def sample(probabilities: Sequence[float], ids: Sequence[str], *, seed: int, counter: int) -> str:
    """The id drawn with the uniform number of (seed, counter): the same on every machine, in any order of the ids.

    Philox 4x64-10 (Salmon et al., 2011) with key = seed and counter; inverse of the distribution function over the ids
    in alphabetical order. Raises NoCandidate if no probability is positive.
    """
    positive = sorted((id, p) for id, p in zip(ids, probabilities, strict=True) if p > 0)
    if not positive:
        raise NoCandidate("No candidate has a positive probability; there is nobody to draw.")
    uniform = np.random.Generator(np.random.Philox(key=seed, counter=counter)).random()
    cumulative: Vector = np.cumsum([p for _, p in positive])
    place = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return positive[min(place, len(positive) - 1)][0]


def context_of(decision: Decision) -> Context:
    """What the policy saw when the decision was made."""
    return Context(
        task=decision.task,
        task_mixture=decision.task_mixture,
        vector=np.array(decision.context, dtype=np.float64),
        encoder=decision.encoder,
        stage=decision.step,
    )


def lesson_of(decision: Decision, reward: Reward) -> Lesson:
    return Lesson(
        reward=reward.value,
        quality=reward.quality,
        judged_by=reward.judged_by,
        cost_usd=float(reward.cost_usd),
        latency_seconds=reward.latency_seconds,
        joules=reward.joules,
        tenant=decision.tenant,
        principal=decision.principal,
        propensity=decision.propensity,
        decision_id=decision.id,
        payload_id=decision.payload_id,
        at=reward.rewarded_at,
    )


def check_distinct(ids: Sequence[str]) -> None:
    """Raises InvalidInput if an id stands twice: the choice could not be told apart."""
    twice = sorted(id for id, count in Counter(ids).items() if count > 1)
    if twice:
        raise InvalidInput(f"Candidates must differ in id; more than once: {', '.join(map(repr, twice))}.", field="id")


def _choice(assessments: tuple[Assessment, ...], context: Context, draw: _Draw, chooser: _Chooser) -> Choice:
    id_to_probability = {a.candidate_id: a.probability for a in assessments if a.probability > 0}
    candidate_id = None
    if id_to_probability:
        candidate_id = sample(
            list(id_to_probability.values()), list(id_to_probability), seed=draw.seed, counter=draw.counter
        )
    return Choice(
        context=context,
        assessments=assessments,
        candidate_id=candidate_id,
        propensity=id_to_probability.get(candidate_id, 0.0) if candidate_id else 0.0,
        policy=chooser.label,
        policy_version=chooser.identity.version,
        policy_sha256=chooser.identity.sha256,
        rng_seed=draw.seed,
        rng_counter=draw.counter,
        weights=chooser.policy.weighed_with(context),
    )
