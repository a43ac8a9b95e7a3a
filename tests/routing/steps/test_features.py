"""What a step policy sees."""

from __future__ import annotations

from routing.steps.episodes import Step
from routing.steps.features import SIGNALS, TEXT_SIGNALS, Watch, signals_of, text_signals

STEPS = [
    Step(action="SELECT a FROM b", observation="Error: no b", reward=0.0),
    Step(action="select  a from b", observation="Error: no b", reward=0.0),
    Step(action="SHOW tables", observation="[]", reward=0.4, kind="tool"),
    Step(action="select a from c", observation="3 rows", reward=1.0, kind="solution"),
]


def named(row: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(SIGNALS, row, strict=True))


def test_signals_know_nothing_of_later_steps() -> None:
    whole = signals_of(STEPS, 10)
    for count in range(1, len(STEPS) + 1):
        assert signals_of(STEPS[:count], 10) == whole[:count]


def test_errors_repetition_and_rewards_are_seen() -> None:
    first, second, third, fourth = map(named, signals_of(STEPS, 4))
    assert (first["is_error"], first["is_repeated"], second["is_repeated"], second["errors_in_a_row"]) == (1, 0, 1, 0.4)
    assert (second["is_same_observation"], third["is_exploring"], third["is_empty"]) == (1, 1, 1)
    assert (third["errors_in_a_row"], fourth["best_reward"], fourth["is_solution"]) == (0, 1, 1)
    assert fourth["trend"] == 0.6
    assert (first["share_left"], fourth["share_left"]) == (0.75, 0)


def test_hostile_texts_are_read_in_bounded_time_and_size() -> None:
    row = Watch(5).saw(Step(action="a" * 3_000_000, observation="\x00" * 3_000_000))
    assert max(row) < 3


def test_text_signals_have_names() -> None:
    row = dict(zip(TEXT_SIGNALS, text_signals("How many, of 12?"), strict=True))
    assert (row["commas"], row["is_question"]) == (1, 1)
    assert text_signals("") == (0, 0, 0, 0, 0)
