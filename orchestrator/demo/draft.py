"""What a maker of questions hands over."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.checkers import Checker, CheckerKind


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A question before it has an id; two drafts with one subject ask the same thing in other words."""

    subject: str
    text: str
    checker: Checker


def number(expected: float, *, tolerance: float = 1e-6) -> Checker:
    return Checker(kind="number", expected=f"{expected:.10g}", tolerance=tolerance)


def exactly(expected: str, *accepted: str, is_case_sensitive: bool = False) -> Checker:
    kind: CheckerKind = "one_of" if accepted else "exact"
    return Checker(kind=kind, expected=expected, accepted=accepted, is_case_sensitive=is_case_sensitive)
