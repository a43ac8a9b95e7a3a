"""Checks that an answer is JSON of a given shape (JSON Schema, 2020-12 unless the schema names another draft)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from orchestrator.checkers import FENCE
from orchestrator.verifiers import sandbox
from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.options import number
from storage.errors import InvalidInput
from storage.records import Query

MOST_SCHEMA_BYTES = 64 * 1024
MOST_ANSWER_BYTES = 1024**2
FIT = sandbox.Program(script="schema_main.py", has_packages=True)


class JsonSchemaVerifier:
    """A schema can hold patterns, references to itself and to foreign addresses: a child process with limits and
    without a network does the work, and nothing is fetched.
    """

    def __init__(self, *, schema: object, seconds: float = 5.0, name: str = "json_schema") -> None:
        """Looks through the schema, which blocks for as long as that takes; raises InvalidInput where it is none."""
        self.name = name
        self.limits = sandbox.Limits(seconds=number(seconds, "seconds", least=0.1, most=30.0))
        try:
            self.schema = json.loads(schema) if isinstance(schema, str) else schema
            plain = json.dumps(self.schema, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as exc:
            raise InvalidInput(f"The schema is not JSON: {exc}.", field="schema") from exc
        if not isinstance(self.schema, Mapping | bool) or len(plain) > MOST_SCHEMA_BYTES:
            raise InvalidInput(
                f"The schema must be an object of at most {MOST_SCHEMA_BYTES} bytes, not {plain[:80]!r}.",
                field="schema",
            )
        tried = sandbox.run_blocking(FIT, json.dumps({"schema": self.schema}), self.limits)
        if tried.exit_code != 0 or tried.output != "fits":
            why = "it takes too long" if tried.is_out_of_time else tried.output.removeprefix("refused ")
            raise InvalidInput(f"The schema cannot be used: {why or tried.last_words}.", field="schema")

    async def verify(self, query: Query, answer: str) -> Verdict | None:
        found = _value(answer)
        if found is None:
            return self._verdict("it is not JSON")
        done = await sandbox.run(FIT, json.dumps({"schema": self.schema, "value": found.value}), self.limits)
        if done.exit_code != 0 or done.output.startswith("refused"):
            return None
        return self._verdict(done.output.removeprefix("does not fit ") if done.output != "fits" else "")

    def _verdict(self, fault: str) -> Verdict:
        return Verdict(
            quality=float(not fault),
            judged_by="verifier",
            verifier=self.name,
            passed=not fault,
            evidence=fault[:200],
        )


class _Found:
    """A value that was read; None is one, too."""

    def __init__(self, value: object) -> None:
        self.value = value


def _value(answer: str) -> _Found | None:
    """The answer as JSON, or that of its only fenced block."""
    if len(answer.encode("utf-8", "replace")) > MOST_ANSWER_BYTES:
        return None
    fenced = FENCE.findall(answer)
    for reading in (answer, *(fenced if len(fenced) == 1 else ())):
        try:
            value = json.loads(reading, parse_constant=_refused)
            json.dumps(value)
        except (ValueError, RecursionError):
            continue
        return _Found(value)
    return None


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
