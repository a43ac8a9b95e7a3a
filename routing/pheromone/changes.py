"""Notices that a candidate became better or worse than it was, by sums of what it missed its forecasts by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import inf, sqrt
from typing import Any, Literal, cast

from storage.errors import InvalidInput

ALLOWANCE = 0.35  # k: of a standardised residual that counts as nothing
ALARM = 16.0  # h
MOST_OF_ONE = ALARM / 2  # that one principal may give to a sum, where it is not alone
MOST = 3.0  # a residual's standard deviations that count at once
FORGETTING = 0.02  # of the residuals' variance
START_VARIANCE = 0.2
LEAST_VARIANCE = 0.1
KEPT_COUNT = 2.0  # lessons that a changed candidate's evidence weighs as much as from then on

Direction = Literal["up", "down"]


@dataclass(kw_only=True)
class _Sum:
    """One side of the CUSUM, and who gave how much of it since it was zero."""

    value: float = 0.0
    who_to_given: dict[str, float] = field(default_factory=dict)

    def add(self, step: float, who: str, *, most: float) -> None:
        """`most`: that `who` may have given in all, what it took away again taken off."""
        given = self.who_to_given.get(who, 0.0)
        step = min(step, max(most - given, 0.0))
        self.value = max(0.0, self.value + step)
        if self.value == 0.0:
            self.who_to_given.clear()
        else:
            self.who_to_given[who] = max(0.0, given + step)


@dataclass(kw_only=True)
class _Watched:
    up: _Sum = field(default_factory=_Sum)
    down: _Sum = field(default_factory=_Sum)
    variance: float = START_VARIANCE


class ChangeDetector:
    """Two-sided CUSUM (Page, 1954) for each candidate on u = clip((r - m) / σ, ±3).

    up ← max(0, up + u - k), down ← max(0, down - u - k), an alarm at h; σ² is a moving mean of squared residuals.
    """

    def __init__(self) -> None:
        self._arm_to_watched: dict[str, _Watched] = {}

    def watch(self, arm: str, residual: float, *, weight: float = 1.0, who: str = "", is_alone: bool = True) -> None:
        """`residual`: what was earned less what was expected; `weight` in [0, 1]: what the lesson counts.

        `who` taught it; `is_alone`: nobody else teaches.
        """
        watched = self._arm_to_watched.setdefault(arm, _Watched())
        watched.variance += weight * FORGETTING * (residual * residual - watched.variance)
        u = min(max(residual / sqrt(max(watched.variance, LEAST_VARIANCE)), -MOST), MOST)
        most = inf if is_alone else MOST_OF_ONE
        watched.up.add(weight * (u - ALLOWANCE), who, most=most)
        watched.down.add(weight * (-u - ALLOWANCE), who, most=most)

    def alarm(self, arm: str) -> Direction | None:
        """Which way the candidate has changed; None: it has not."""
        watched = self._arm_to_watched.get(arm, _Watched())
        if max(watched.up.value, watched.down.value) < ALARM:
            return None
        return "up" if watched.up.value > watched.down.value else "down"

    def start_again(self, arm: str) -> None:
        """Both sums at zero; how much its rewards vary stays known."""
        if arm in self._arm_to_watched:
            self._arm_to_watched[arm] = _Watched(variance=self._arm_to_watched[arm].variance)

    def forget(self, arm: str) -> None:
        self._arm_to_watched.pop(arm, None)

    def state(self) -> dict[str, object]:
        return {arm: asdict(watched) for arm, watched in sorted(self._arm_to_watched.items())}

    def restore(self, state: object) -> None:
        """Undo of `state`. Raises InvalidInput."""
        try:
            saved = cast(Mapping[str, Mapping[str, Any]], state)
            self._arm_to_watched = {
                str(arm): _Watched(up=_sum(each["up"]), down=_sum(each["down"]), variance=float(each["variance"]))
                for arm, each in saved.items()
            }
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(
                f"Saved changes are candidate to up, down and variance, not {state!r:.100}.", field="changes"
            ) from exc


def _sum(saved: Mapping[str, Any]) -> _Sum:
    given = {str(who): float(amount) for who, amount in saved["who_to_given"].items()}
    return _Sum(value=float(saved["value"]), who_to_given=given)
