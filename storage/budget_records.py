"""Budgets in four resources: amounts, limits, accounts and holds.

Money is `Decimal` USD in whole nano-dollars; seconds and joules are in whole millionths, which is what a store counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from storage.ids import random_hex

Resource = Literal["usd", "tokens", "seconds", "joules"]
OnExhausted = Literal["stop", "degrade", "ask"]

RESOURCES: tuple[Resource, ...] = ("usd", "tokens", "seconds", "joules")
MICRO_DIGITS = 6  # after the point, of seconds and joules


@dataclass(frozen=True, kw_only=True)
class Amount:
    """What work takes, or may take, of each resource that is budgeted."""

    usd: Decimal = Decimal(0)
    tokens: int = 0  # of all four buckets together
    seconds: float = 0.0
    joules: float = 0.0

    @classmethod
    def of(cls, numbers: Mapping[Resource, Decimal | float]) -> Amount:
        """An amount by the resource's name; none of what is not named."""
        usd, tokens, seconds, joules = (numbers.get(name, 0) for name in RESOURCES)
        return cls(usd=Decimal(str(usd)), tokens=int(tokens), seconds=float(seconds), joules=float(joules))

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            usd=self.usd + other.usd,
            tokens=self.tokens + other.tokens,
            seconds=round(self.seconds + other.seconds, MICRO_DIGITS),
            joules=round(self.joules + other.joules, MICRO_DIGITS),
        )

    def __sub__(self, other: Amount) -> Amount:
        return Amount(
            usd=self.usd - other.usd,
            tokens=self.tokens - other.tokens,
            seconds=round(self.seconds - other.seconds, MICRO_DIGITS),
            joules=round(self.joules - other.joules, MICRO_DIGITS),
        )


@dataclass(frozen=True, kw_only=True)
class BudgetLimits:
    """The most that may be spent of each resource; None: no limit."""

    usd: Decimal | None = None
    tokens: int | None = None
    seconds: float | None = None
    joules: float | None = None

    @classmethod
    def of(cls, numbers: Mapping[Resource, Decimal | float | None]) -> BudgetLimits:
        """Limits by the resource's name; none where there is none, or None."""
        usd, tokens, seconds, joules = (numbers.get(name) for name in RESOURCES)
        return cls(
            usd=None if usd is None else Decimal(str(usd)),
            tokens=None if tokens is None else int(tokens),
            seconds=None if seconds is None else float(seconds),
            joules=None if joules is None else float(joules),
        )

    def less(self, amount: Amount) -> BudgetLimits:
        """What is left of each limit when the amount is taken off; it may be below zero."""
        return BudgetLimits(
            usd=None if self.usd is None else self.usd - amount.usd,
            tokens=None if self.tokens is None else self.tokens - amount.tokens,
            seconds=None if self.seconds is None else round(self.seconds - amount.seconds, MICRO_DIGITS),
            joules=None if self.joules is None else round(self.joules - amount.joules, MICRO_DIGITS),
        )

    def plus(self, amount: Amount) -> BudgetLimits:
        """Limits that are higher by the amount; where there is none there stays none."""
        return self.less(Amount() - amount)

    def lower(self, other: BudgetLimits) -> BudgetLimits:
        """Of each resource the smaller limit."""
        return BudgetLimits(
            usd=min((each for each in (self.usd, other.usd) if each is not None), default=None),
            tokens=min((each for each in (self.tokens, other.tokens) if each is not None), default=None),
            seconds=min((each for each in (self.seconds, other.seconds) if each is not None), default=None),
            joules=min((each for each in (self.joules, other.joules) if each is not None), default=None),
        )

    def missing(self, amount: Amount) -> Amount:
        """How much more of each resource the amount would take; all zero: it fits."""
        return Amount(
            usd=Decimal(0) if self.usd is None else max(amount.usd - self.usd, Decimal(0)),
            tokens=0 if self.tokens is None else max(amount.tokens - self.tokens, 0),
            seconds=0.0 if self.seconds is None else max(round(amount.seconds - self.seconds, MICRO_DIGITS), 0.0),
            joules=0.0 if self.joules is None else max(round(amount.joules - self.joules, MICRO_DIGITS), 0.0),
        )

    def fits(self, amount: Amount) -> bool:
        return self.missing(amount) == Amount()


@dataclass(frozen=True, kw_only=True)
class BudgetAccount:
    """Limits, what was spent of them, and what is held for work under way. A child also draws on its parent.

    A limit that is None is no limit of its own; what is spent and held is counted all the same.
    """

    id: str
    limit_usd: Decimal | None = None
    parent_id: str | None = None
    limit_tokens: int | None = None
    limit_seconds: float | None = None
    limit_joules: float | None = None
    spent: Amount = Amount()
    held: Amount = Amount()

    @classmethod
    def of(cls, id: str, limits: BudgetLimits, *, parent_id: str | None = None) -> BudgetAccount:
        """A new account with these limits."""
        return cls(
            id=id,
            parent_id=parent_id,
            limit_usd=limits.usd,
            limit_tokens=limits.tokens,
            limit_seconds=limits.seconds,
            limit_joules=limits.joules,
        )

    @property
    def limits(self) -> BudgetLimits:
        return BudgetLimits(
            usd=self.limit_usd, tokens=self.limit_tokens, seconds=self.limit_seconds, joules=self.limit_joules
        )

    @property
    def remaining(self) -> BudgetLimits:
        """What a new hold may take here; None: no limit of its own."""
        return self.limits.less(self.spent + self.held)

    @property
    def spent_usd(self) -> Decimal:
        return self.spent.usd

    @property
    def held_usd(self) -> Decimal:
        return self.held.usd

    @property
    def remaining_usd(self) -> Decimal | None:
        return self.remaining.usd


@dataclass(frozen=True, kw_only=True)
class Hold:
    """What is set aside for work under way; settled once, at what the work really took."""

    account_id: str
    amount: Amount
    expires_at: datetime
    id: str = field(default_factory=lambda: f"hold_{random_hex()}")

    @property
    def amount_usd(self) -> Decimal:
        return self.amount.usd


@dataclass(frozen=True, kw_only=True)
class Forfeit:
    """A hold that ran out: nobody said what was spent, so all of it was charged."""

    hold_id: str
    account_id: str
    amount: Amount
    forfeited_at: datetime


@dataclass(frozen=True, kw_only=True)
class Shortfall:
    """What is missing for the candidate that the router wants, when the budget allows none."""

    run_id: str
    candidate_id: str
    needed: Amount  # the candidate's worst case
    remaining: BudgetLimits  # of the run, its account and the account's ancestors together
    missing: Amount  # so much more would do
