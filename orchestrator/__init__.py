"""The service: the embedded orchestrator, its remote client, workflows, settings and errors.

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.blocking import Blocking
    from orchestrator.checkers import Checker
    from orchestrator.client import Client
    from orchestrator.compiling import compile_workflow
    from orchestrator.errors import BudgetAsk
    from orchestrator.plans.base import PlanSpec
    from orchestrator.reading import Trace
    from orchestrator.sdk import Orchestrator
    from orchestrator.service import Run
    from orchestrator.settings import Settings, load_settings
    from orchestrator.workflow import Workflow, WorkflowRun, routed_node
    from storage.budget_records import Amount, BudgetLimits, Shortfall
    from storage.errors import BudgetExceeded, ServiceError

NAME_TO_HOME = {
    "Amount": "storage.budget_records",
    "Blocking": "orchestrator.blocking",
    "BudgetAsk": "orchestrator.errors",
    "BudgetExceeded": "storage.errors",
    "BudgetLimits": "storage.budget_records",
    "Checker": "orchestrator.checkers",
    "Client": "orchestrator.client",
    "Orchestrator": "orchestrator.sdk",
    "PlanSpec": "orchestrator.plans.base",
    "Run": "orchestrator.service",
    "ServiceError": "storage.errors",
    "Settings": "orchestrator.settings",
    "Shortfall": "storage.budget_records",
    "Trace": "orchestrator.reading",
    "Workflow": "orchestrator.workflow",
    "WorkflowRun": "orchestrator.workflow",
    "compile_workflow": "orchestrator.compiling",
    "load_settings": "orchestrator.settings",
    "routed_node": "orchestrator.workflow",
}

__all__ = [
    "Amount", "Blocking", "BudgetAsk", "BudgetExceeded", "BudgetLimits", "Checker", "Client", "Orchestrator",
    "PlanSpec", "Run", "ServiceError", "Settings", "Shortfall", "Trace", "Workflow", "WorkflowRun",
    "compile_workflow", "load_settings", "routed_node",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in NAME_TO_HOME:
        raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
    return getattr(import_module(NAME_TO_HOME[name]), name)
