"""Plan name to `module:Class`; nothing is imported until named."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from orchestrator.plans.base import Plan, PlanSpec
from routing.registry import unknown
from storage.errors import InvalidInput

PLANS = {
    "single": "orchestrator.plans.single:SinglePlan",
}


def plan_class(name: str) -> type[Plan]:
    """Raises InvalidInput, which names the nearest."""
    if name not in PLANS:
        raise InvalidInput(unknown("plan", name, PLANS), field="plan")
    module, _, class_name = PLANS[name].partition(":")
    return cast("type[Plan]", getattr(import_module(module), class_name))


def make_plan(spec: PlanSpec) -> Plan:
    """Raises InvalidInput for an unknown plan, and for options that it does not take."""
    made = plan_class(spec.name)
    if foreign := sorted(set(spec.options) - set(made.options)):
        known = ", ".join(made.options) or "none"
        raise InvalidInput(f"Plan {spec.name!r} takes no option {foreign[0]!r}; known: {known}.", field="plan")
    return made(**spec.options)
