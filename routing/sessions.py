"""Keeps a conversation with who has it: locked inside a tool loop, with a margin for whoever is there outside it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from routing.base import Choice, Option, Router
from routing.forecasts import Weights
from routing.recent import Recent
from routing.redrawing import redrawn
from storage.errors import InvalidInput
from storage.records import Decision, Message, Outcome, Query, Reward

SESSION = "session"  # the contribution to a score


@dataclass(frozen=True, kw_only=True)
class SessionRules:
    """What a switch within a session must win by, in units of the score."""

    idle_seconds: float = 300.0  # after this a session, and the provider's prompt cache, is forgotten
    margin: float = 0.05
    cache_weight: float = 0.20  # of the share of the prompt that is likely cached
    kept: float = 0.05  # share of its chance that somebody keeps who does not win: no propensity becomes zero
    most_sessions: int = 10_000  # beyond it, the one that was not heard of the longest goes

    def __post_init__(self) -> None:
        for name in ("idle_seconds", "kept", "most_sessions"):
            if getattr(self, name) <= 0:
                raise InvalidInput(f"`{name}` is {getattr(self, name)!r}; it must be above 0.", field=name)
        for name in ("margin", "cache_weight"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"`{name}` is {getattr(self, name)!r}; it must be 0 or more.", field=name)
        if self.kept > 1:
            raise InvalidInput(f"`kept` is {self.kept!r}; a share is at most 1.", field="kept")


@dataclass(frozen=True, kw_only=True)
class _Session:
    """Who answered last, when, and how far its prompt went; no text."""

    candidate_id: str
    at: float  # on the router's clock
    messages: int
    characters: int
    digest: bytes  # of these messages


class SessionRouter(Router):
    """Wraps a router: the same choices for queries without a session, and for the first of each.

    Inside a tool loop all but the session's candidate are masked, unless it is masked itself. Outside, a candidate
    whose score is not above the session's one by `margin` plus the value of the prompt cache leaves all but `kept` of
    its chance to it; its score then shows `session`. Sessions are those of a tenant and of a step of the work. In
    TwinRouterBench a router that took no notice of caches cost three times what the dearest model alone did.
    """

    def __init__(
        self, router: Router, *, rules: SessionRules | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._router = router
        self._rules = rules or SessionRules()
        self._clock = clock
        self._key_to_session: Recent[_Session] = Recent(self._rules.most_sessions)

    async def route(
        self,
        query: Query,
        options: Sequence[Option],
        *,
        policy: str | None = None,
        weights: Weights | None = None,
    ) -> Choice:
        session = self._session_of(query)
        present = _allowed(options, session)
        if session is None or present is None:
            return await self._router.route(query, options, policy=policy, weights=weights)
        if query.is_tool_turn:
            return await self._router.route(query, _locked(options, present), policy=policy, weights=weights)
        choice = await self._router.route(query, options, policy=policy, weights=weights)
        bonus = self._rules.margin + self._rules.cache_weight * _cached_share(query, session, present)
        return held(choice, present.candidate.id, bonus, kept=self._rules.kept)

    def learn(self, decision: Decision, reward: Reward) -> None:
        self._router.learn(decision, reward)

    def begun(self, query: Query, decision: Decision) -> None:
        """The session is with whom was picked, from now on."""
        self._router.begun(query, decision)
        if query.session_id is None or decision.candidate_id is None:
            return
        session = _Session(
            candidate_id=decision.candidate_id,
            at=self._clock(),
            messages=len(query.messages),
            characters=_characters(query.messages),
            digest=_digest(query.messages),
        )
        self._key_to_session.remember(_key(query), session)

    def ended(self, decision: Decision, outcome: Outcome) -> None:
        self._router.ended(decision, outcome)

    def _session_of(self, query: Query) -> _Session | None:
        if query.session_id is None:
            return None
        session = self._key_to_session.recall(_key(query))
        return session if session and self._clock() - session.at <= self._rules.idle_seconds else None


def held(choice: Choice, present_id: str, bonus: float, *, kept: float) -> Choice:
    """The choice where who does not win by `bonus` leaves all but `kept` of its chance to who is there.

    The bonus stands in that one's score as `session`.
    """
    id_to_score = {a.candidate_id: a.score for a in choice.assessments}
    bar = id_to_score[present_id] + bonus

    def change(probabilities: Mapping[str, float]) -> Mapping[str, float]:
        changed = {id: p if id_to_score[id] > bar else p * kept for id, p in probabilities.items()}
        changed[present_id] = 0.0
        return {**changed, present_id: max(1.0 - sum(changed.values()), probabilities[present_id])}

    return redrawn(choice, change, parts={present_id: {SESSION: bonus}})


def _allowed(options: Sequence[Option], session: _Session | None) -> Option | None:
    """The session's candidate, where it may be picked."""
    if session is None:
        return None
    return next((o for o in options if o.candidate.id == session.candidate_id and o.mask_reason is None), None)


def _locked(options: Sequence[Option], present: Option) -> list[Option]:
    reason = f"the session is inside a tool loop with {present.candidate.id!r}"
    return [
        option
        if option.candidate.id == present.candidate.id
        else replace(option, mask_reason="; ".join(filter(None, (option.mask_reason, reason))))
        for option in options
    ]


def _cached_share(query: Query, session: _Session, present: Option) -> float:
    """The share of the prompt's characters that the session's last prompt began with; 0 where a cache saves nothing."""
    card = present.candidate.card
    if card.price_cache_read_usd_per_mtok is None or (
        card.price_cache_read_usd_per_mtok >= card.price_input_usd_per_mtok
    ):
        return 0.0
    messages = query.messages
    if _digest(messages[: session.messages]) != session.digest:
        return 0.0
    return session.characters / max(_characters(messages), 1)


def _key(query: Query) -> str:
    return json.dumps([query.tenant, query.session_id, query.step])


def _characters(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)


def _digest(messages: Sequence[Message]) -> bytes:
    digest = blake2b(digest_size=16)
    for message in messages:
        content = message.content.encode("utf-8", "surrogatepass")
        digest.update(f"{message.role} {len(content)} ".encode())
        digest.update(content)
    return digest.digest()
