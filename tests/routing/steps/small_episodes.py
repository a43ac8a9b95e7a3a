"""Made-up trajectories whose best step policy is known: one look at small's first step tells how the task will go.

Easy: small succeeds in two steps. Stuck: small runs into an error and fails after six, large succeeds in two. Hopeless:
small sees nothing and everybody fails after six. Best: begin with small; after its first step go on, begin large, or
stop.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from routing.steps.episodes import Episode, Step, Task, Trajectories, read_trajectories
from routing.steps.training import StepInputs

SMALL, LARGE = "mini", "grand"
SMALL_USD, LARGE_USD = 0.01, 0.1  # a step
LONGEST = 6
SORTS = ("easy", "stuck", "hopeless", "easy")  # task by task
WORDS = ("ships", "names", "towns", "songs")


def write_trajectories(
    folder: Path, *, tasks: int = 80, rename: Mapping[str, str] | None = None, seed: int = 0, third: bool = False
) -> Path:
    """Three in four tasks are train. `rename`: of candidates. `third`: with one who has no prices."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {SMALL: SMALL, LARGE: LARGE, **(rename or {})}
    rng = np.random.default_rng(seed)
    task_lines, episode_lines = [], []
    for number in range(tasks):
        sort, split = SORTS[number % 4], "dev" if number % 16 >= 12 else "train"
        text = f"Count the {WORDS[int(rng.integers(4))]} of list {int(rng.integers(1000))}."
        task_lines.append({"task_id": f"t{number:03}", "text": text, "task": sort, "split": split})
        for role, price in ((SMALL, SMALL_USD), (LARGE, LARGE_USD)):
            steps = [{**step, "cost_usd": price} for step in episode_steps(role, sort)]
            is_success = (role, sort) in {(SMALL, "easy"), (LARGE, "easy"), (LARGE, "stuck")}
            episode_lines.append(_line(names[role], f"t{number:03}", steps, is_success))
        if third:
            episode_lines.append(_line("unpriced", f"t{number:03}", [{"action": "?", "cost_usd": None}], False))
    cards = [{"id": id} for id in (*names.values(), *(["unpriced"] if third else []))]
    (folder / "candidates.json").write_text(json.dumps(cards), encoding="utf-8")
    write_lines(folder / "tasks.jsonl", task_lines)
    write_lines(folder / "episodes.jsonl", episode_lines)
    return folder


def episode_steps(role: str, sort: str) -> list[dict[str, object]]:
    succeeds = sort == "easy" or (role == LARGE and sort == "stuck")
    seen = {"easy": "3 rows", "stuck": "Error: no such table", "hopeless": ""}[sort if role == SMALL else "easy"]
    return [
        {"action": f"select {number} from x", "observation": seen, "reward": 0.5 * succeeds}
        for number in range(2 if succeeds else LONGEST)
    ]


def write_lines(path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def small_inputs(folder: Path, **given: object) -> StepInputs:
    """Read back from a folder of `write_trajectories`."""
    return StepInputs(data=read_trajectories(write_trajectories(folder, **given)))  # type: ignore[arg-type]  # passed on


def random_trajectories(seed: int, *, tasks: int = 40, candidates: int = 3) -> Trajectories:
    """Episodes of random lengths, ends and, step by step, costs."""
    rng = np.random.default_rng(seed)
    names = [f"c{place}" for place in range(candidates)]
    listed = [Task(id=f"t{n:03}", text=f"task {n}", sort=None, split="train") for n in range(tasks)]
    episodes = {}
    for place, name in enumerate(names):
        for task in listed:
            steps = tuple(
                Step(action=f"a{int(rng.integers(3))}", observation="Error" * int(rng.integers(2)), cost_usd=cost)
                for cost in (0.01 * 3**place * (1 + rng.random(int(rng.integers(1, 7))))).tolist()
            )
            episodes[name, task.id] = Episode(
                task_id=task.id, candidate=name, steps=steps, is_success=bool(rng.random() < 0.3 + 0.2 * place)
            )
    return Trajectories(candidates=tuple(names), tasks=tuple(listed), episodes=episodes, digest="made up")


def _line(candidate: str, task_id: str, steps: list[dict[str, object]], is_success: bool) -> dict[str, object]:
    prices = [step["cost_usd"] for step in steps]
    cost = None if None in prices else sum(float(str(price)) for price in prices)
    return {
        "episode_id": f"{candidate}/{task_id}", "task_id": task_id, "candidate": candidate, "steps": steps,
        "success": is_success, "cost_usd": cost,
    }  # fmt: skip
