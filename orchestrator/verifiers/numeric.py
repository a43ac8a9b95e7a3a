"""Compares the number that an answer ends up with."""

from __future__ import annotations

import math

from orchestrator.checkers import ANSWER_CHARACTERS, final_number
from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.options import number
from storage.records import Query


class NumericVerifier:
    """Passes |found - expected| <= max(tolerance, relative_tolerance * |expected|)."""

    def __init__(
        self, *, expected: float, tolerance: float = 1e-6, relative_tolerance: float = 0.0, name: str = "numeric"
    ) -> None:
        """Raises InvalidInput for what is no finite number."""
        self.name = name
        self.expected = number(expected, "expected")
        self.tolerance = number(tolerance, "tolerance", least=0.0)
        self.relative_tolerance = number(relative_tolerance, "relative_tolerance", least=0.0, most=1.0)

    async def verify(self, query: Query, answer: str) -> Verdict | None:
        found = final_number(answer[-ANSWER_CHARACTERS:])
        passed = found is not None and math.isclose(
            found, self.expected, rel_tol=0.0, abs_tol=max(self.tolerance, self.relative_tolerance * abs(self.expected))
        )
        evidence = "" if passed else f"found {'no number' if found is None else f'{found:g}'}, not {self.expected:g}"
        return Verdict(
            quality=float(passed), judged_by="verifier", verifier=self.name, passed=passed, evidence=evidence
        )
