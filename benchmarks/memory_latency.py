"""What a memory costs the request path: CPU time with 40 candidates and 5,000 remembered texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from routing.base import Context, Lesson
from routing.policies.pheromone import Pheromone
from storage.records import utc_now

LATENCY_ARMS, LATENCY_ROWS = 40, 5_000
MEASURED = 500  # calls
AT = utc_now()


def latency() -> dict[str, float]:
    """Means of CPU time with 40 candidates and 5,000 remembered texts: look-up, choosing, learning."""
    rng = np.random.default_rng(0)
    arms = [f"candidate {number:02}" for number in range(LATENCY_ARMS)]
    centres = rng.normal(size=(LATENCY_ROWS // 100, 384))
    noise = rng.normal(size=(LATENCY_ROWS, 384), scale=0.5)  # cosines of about .8 within a hundred
    vectors = (np.repeat(centres, 100, axis=0) + noise).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tasks = [f"task {number}" for number in range(10)]
    policy = Pheromone()
    contexts = [
        Context(
            task=tasks[place % 10],
            task_mixture={task: 0.1 for task in tasks},
            vector=np.ones(1),
            encoder="drawn",
            embedding=vector,
        )
        for place, vector in enumerate(vectors)
    ]
    for place, context in enumerate(contexts[:-MEASURED]):
        policy.observe(arms[place % LATENCY_ARMS], context, _lesson(place, rng))
    lessons = [_lesson(place, rng) for place in range(LATENCY_ROWS - MEASURED, LATENCY_ROWS)]
    learn = [partial(policy.observe, arms[n % LATENCY_ARMS], c, lessons[n]) for n, c in enumerate(contexts[-MEASURED:])]
    found = {"learn": _cpu_ms(learn)}
    name_to_call: dict[str, Callable[[Sequence[str], Context], object]] = {
        "look_up": partial(looked_up, policy),
        "view": policy.memory.view,
        "choose": policy.probabilities,
    }
    for name, call in name_to_call.items():
        calls: list[Callable[[], object]] = [partial(call, arms, context) for context in contexts[::10]]
        found[name] = _cpu_ms(calls)
    return found


def _lesson(place: int, rng: np.random.Generator) -> Lesson:
    return Lesson(reward=float(rng.random()), quality=1.0, payload_id=f"text {place}", at=AT)


def looked_up(policy: Pheromone, arms: Sequence[str], context: Context) -> None:
    """Finds the neighbours, and what each candidate earned there."""
    neighbours = policy.memory.neighbours
    near = neighbours.near(context.stage, context.embedding, encoder=context.encoder)
    zeros = np.zeros(len(arms))
    neighbours.adjusted(zeros, zeros, near, arms=arms, stage=context.stage, tick=0.0)


def _cpu_ms(calls: Sequence[Callable[[], object]]) -> float:
    """Mean CPU milliseconds of a call."""
    started = time.process_time()
    for call in calls:
        call()
    return (time.process_time() - started) / len(calls) * 1e3
