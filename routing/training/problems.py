"""What is wrong with training data: one record for each problem, and the list that collects them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from storage.errors import InvalidInput

Severity = Literal["error", "warning"]
MOST_SHOWN = 100
MOST_ALIKE = 10  # of one severity, file and field: later ones are counted and not kept
MOST_RAISED = 10


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong at one place. `line` counts from 1 (Parquet: the row); None: the file as a whole."""

    file: str
    line: int | None
    field: str
    message: str
    severity: Severity

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.field, self.message) if part)


class Findings:
    """Collects problems: counts all of them, keeps the first few of each kind."""

    def __init__(self) -> None:
        self._kept: list[Problem] = []
        self._counts: Counter[tuple[Severity, str, str]] = Counter()

    def error(self, file: str, line: int | None, field: str, message: str) -> None:
        self._add(Problem(file=file, line=line, field=field, message=message, severity="error"))

    def warning(self, file: str, line: int | None, field: str, message: str) -> None:
        self._add(Problem(file=file, line=line, field=field, message=message, severity="warning"))

    def errors_at(
        self, file: str, lines: Sequence[int], field: str, places: Sequence[int], message: Callable[[int], str]
    ) -> None:
        """An error for each place; its message is made only where it is kept."""
        for place in places[:MOST_ALIKE]:
            self.error(file, int(lines[place]), field, message(place))
        self._counts["error", file, field] += len(places[MOST_ALIKE:])

    def _add(self, problem: Problem) -> None:
        kind = (problem.severity, problem.file, problem.field)
        self._counts[kind] += 1
        if self._counts[kind] <= MOST_ALIKE:
            self._kept.append(problem)

    @property
    def error_count(self) -> int:
        return self._count("error")

    @property
    def warning_count(self) -> int:
        return self._count("warning")

    def shown(self) -> list[Problem]:
        """At most 100: errors first, then file by file as they were read, each from its top."""
        files = list(dict.fromkeys(problem.file for problem in self._kept))

        def place(problem: Problem) -> tuple[bool, int, int]:
            return problem.severity != "error", files.index(problem.file), problem.line or 0

        return sorted(self._kept, key=place)[:MOST_SHOWN]

    def refuse_errors(self, where: str) -> None:
        """Raises InvalidInput with the first errors, if there is one."""
        if not self.error_count:
            return
        first = [str(problem) for problem in self.shown() if problem.severity == "error"][:MOST_RAISED]
        rest = self.error_count - len(first)
        more = [f"… and {rest} more"] if rest else []
        raise InvalidInput(
            "\n  ".join([f"The data in {where} cannot be used:", *first, *more]),
            field="data",
            hint=f"All of it: antroute data validate {where}",
        )

    def _count(self, severity: Severity) -> int:
        return sum(count for kind, count in self._counts.items() if kind[0] == severity)
