"""Pictures: which are drawn, with which lines, and that hardly anything breaks them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from routing.evaluation.evaluate import evaluate
from routing.evaluation.plots import COLOURS, MOST_TASKS, STYLES, pictures
from routing.evaluation.references import REFERENCES
from routing.evaluation.results import View
from tests.routing.evaluation.doubles import Written, dataset, inputs_of
from tests.routing.evaluation.test_evaluate import REPORT

SIZE = slice(16, 24)  # of a PNG: where width and height stand


def many_tasks(count: int) -> View:
    rng = np.random.default_rng(0)
    train, dev = (
        dataset(rng.random((count, 2)), tasks=[f"task {row:03}" for row in range(count)], split=split)
        for split in ("train", "dev")
    )
    view = evaluate({"one": Written(dev)}, train, dev, inputs_of(dev), seed=0).text_only
    assert view is not None
    return view


def test_all_four_are_drawn_the_same_each_time() -> None:
    assert REPORT.text_only is not None
    first = pictures(REPORT.text_only, "good")
    assert list(first) == ["frontier.png", "calibration.png", "shares.png", "tasks.png"]
    assert first == pictures(REPORT.text_only, "good")
    assert first["tasks.png"] != pictures(REPORT.text_only, "knn")["tasks.png"]


def test_more_routers_than_colours_are_drawn_in_other_styles() -> None:
    assert REPORT.text_only is not None
    good = REPORT.text_only.standings["good"]
    references = {name: REPORT.text_only.standings[name] for name in REFERENCES}
    crowd = {f"router {place}": good for place in range(len(COLOURS) * len(STYLES) + 1)}
    drawn = pictures(replace(REPORT.text_only, standings={**crowd, **references}), "router 0")
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())


def test_picture_of_tasks_stops_growing() -> None:
    most, more = (pictures(many_tasks(count), "one")["tasks.png"] for count in (MOST_TASKS, MOST_TASKS + 20))
    assert int.from_bytes(most[SIZE][4:]) == int.from_bytes(more[SIZE][4:])


def test_lonely_reference_can_lead() -> None:
    assert REPORT.text_only is not None
    references = {name: REPORT.text_only.standings[name] for name in REFERENCES}
    assert "shares.png" in pictures(replace(REPORT.text_only, standings=references), "table (labels)")
