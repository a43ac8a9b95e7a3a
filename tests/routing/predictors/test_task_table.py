"""Tests of the per-task table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from routing.dataset import Dataset
from routing.forecasts import Forecast
from routing.predictors.task_table import TaskTable, fit
from skills.progress import no_progress
from tests.routing.small_data import TASKS, small_dataset, small_inputs


def fitted(data: Dataset) -> TaskTable:
    return fit(data, small_inputs(data), seed=0, on_progress=no_progress)


def rows_of(data: Dataset, task: str) -> list[int]:
    return [place for place, each in enumerate(data.tasks) if each == task]


def labelled(table: TaskTable, data: Dataset, task: str) -> Forecast:
    inputs = small_inputs(data).take([0])
    return table.predict(replace(inputs, tasks=(task,)))


def test_with_a_label_the_forecast_is_that_task_s_means() -> None:
    data = small_dataset(200)
    for task in TASKS:
        forecast = labelled(fitted(data), data, task)
        rows = rows_of(data, task)
        np.testing.assert_allclose(forecast.quality[0], data.quality[rows].mean(axis=0))
        np.testing.assert_allclose(forecast.cost_usd[0], data.cost_usd[rows].mean(axis=0))
        assert forecast.latency_seconds is not None
        np.testing.assert_allclose(forecast.latency_seconds[0], data.latency_seconds[rows].mean(axis=0))


def test_without_a_label_the_task_is_told_from_the_text() -> None:
    whole = small_dataset(400)
    dev = whole.split("dev")
    table = fitted(whole.split("train"))
    told = table.predict(small_inputs(dev))
    guessed = table.predict(small_inputs(dev).without_tasks())
    assert np.abs(told.quality - guessed.quality).mean() < 0.05


def test_a_cell_without_outcomes_is_its_candidate_s_mean() -> None:
    data = small_dataset(200)
    quality = data.quality.copy()
    quality[rows_of(data, "code"), 3] = np.nan
    forecast = labelled(fitted(replace(data, quality=quality)), data, "code")
    assert forecast.quality[0, 3] == np.nanmean(quality[:, 3])


def test_two_tasks_are_told_apart_too() -> None:
    data = small_dataset(200)
    two = data.rows(sorted(rows_of(data, "code") + rows_of(data, "history")))
    table = fitted(two)
    told, guessed = table.predict(small_inputs(two)), table.predict(small_inputs(two).without_tasks())
    assert np.abs(told.quality - guessed.quality).mean() < 0.05


def test_a_label_of_the_data_that_is_missing_here_and_there_is_learned_from_the_others() -> None:
    data = small_dataset(200)
    half = replace(data, tasks=tuple(task if place % 8 < 4 else None for place, task in enumerate(data.tasks)))
    table = fitted(half)
    rest = data.rows([place for place, task in enumerate(half.tasks) if task is None])
    right = table.predict(small_inputs(rest)).quality
    assert np.abs(right - table.predict(small_inputs(rest).without_tasks()).quality).mean() < 0.05
