"""What is expected of candidates' answers before anyone is asked."""

from __future__ import annotations

from collections.abc import Mapping

from routing.base import ACTIVE, Choice

LEARNED = ("overall_reward", "task_adjustment")  # contributions that make an expectation where no router forecasts


def expected_quality(choice: Choice) -> Mapping[str, float]:
    """By candidate id, in [0, 1]: the router's forecast, else what the policy learned, where there is one."""
    forecast = choice.context.forecasts.get(ACTIVE)
    if forecast is not None:
        return {arm: float(forecast.quality[place]) for arm, place in forecast.arm_to_place.items()}
    return {
        each.candidate_id: sum(each.contributions[name] for name in LEARNED)
        for each in choice.assessments
        if all(name in each.contributions for name in LEARNED)
    }
