"""Compares an answer with what is known to be right, in the form the question asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from orchestrator.checkers import Checker, CheckerKind, check
from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.options import flag, number, text, texts
from storage.errors import InvalidInput
from storage.records import Query

CHECKS = tuple(kind for kind in get_args(CheckerKind) if kind != "regex")
MOST_WORDS = 10_000


class CheckerVerifier:
    """The checks of `orchestrator.checkers`, but for patterns, which could run for ever: kind `regex` bounds them."""

    def __init__(
        self,
        *,
        check: str,
        expected: str,
        accepted: Sequence[str] = (),
        tolerance: float = 1e-6,
        is_case_sensitive: bool = False,
        longest_words: int = 30,
        name: str = "checker",
    ) -> None:
        """Raises InvalidInput where `expected` cannot be meant."""
        self.name = name
        found = [kind for kind in get_args(CheckerKind) if kind == check and kind in CHECKS]
        if not found:
            hint = "Use the verifier `regex`." if check == "regex" else None
            raise InvalidInput(f"No check {check!r:.80}; known: {', '.join(CHECKS)}.", field="check", hint=hint)
        self.checker = Checker(
            kind=found[0],
            expected=text(expected, "expected"),
            accepted=texts(accepted, "accepted"),
            tolerance=number(tolerance, "tolerance", least=0.0),
            is_case_sensitive=flag(is_case_sensitive, "is_case_sensitive"),
            longest_words=int(number(longest_words, "longest_words", least=1, most=MOST_WORDS)),
        )

    async def verify(self, query: Query, answer: str) -> Verdict | None:
        quality = check(self.checker, answer)
        evidence = "" if quality else f"{self.checker.kind}: not {self.checker.expected!r:.80}"
        return Verdict(quality=quality, judged_by="verifier", verifier=self.name, passed=quality > 0, evidence=evidence)
