"""Runs a user's test code against the code in an answer."""

from __future__ import annotations

import ast
import json
import re
import secrets
from dataclasses import dataclass
from typing import TypeGuard

from orchestrator.verifiers import sandbox
from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.options import number, text
from storage.errors import InvalidInput
from storage.records import Query

BLOCK = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
PYTHON = ("python", "py", "python3")
MOST_TESTS = 100_000  # characters
MOST_CODE = 200_000
RUN = sandbox.Program(script="tests_main.py", has_packages=True)


class TestsVerifier:
    """Functions `test…` without arguments, classes of such methods, unittest's cases, or bare asserts.

    The answer's names are there, and `from answer import …` works, too. Quality is 1 where all pass, else the share
    that does, but at most a half.

    Never from a caller over HTTP: it runs code. The child process has limits, no network where the platform can take
    it away, and leaves nothing running; it can read what its user can read, so the service should not run as root.
    """

    __test__ = False  # its name is no invitation to pytest

    def __init__(self, *, tests: str, seconds: float = 10.0, memory_mb: int = 512, name: str = "tests") -> None:
        """Raises InvalidInput for what is no Python, tests nothing, or wants fixtures."""
        self.name = name
        self.tests = text(tests, "tests", most=MOST_TESTS)
        self.names = _names(self.tests)
        self.limits = sandbox.Limits(
            seconds=number(seconds, "seconds", least=0.1, most=600.0),
            memory_mb=int(number(memory_mb, "memory_mb", least=64, most=1024**2)),
        )

    async def verify(self, query: Query, answer: str) -> Verdict | None:
        code = code_of(answer)
        if not code.strip() or len(code) > MOST_CODE:
            return self._verdict(0.0, "there is no code, or too much of it")
        mark = secrets.token_hex(16)
        asked = {"code": code, "tests": self.tests, "names": self.names, "mark": mark}
        done = await sandbox.run(RUN, json.dumps(asked), self.limits)
        if not done.has_run:
            return None
        report = _report(done.output, mark)
        if report is None:
            ended = f"not done after {self.limits.seconds:g} s" if done.is_out_of_time else "ended before its tests"
            return self._verdict(0.0, f"{ended}: {done.last_words}".rstrip(": "))
        faults, expected = report.faults, len(self.names)
        if not faults and report.done < expected:
            return self._verdict(0.0, f"only {report.done} of {expected} tests ran")
        if not faults:
            return self._verdict(1.0, "")
        share = max(0.0, 1 - len(faults) / expected) if report.done >= expected and expected else 0.0
        return self._verdict(share / 2, f"{len(faults)} failed; {faults[0]}")

    def _verdict(self, quality: float, fault: str) -> Verdict:
        evidence = "".join(char for char in fault if char.isprintable())[:200]
        return Verdict(
            quality=quality, judged_by="verifier", verifier=self.name, passed=quality == 1.0, evidence=evidence
        )


def code_of(answer: str) -> str:
    """The blocks marked as Python, joined; else the last block; else the whole answer."""
    blocks = [(found.group(1).lower(), found.group(2)) for found in BLOCK.finditer(answer)]
    python = [code for language, code in blocks if language in PYTHON]
    return "\n".join(python) or (blocks[-1][1] if blocks else answer)


@dataclass(frozen=True, kw_only=True)
class _Report:
    done: int
    faults: list[str]


def _report(output: str, mark: str) -> _Report | None:
    lines = [line.removeprefix(mark) for line in output.splitlines() if line.startswith(mark)]
    if len(lines) != 1:
        return None
    plain = json.loads(lines[0])
    return _Report(done=int(plain["done"]), faults=[str(fault) for fault in plain["faults"]])


def _names(source: str) -> tuple[str, ...]:
    """Of its test functions, and `Class.method` of its classes; none where it asserts at its top level alone."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise InvalidInput(f"The tests are no Python: {exc}.", field="tests") from exc
    found = [(node.name, node) for node in tree.body if _is_test(node)]
    for name, node in found:
        takes = node.args.posonlyargs or node.args.args or node.args.kwonlyargs
        if takes or node.decorator_list or isinstance(node, ast.AsyncFunctionDef):
            raise InvalidInput(
                f"Test {name!r} takes arguments, is decorated or async; fixtures and marks are not known here.",
                field="tests",
                hint="Write plain functions without arguments, or unittest.TestCase.",
            )
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [f"{node.name}.{method.name}" for node in classes for method in node.body if _is_test(method)]
    if not found and not methods and not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        raise InvalidInput("The tests test nothing: no test function, no case, no assert.", field="tests")
    return (*(name for name, _ in found), *methods)


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
