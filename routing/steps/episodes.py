"""Trajectories on disk: tasks, candidates, whole episodes; read with every problem told by file, line and field."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import cast

import orjson

from routing.dataset import Split
from routing.training.listings import SPLITS, read_cards
from routing.training.problems import Findings
from routing.training.sources import contents, utf8
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput

CANDIDATES_FILE = "candidates.json"
TASKS_FILES = ("tasks.jsonl", "tasks.jsonl.gz")
EPISODES_FILES = ("episodes.jsonl", "episodes.jsonl.gz")
COST_TOLERANCE = 0.01  # of an episode's cost: what its steps' sum may differ by


@dataclass(frozen=True, kw_only=True)
class Step:
    """One turn as it could be seen when it was over. `cost_usd` None: not known."""

    action: str
    observation: str = ""
    reward: float | None = None  # the environment's or a verifier's; None: it gave none
    kind: str = ""  # what the environment took the action for: tool, solution, invalid
    cost_usd: float | None = None


@dataclass(frozen=True, kw_only=True)
class Episode:
    """What one candidate did on one task, to its end."""

    task_id: str
    candidate: str
    steps: tuple[Step, ...]
    is_success: bool

    @property
    def is_priced(self) -> bool:
        return all(step.cost_usd is not None for step in self.steps)


@dataclass(frozen=True, kw_only=True)
class Task:
    id: str
    text: str
    sort: str | None
    split: Split


@dataclass(frozen=True, kw_only=True)
class Trajectories:
    """Tasks in the order of their ids, candidates in that of theirs."""

    candidates: tuple[str, ...]
    tasks: tuple[Task, ...]
    episodes: Mapping[tuple[str, str], Episode] = field(repr=False)  # by candidate and task
    digest: str  # SHA-256 of the three files' contents in canonical order

    @property
    def priced(self) -> tuple[str, ...]:
        """The candidates all of whose episodes have a cost at every step."""
        unpriced = {episode.candidate for episode in self.episodes.values() if not episode.is_priced}
        there = {candidate for candidate, _ in self.episodes}
        return tuple(id for id in self.candidates if id in there and id not in unpriced)


@dataclass(frozen=True, kw_only=True)
class CheckedTrajectories:
    """All that was found; `data` is None where there is an error."""

    findings: Findings
    data: Trajectories | None


def holds_trajectories(folder: Path) -> bool:
    """Whether the folder has episodes, whatever they are worth."""
    return any((folder / name).exists() for name in EPISODES_FILES)


def read_trajectories(folder: Path, *, on_progress: Progress = no_progress) -> Trajectories:
    """Raises InvalidInput, which tells the first ten errors by file, line and field."""
    checked = check_trajectories(folder, on_progress=on_progress)
    checked.findings.refuse_errors(str(folder))
    if checked.data is None:
        raise InvalidInput(f"No trajectories could be read from {str(folder)!r}.", field="data")
    return checked.data


def check_trajectories(folder: Path, *, on_progress: Progress = no_progress) -> CheckedTrajectories:
    """Reads the folder and never stops at the first problem."""
    findings = Findings()
    places = [_one_of(folder, names, findings) for names in ((CANDIDATES_FILE,), TASKS_FILES, EPISODES_FILES)]
    if None in places:
        return CheckedTrajectories(findings=findings, data=None)
    candidates_file, tasks_file, episodes_file = cast(list[Path], places)
    on_progress(0, 3, "reading trajectories")
    cards = read_cards(candidates_file, findings)
    on_progress(1, 3, "reading trajectories")
    tasks = _tasks(tasks_file, findings)
    on_progress(2, 3, "reading trajectories")
    candidates = sorted(card.id for card in cards or ())
    episodes = _episodes(episodes_file, set(candidates), set(tasks), findings)
    on_progress(3, 3, "reading trajectories")
    if not findings.error_count and not any(task.split == "train" for task in tasks.values()):
        findings.warning(tasks_file.name, None, "split", "no task is in train: nothing can be learned from this.")
    if not findings.error_count and not episodes:
        findings.error(episodes_file.name, None, "", "no episode could be read.")
    if findings.error_count:
        return CheckedTrajectories(findings=findings, data=None)
    data = Trajectories(
        candidates=tuple(candidates),
        tasks=tuple(tasks[id] for id in sorted(tasks)),
        episodes=episodes,
        digest=_digest(candidates, tasks, episodes),
    )
    _tell_unpriced(data, episodes_file.name, findings)
    return CheckedTrajectories(findings=findings, data=data)


def chosen_candidates(data: Trajectories, named: Sequence[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The candidates to learn about, and those left out for want of prices.

    `named`: None for all that have prices. Raises InvalidInput for one that is unknown or, named, has no prices.
    """
    priced = data.priced
    if named is None:
        return priced, tuple(id for id in data.candidates if id not in priced)
    for id in named:
        if id not in data.candidates:
            known = ", ".join(map(repr, priced[:10])) or "none"
            raise InvalidInput(f"No candidate {id!r} in the data; with prices: {known}.", field="candidates")
        if id not in priced:
            known = ", ".join(map(repr, priced)) or "none"
            raise InvalidInput(
                f"Candidate {id!r} has steps without `cost_usd`, so that it has no price; with prices: {known}.",
                field="candidates",
            )
    return tuple(dict.fromkeys(named)), ()


def _one_of(folder: Path, names: tuple[str, ...], findings: Findings) -> Path | None:
    here = [name for name in names if (folder / name).is_file()]
    if not here:
        findings.error(names[0], None, "", f"there is no such file (or {names[-1]}) in {str(folder)!r}.")
    if len(here) > 1:
        findings.error(here[0], None, "", f"{here[1]} is there as well; keep one of them.")
    return folder / here[0] if len(here) == 1 else None


def _lines(path: Path, findings: Findings) -> list[tuple[int, dict[str, object]]]:
    raw = contents(path, findings)
    found: list[tuple[int, dict[str, object]]] = []
    for number, line in enumerate(utf8(raw, path.name, findings).split("\n") if raw else (), start=1):
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            findings.error(path.name, number, "", f"not JSON: {exc.msg} (column {exc.colno} of {len(line)}).")
            continue
        if isinstance(value, dict):
            found.append((number, value))
        else:
            findings.error(path.name, number, "", f"{line!r:.60} is not an object.")
    return found


def _tasks(path: Path, findings: Findings) -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for number, value in _lines(path, findings):
        id, text, sort, split = (value.get(name) for name in ("task_id", "text", "task", "split"))
        wrong = {
            "task_id": not isinstance(id, str) or not id,
            "text": not isinstance(text, str),
            "task": sort is not None and not isinstance(sort, str),
            "split": split not in SPLITS,
        }
        for name in [name for name, is_wrong in wrong.items() if is_wrong]:
            right = f"one of {', '.join(SPLITS)}" if name == "split" else "a text"
            findings.error(path.name, number, name, f"{value.get(name)!r:.60} must be {right}.")
        if id in tasks:
            findings.error(path.name, number, "task_id", f"{id!r:.60} is there already; ids are unique.")
        if not any(wrong.values()):
            task = Task(id=str(id), text=str(text), sort=cast(str | None, sort), split=cast(Split, split))
            tasks[task.id] = task
    if not tasks:
        findings.error(path.name, None, "", 'no task could be read; a line is {"task_id": …, "text": …, "split": …}.')
    return tasks


def _episodes(path: Path, candidates: set[str], tasks: set[str], findings: Findings) -> dict[tuple[str, str], Episode]:
    episodes: dict[tuple[str, str], Episode] = {}
    for number, value in _lines(path, findings):
        before = findings.error_count
        task_id, candidate, success = value.get("task_id"), value.get("candidate"), value.get("success")
        if task_id not in tasks:
            findings.error(path.name, number, "task_id", f"{task_id!r:.60} is not among the tasks.")
        if candidate not in candidates:
            findings.error(path.name, number, "candidate", f"{candidate!r:.60} is not in {CANDIDATES_FILE}.")
        if not isinstance(success, bool):
            findings.error(path.name, number, "success", f"{success!r:.60} must be true or false.")
        steps = _steps(value.get("steps"), path.name, number, findings)
        key = (str(candidate), str(task_id))
        if key in episodes:
            findings.error(
                path.name, number, "task_id", f"{candidate!r:.60} has an episode of {task_id!r:.60} already."
            )
        _check_total(value.get("cost_usd"), steps, path.name, number, findings)
        if findings.error_count == before and steps:
            episodes[key] = Episode(task_id=key[1], candidate=key[0], steps=steps, is_success=bool(success))
    return episodes


def _steps(value: object, file: str, number: int, findings: Findings) -> tuple[Step, ...]:
    if not isinstance(value, list):
        findings.error(file, number, "steps", f"{value!r:.60} must be a list of steps.")
        return ()
    if not value:
        findings.warning(file, number, "steps", "the episode has no step, so nothing is known of it; it is left out.")
    steps = []
    for place, item in enumerate(value):
        if not isinstance(item, dict):
            findings.error(file, number, f"steps[{place}]", f"{item!r:.60} must be an object with an `action`.")
            continue
        steps.append(_step(item, f"steps[{place}]", file, number, findings))
    return tuple(steps)


def _step(item: Mapping[str, object], where: str, file: str, number: int, findings: Findings) -> Step:
    action, observation, kind = item.get("action"), item.get("observation"), item.get("kind")
    if not isinstance(action, str):
        findings.error(file, number, f"{where}.action", f"{action!r:.60} must be a text.")
    return Step(
        action=action if isinstance(action, str) else "",
        observation="" if observation is None else str(observation),
        kind=kind if isinstance(kind, str) else "",
        reward=_number(item, "reward", where, file, number, findings),
        cost_usd=_number(item, "cost_usd", where, file, number, findings, least=0.0),
    )


def _number(
    item: Mapping[str, object],
    name: str,
    where: str,
    file: str,
    number: int,
    findings: Findings,
    *,
    least: float = -math.inf,
) -> float | None:
    found = item.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not least <= found < math.inf:
        least_said = f", {least:g} or more" if least > -math.inf else ""
        findings.error(file, number, f"{where}.{name}", f"{found!r:.60} must be a number{least_said}, or null.")
        return None
    return float(found)


def _check_total(total: object, steps: Sequence[Step], file: str, number: int, findings: Findings) -> None:
    """What an episode says it cost must be what its steps cost."""
    if total is None or any(step.cost_usd is None for step in steps):
        return
    if isinstance(total, bool) or not isinstance(total, int | float) or not 0 <= total < math.inf:
        findings.error(file, number, "cost_usd", f"{total!r:.60} must be a number, 0 or more, or null.")
        return
    paid = math.fsum(step.cost_usd or 0.0 for step in steps)
    if abs(paid - total) > COST_TOLERANCE * max(total, paid):
        findings.warning(file, number, "cost_usd", f"{total:g} is not the sum of the steps, {paid:g}, which is used.")


def _tell_unpriced(data: Trajectories, file: str, findings: Findings) -> None:
    unpriced = [id for id in data.candidates if id not in data.priced]
    if unpriced:
        some = ", ".join(map(repr, unpriced[:3])) + (", …" if len(unpriced) > 3 else "")
        findings.warning(
            file, None, "cost_usd", f"candidates without prices, who cannot be learned about: {len(unpriced)} ({some})."
        )


def _digest(candidates: Sequence[str], tasks: Mapping[str, Task], episodes: Mapping[tuple[str, str], Episode]) -> str:
    whole = sha256(repr(list(candidates)).encode())
    for id in sorted(tasks):
        whole.update(repr(tasks[id]).encode("utf-8", "surrogatepass"))
    for key in sorted(episodes):
        whole.update(repr(episodes[key]).encode("utf-8", "surrogatepass"))
    return whole.hexdigest()
