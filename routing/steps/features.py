"""What a step policy may see: figures of each candidate's episode so far, and of the task's text; nothing later.

The same `Watch` makes them of logs and where the policy serves. Stuck loops, errors and rewards are what tells running
episodes apart on InterCode (Yang et al., 2023) and MINT (Wang et al., 2024).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from routing.steps.episodes import Step

SIGNALS = (
    "share_done", "share_left", "reward", "best_reward", "trend", "is_error", "error_share", "errors_in_a_row",
    "is_repeated", "distinct_share", "is_empty", "observation_length", "action_length", "wrong_answers", "is_solution",
    "is_invalid", "is_exploring", "is_same_observation", "overlap", "has_reward",
)  # fmt: skip
TEXT_SIGNALS = ("words", "characters", "digit_share", "commas", "is_question")
VERSION = 1  # of both lists; an artefact of another one is refused

ERROR = re.compile(r"error|traceback|exception|nothing happens|no sql code|don.t understand|invalid", re.IGNORECASE)
ERROR_WITHIN = 400  # characters of an observation: later ones quote data
EXPLORING = re.compile(r"\b(?:show|desc|describe|information_schema)\b|select \* from")
WORD = re.compile(r"\w+")
SPACE = re.compile(r"\s+")
WRONG = "answer is wrong"
EMPTY = frozenset({"", "[]", "None"})
LONGEST_READ = 20_000  # characters of an action or observation


class Watch:
    """Follows one candidate's episode; `saw` is cheap and called once a step."""

    def __init__(self, most_steps: int) -> None:
        self.most_steps = most_steps
        self.count = 0
        self._actions: set[str] = set()
        self._errors = self._errors_in_a_row = self._wrong = 0
        self._best = self._last = 0.0
        self._observation: str | None = None
        self._words: frozenset[str] = frozenset()

    def saw(self, step: Step) -> tuple[float, ...]:
        """The signals after this step, in the order of SIGNALS."""
        self.count += 1
        observation = step.observation[:LONGEST_READ]
        action = SPACE.sub(" ", step.action[:LONGEST_READ]).strip().lower()
        reward = step.reward or 0.0
        is_error = ERROR.search(observation[:ERROR_WITHIN]) is not None
        self._errors += is_error
        self._errors_in_a_row = self._errors_in_a_row + 1 if is_error else 0
        self._wrong += WRONG in observation
        self._best = max(self._best, reward)
        is_repeated = action in self._actions
        self._actions.add(action)
        words = frozenset(WORD.findall(action))
        overlap = len(words & self._words) / max(1, len(words | self._words))
        trend, is_same = reward - self._last, observation == self._observation
        self._words, self._last, self._observation = words, reward, observation
        done = min(self.count, self.most_steps) / self.most_steps
        return (
            done, 1.0 - done, reward, self._best, trend, float(is_error), self._errors / self.count,
            min(self._errors_in_a_row, 5) / 5, float(is_repeated), len(self._actions) / self.count,
            float(observation.strip() in EMPTY or "No Output" in observation), math.log1p(len(observation)) / 8,
            math.log1p(len(action)) / 8, float(self._wrong), float(step.kind == "solution"),
            float(step.kind == "invalid"), float(EXPLORING.search(action) is not None), float(is_same), overlap,
            float(step.reward is not None),
        )  # fmt: skip


def signals_of(steps: Sequence[Step], most_steps: int) -> list[tuple[float, ...]]:
    """Of a whole episode, after each of its steps."""
    watch = Watch(most_steps)
    return [watch.saw(step) for step in steps]


def text_signals(text: str) -> tuple[float, ...]:
    """Of the task's text, in the order of TEXT_SIGNALS."""
    return (
        math.log1p(len(text.split())) / 6,
        math.log1p(len(text)) / 8,
        10 * sum(mark.isdigit() for mark in text) / max(1, len(text)),
        float(text.count(",")),
        float("?" in text),
    )
