"""Plan name to `module:Class`; nothing is imported until named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from typing import cast

from orchestrator.plans.base import Plan, PlanSpec
from routing.registry import unknown
from storage.errors import InvalidInput

SINGLE = "single"

PLANS = {
    "branch": "orchestrator.plans.branch:BranchPlan",
    "cascade": "orchestrator.plans.cascade:CascadePlan",
    "compiled": "orchestrator.plans.compiled:CompiledPlan",
    "glimpse": "orchestrator.plans.glimpse:GlimpsePlan",
    "path": "orchestrator.plans.path:PathPlan",
    "probe": "orchestrator.plans.probe:ProbePlan",
    "refine": "orchestrator.plans.refine:RefinePlan",
    "rounds": "orchestrator.plans.rounds:RoundsPlan",
    "single": "orchestrator.plans.single:SinglePlan",
    "steps": "orchestrator.plans.steps:StepsPlan",
    "strategy": "orchestrator.plans.strategy:StrategyPlan",
    "vote": "orchestrator.plans.vote:VotePlan",
}


@dataclass(frozen=True, kw_only=True)
class Plans:
    """Which plan runs where a caller names none, and with which options where a caller gives none."""

    default: str = SINGLE
    name_to_options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def chosen(self, wished: PlanSpec | str | None) -> PlanSpec:
        """A caller's options add to the operator's, and come before them. Raises InvalidInput for what is no plan."""
        if wished is not None and not isinstance(wished, str | PlanSpec):
            raise InvalidInput(f"plan is {wished!r:.80}; it must be a name or a PlanSpec.", field="plan")
        wish = PlanSpec(name=self.default if wished is None else wished) if not isinstance(wished, PlanSpec) else wished
        return PlanSpec(name=wish.name, options={**self.name_to_options.get(wish.name, {}), **wish.options})


def plan_class(name: str) -> type[Plan]:
    """Raises InvalidInput, which names the nearest."""
    if name not in PLANS:
        raise InvalidInput(unknown("plan", name, PLANS), field="plan")
    module, _, class_name = PLANS[name].partition(":")
    return cast("type[Plan]", getattr(import_module(module), class_name))


def options_of(name: str) -> dict[str, object]:
    """A plan's options and their defaults: those of its constructor. Raises InvalidInput."""
    parameters = signature(plan_class(name)).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def plan_of_caller(name: str, options: Mapping[str, object]) -> PlanSpec:
    """For callers over HTTP: nobody from outside names a folder of this machine. Raises InvalidInput."""
    if taken := sorted(plan_class(name).operators & set(options)):
        raise InvalidInput(
            f"Option {taken[0]!r} of plan {name!r} cannot be given here.",
            field="plan_options",
            hint=f"The operator gives it in the settings: plans.{name}.{taken[0]}.",
        )
    return PlanSpec(name=name, options=options)


def make_plan(spec: PlanSpec) -> Plan:
    """Raises InvalidInput for an unknown plan, and for options that it does not take."""
    made, options = plan_class(spec.name), options_of(spec.name)
    if foreign := sorted(set(spec.options) - set(options)):
        known = ", ".join(options) or "none"
        raise InvalidInput(f"Plan {spec.name!r} takes no option {foreign[0]!r}; known: {known}.", field="plan")
    return made(**spec.options)
