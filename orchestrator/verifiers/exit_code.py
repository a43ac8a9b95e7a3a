"""Asks a program of the operator's: exit code 0 says that the answer is right."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.verifiers import sandbox
from orchestrator.verifiers.base import Verdict
from orchestrator.verifiers.options import flag, number, texts
from storage.errors import InvalidInput
from storage.records import Query

ANSWER_FILE = "{answer}"  # in an argument: the path of a file with the answer; without it the answer comes on stdin


class ExitCodeVerifier:
    """Never from a caller over HTTP: who names a command runs it.

    Other exit codes say that the answer is wrong, as does running out of time or memory; `unsure` ones say nothing,
    nor does a program that cannot be started.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        unsure: Sequence[int] = (),
        seconds: float = 10.0,
        memory_mb: int = 512,
        has_network: bool = False,
        name: str = "exit_code",
    ) -> None:
        """`command`: an argument list, no shell; its first is a path or stands in the system's folders.

        `has_network`: it may use the network; without it, it gets none where the platform can take it away.
        """
        self.name = name
        self.command = texts(command, "command")
        if not self.command:
            raise InvalidInput("The command is empty; `[/usr/bin/check, --strict]` would be right.", field="command")
        self.unsure = frozenset(int(number(code, "unsure", least=1, most=255)) for code in unsure)
        self.limits = sandbox.Limits(
            seconds=number(seconds, "seconds", least=0.1, most=600.0),
            memory_mb=int(number(memory_mb, "memory_mb", least=16, most=1024**2)),
            has_network=flag(has_network, "has_network"),
        )

    async def verify(self, query: Query, answer: str) -> Verdict | None:
        files = {"answer.txt": answer} if any(ANSWER_FILE in part for part in self.command) else {}
        argv = tuple(part.replace(ANSWER_FILE, "answer.txt") for part in self.command)
        program = sandbox.Program(argv=argv, files=files)
        done = await sandbox.run(program, "" if files else answer, self.limits)
        if not done.has_run or done.exit_code in self.unsure:
            return None
        passed = done.exit_code == 0
        ended = f"not done after {self.limits.seconds:g} s" if done.is_out_of_time else f"exit code {done.exit_code}"
        return Verdict(
            quality=float(passed),
            judged_by="verifier",
            verifier=self.name,
            passed=passed,
            evidence="" if passed else f"{ended}: {done.last_words}".rstrip(": "),
        )
