"""Runs a user's tests against an answer's code: JSON on stdin, a report behind a secret mark on stdout.

The code under test shares the process with the tests. Ending the process early, printing or raising gains it nothing:
without the mark there is no report. Code that is written to cheat can: it could search the process for the mark, or
change what the tests call.
"""

import io
import json
import os
import sys
import types
import unittest
from collections.abc import Callable


def main() -> None:
    asked = json.load(sys.stdin)
    mark, out = asked["mark"], os.dup(1)
    os.dup2(2, 1)  # what the code prints goes elsewhere
    sys.stdin = io.StringIO("")
    faults: list[str] = []
    done = 0
    try:
        answer = module("answer", asked["code"])
        public = {name: value for name, value in vars(answer).items() if not name.startswith("__")}
        tests = module("test_answer", asked["tests"], public)
        for name in asked["names"]:
            if isinstance(case := getattr(tests, name.partition(".")[0]), type) and issubclass(case, unittest.TestCase):
                continue  # unittest's to run
            done += 1
            try:
                started(tests, name)()
            except BaseException as error:
                faults.append(f"{name}: {told(error)}")
        suite = unittest.defaultTestLoader.loadTestsFromModule(tests)
        result = unittest.TestResult()
        suite.run(result)
        done += result.testsRun - len(result.skipped)
        faults += [f"{case.id()}: {text.strip().splitlines()[-1]}" for case, text in result.failures + result.errors]
        faults += [f"{case.id()}: passed, and was not meant to" for case in result.unexpectedSuccesses]
    except BaseException as error:
        faults.append(told(error))
    os.write(out, f"\n{mark}{json.dumps({'done': done, 'faults': faults[:20]})}\n".encode())


def started(tests: types.ModuleType, name: str) -> Callable[[], object]:
    """The function, or the method of a fresh instance of its class."""
    owner, _, method = name.partition(".")
    found: Callable[[], object] = getattr(getattr(tests, owner)(), method) if method else getattr(tests, owner)
    return found


def module(name: str, source: str, more: dict[str, object] | None = None) -> types.ModuleType:
    made = types.ModuleType(name)
    vars(made).update(more or {})
    sys.modules[name] = made
    exec(compile(source, f"{name}.py", "exec", dont_inherit=True), vars(made))
    return made


def told(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")


main()
