"""Looks for a pattern in an answer, in a process that is stopped when it takes too long."""

from __future__ import annotations

import json

from orchestrator.checkers import ANSWER_CHARACTERS
from orchestrator.verifiers import sandbox
from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.options import flag, number, text
from storage.errors import InvalidInput
from storage.records import Query

MOST_PATTERN = 1000  # characters
MATCH = sandbox.Program(script="match_main.py")


class RegexVerifier:
    """Python's patterns. A search that is not done in time gives no verdict: pattern or answer may be at fault.

    Backtracking takes exponential time for some patterns, and compiling takes seconds for others, so both are done
    elsewhere, by a child process with limits on time and memory.
    """

    def __init__(
        self,
        *,
        pattern: str,
        is_whole: bool = True,
        is_case_sensitive: bool = False,
        seconds: float = 1.0,
        name: str = "regex",
    ) -> None:
        """`is_whole`: it must fit the whole answer. Tries the pattern on nothing, which blocks for as long as that
        takes; raises InvalidInput for a pattern that is none, or takes too long even so.
        """
        self.name = name
        self.pattern = text(pattern, "pattern", most=MOST_PATTERN)
        self.is_whole, self.is_case_sensitive = flag(is_whole, "is_whole"), flag(is_case_sensitive, "is_case_sensitive")
        self.limits = sandbox.Limits(seconds=number(seconds, "seconds", least=0.05, most=5.0), memory_mb=256)
        tried = sandbox.run_blocking(MATCH, self._asked(""), self.limits)
        if tried.exit_code != 0 or tried.output.startswith("refused"):
            why = "it takes too long" if tried.is_out_of_time else tried.output.removeprefix("refused ")
            raise InvalidInput(f"{self.pattern!r:.200} is no usable pattern: {why or 'it broke'}.", field="pattern")

    async def verify(self, query: Query, answer: str) -> Verdict | None:
        done = await sandbox.run(MATCH, self._asked(answer.strip()[-ANSWER_CHARACTERS:]), self.limits)
        if done.exit_code != 0:
            return None
        passed = done.output == "fits"
        return Verdict(
            quality=float(passed),
            judged_by="verifier",
            verifier=self.name,
            passed=passed,
            evidence="" if passed else f"does not fit {self.pattern!r:.80}",
        )

    def _asked(self, answer: str) -> str:
        return json.dumps(
            {
                "pattern": self.pattern,
                "text": answer,
                "is_whole": self.is_whole,
                "is_case_sensitive": self.is_case_sensitive,
            }
        )
