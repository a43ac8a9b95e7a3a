"""Writes a made-up outcomes.csv over the default candidates, for trying offline training: `python make_outcomes.py`.

Nobody answered these questions: what each candidate is good at is invented here, and drawn with a seed. Your own table
has the same columns: one row for each question and candidate.
"""

from __future__ import annotations

import csv
import sys

import numpy as np

QUESTIONS = 1500
SEED = 0
TASK_TO_TEMPLATE = {
    "arithmetic": "A crate holds {a} boxes of {b} {thing}s; {c} are broken. How many {thing}s are whole?",
    "code": "Write a Python function {thing}_{a}(values) that returns the {b} largest values, sorted.",
    "dates": "Which date comes {a} days after {c} March 20{b}? Answer in ISO form.",
    "facts": "Name the country whose most famous {thing} museum opened {a} years after its {b}th king.",
}
THINGS = ("clock", "lamp", "kite", "spoon", "violin", "pump", "rope", "globe")
# candidate to (chance to be right by task in the order above, USD for a question)
CANDIDATES = {
    "single_turn/smollm2-135m": ((0.15, 0.10, 0.10, 0.30), 0.000004),
    "single_turn/qwen2.5-coder-0.5b": ((0.40, 0.60, 0.20, 0.35), 0.00002),
    "tool_loop/qwen2.5-coder-0.5b+skills": ((0.75, 0.35, 0.80, 0.25), 0.00006),
    "single_turn/qwen2.5-coder-1.5b": ((0.55, 0.80, 0.30, 0.60), 0.00008),
    "step_by_step/qwen2.5-coder-1.5b": ((0.70, 0.70, 0.35, 0.55), 0.0002),
    "tool_loop/qwen2.5-coder-1.5b+skills": ((0.90, 0.60, 0.92, 0.50), 0.0003),
}


def main(path: str = "outcomes.csv") -> None:
    rng = np.random.default_rng(SEED)
    with open(path, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["question", "kind", "model", "score", "usd"])
        for _ in range(QUESTIONS):
            place = int(rng.integers(len(TASK_TO_TEMPLATE)))
            task, template = list(TASK_TO_TEMPLATE.items())[place]
            a, b, c = rng.integers(10, 99, size=3)
            text = template.format(a=a, b=b, c=1 + c % 28, thing=rng.choice(THINGS))
            luck = rng.uniform(-0.15, 0.15)  # some questions are harder than others
            for candidate, (chances, usd) in CANDIDATES.items():
                score = int(rng.uniform() < chances[place] + luck)
                writer.writerow([text, task, candidate, score, f"{usd * rng.uniform(0.7, 1.3):.9f}"])
    print(f"{QUESTIONS * len(CANDIDATES)} made-up outcomes of {QUESTIONS} questions are in {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
