"""Verifiers that run something: within limits, without what they should not have, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.verifiers import sandbox
from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.exit_code import ExitCodeVerifier
from orchestrator.verifiers.tests import TestsVerifier, code_of
from storage.errors import InvalidInput
from storage.records import Query
from tests.orchestrator.doubles import until

QUERY = Query(text="Write add(a, b).")
TESTS = """\
from answer import add

def test_small():
    assert add(1, 2) == 3

def test_zero():
    assert add(0, 0) == 0
"""
RIGHT = "Sure:\n```python\ndef add(a, b):\n    return a + b\n```\nDone."
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these limits")


async def judged(answer: str, tests: str = TESTS, *, seconds: float = 5.0) -> Verdict:
    verdict = await TestsVerifier(tests=tests, seconds=seconds).verify(QUERY, answer)
    assert verdict is not None
    assert (verdict.judged_by, verdict.verifier) == ("verifier", "tests")
    return verdict


async def output_of(source: str, limits: sandbox.Limits) -> sandbox.Finished:
    return await sandbox.run(sandbox.Program(argv=[sys.executable, "-c", source]), "", limits)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def told(condition: Callable[[], bool]) -> bool:
    return condition()


def is_there(path: str) -> bool:
    return Path(path).exists()


async def test_exit_code_zero_passes_and_others_do_not() -> None:
    grep = ExitCodeVerifier(command=["grep", "-q", "add"])
    right, wrong = await grep.verify(QUERY, RIGHT), await grep.verify(QUERY, "no")
    assert right is not None and (right.passed, right.quality) == (True, 1.0)
    assert wrong is not None and (wrong.passed, wrong.evidence) == (False, "exit code 1")


async def test_answer_comes_as_a_file_where_the_command_says_so() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit(open(sys.argv[1]).read() != 'a\\n; rm -rf /')", "{answer}"]
    verdict = await ExitCodeVerifier(command=command).verify(QUERY, "a\n; rm -rf /")
    assert verdict is not None and verdict.passed


async def test_unsure_codes_and_missing_programs_say_nothing() -> None:
    assert await ExitCodeVerifier(command=["sh", "-c", "exit 75"], unsure=[75]).verify(QUERY, "x") is None
    assert await ExitCodeVerifier(command=["no-such-program-here"]).verify(QUERY, "x") is None


@pytest.mark.parametrize("command", [[], "grep x", [1], [""]])
def test_command_that_is_no_list_of_words_is_refused(command: list[str]) -> None:
    with pytest.raises(InvalidInput, match="command"):
        ExitCodeVerifier(command=command)


async def test_program_that_does_not_end_is_ended() -> None:
    began = time.perf_counter()
    verdict = await ExitCodeVerifier(command=["sleep", "60"], seconds=0.2).verify(QUERY, "x")
    assert verdict is not None and (verdict.passed, verdict.evidence) == (False, "not done after 0.2 s")
    assert time.perf_counter() - began < 6.0


@ON_LINUX
@pytest.mark.parametrize("has_network", [True, False])
async def test_children_that_left_the_group_end_with_the_program(has_network: bool, tmp_path: Path) -> None:
    """With the network, processes are found by their parents; without, their whole tree is set apart."""
    mark = tmp_path / "alive"
    script = f"setsid sh -c 'while :; do date >> {mark}; sleep 0.02; done' & sleep 0.3; exit 0"
    verifier = ExitCodeVerifier(command=["sh", "-c", script], has_network=has_network)
    verdict = await verifier.verify(QUERY, "x")
    assert verdict is not None and verdict.passed
    written = mark.stat().st_size
    assert written > 0
    await asyncio.sleep(0.2)  # long enough for ten more lines
    assert mark.stat().st_size == written


@ON_LINUX
async def test_cancelled_verification_leaves_nothing_running(tmp_path: Path) -> None:
    mark = tmp_path / "process"
    script = f"echo $PPID > {mark}; exec sleep 60"
    task = asyncio.create_task(ExitCodeVerifier(command=["sh", "-c", script], has_network=True).verify(QUERY, "x"))
    await until(lambda: told(lambda: mark.exists() and bool(mark.read_text().strip())))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    keeper = int(mark.read_text())
    await until(lambda: told(lambda: not is_running(keeper)))


@ON_LINUX
async def test_memory_and_files_are_limited() -> None:
    limits = sandbox.Limits(memory_mb=128)
    greedy = await output_of("x = bytearray(1 << 30)", limits)
    assert (greedy.exit_code, greedy.last_words) == (1, "MemoryError")
    filling = await output_of("import sys\nwhile True: sys.stdout.write('x' * 65536)", limits)
    assert filling.exit_code != 0
    assert len(filling.output) <= sandbox.OUTPUT_BYTES


@ON_LINUX
async def test_network_is_taken_away_where_the_platform_can() -> None:
    connect = "import socket, sys\nserver = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()\n"
    connect += "socket.create_connection(server.getsockname(), 1)"
    with_it = await output_of(connect, sandbox.Limits(has_network=True))
    assert with_it.exit_code == 0, with_it.errors
    tried = await output_of("import os; print(os.getpid())", sandbox.Limits())
    if int(tried.output) > 3:  # a process tree of its own begins at 1
        pytest.skip("this kernel lets nobody set processes apart")
    without = await output_of(connect, sandbox.Limits())
    assert "unreachable" in without.last_words


async def test_program_sees_nothing_of_our_environment_and_a_folder_that_is_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTROUTE_SECRET", "sk-1234")
    seen = await output_of("import os; print(os.getcwd(), dict(os.environ)); open('x', 'w')", sandbox.Limits())
    assert "sk-1234" not in seen.output
    assert "antroute-verify-" in seen.output
    assert not is_there(seen.output.split()[0])


@ON_LINUX
async def test_secrets_in_our_own_environment_cannot_be_looked_up() -> None:
    """Through /proc, a process of the same user could."""
    look = f"print(len(open('/proc/{os.getpid()}/environ').read()))"
    shown = await output_of("import os; print(sum(name.isdigit() for name in os.listdir('/proc')))", sandbox.Limits())
    if int(shown.output) > 5:
        pytest.skip("this kernel lets nobody set processes apart")
    assert "FileNotFoundError" in (await output_of(look, sandbox.Limits())).last_words


async def test_right_code_passes_its_tests() -> None:
    verdict = await judged(RIGHT)
    assert (verdict.passed, verdict.quality, verdict.evidence) == (True, 1.0, "")


async def test_share_of_tests_that_pass_is_worth_at_most_a_half() -> None:
    verdict = await judged("def add(a, b):\n    return 3")
    assert (verdict.passed, verdict.quality) == (False, 0.25)
    assert verdict.evidence == "1 failed; test_zero: AssertionError"


@pytest.mark.parametrize(
    "tests",
    [
        "import unittest\nclass Sums(unittest.TestCase):\n    def test_it(self): self.assertEqual(add(1, 1), 2)",
        "class TestSums:\n    def test_it(self):\n        assert add(1, 1) == 2",
        "assert add(1, 1) == 2",
        "import answer\ndef test_it():\n    assert answer.add(1, 1) == 2",
    ],
)
async def test_tests_may_be_written_in_any_of_the_usual_ways(tests: str) -> None:
    assert (await judged(RIGHT, tests)).passed
    wrong = await judged("def add(a, b):\n    return 0", tests)
    assert (wrong.passed, wrong.quality) == (False, 0.0)


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        "raise KeyboardInterrupt",
        "print('2 passed')\nprint({'done': 2, 'faults': []})\nimport os\nos._exit(0)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "def add(a, b):\n    import os\n    os._exit(0)",
        "def add(a, b):\n    raise SystemExit(0)",
        "import sys\nsys.stdin.read()",
        "class add:\n    def __eq__(self, other): return False\n    def __init__(self, *args): pass",
        "x = [0] * (1 << 40)",
        "def add(a, b): return add(a, b)",
        "",
        "this is no code",
    ],
)
async def test_code_that_does_not_do_the_work_does_not_pass(code: str) -> None:
    verdict = await judged(f"```python\n{code}\n```")
    assert not verdict.passed
    assert verdict.quality < 0.5
    assert verdict.evidence.isprintable()


async def test_code_that_never_ends_fails() -> None:
    verdict = await judged("while True: pass", seconds=0.5)
    assert (verdict.passed, verdict.evidence) == (False, "not done after 0.5 s")


@pytest.mark.parametrize(
    "tests", ["x = 1", "def test_x(tmp_path): assert 1", "def test(", "async def test_x(): assert 1"]
)
def test_tests_that_test_nothing_or_want_fixtures_are_refused(tests: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        TestsVerifier(tests=tests)
    assert raised.value.field == "tests"


def test_python_blocks_are_joined_and_other_text_is_not_code() -> None:
    assert code_of("```py\na = 1\n```\nand\n```python\nb = 2\n```\n```\nnot this\n```") == "a = 1\n\nb = 2\n"
    assert code_of("```\nonly = 1\n```") == "only = 1\n"
    assert code_of("bare = 1") == "bare = 1"
