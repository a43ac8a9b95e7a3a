"""The written report: whole, self-contained, and deaf to hostile names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from routing.evaluation.evaluate import evaluate
from routing.evaluation.headline import headline
from routing.evaluation.plots import label
from routing.evaluation.report import write_report
from routing.evaluation.results import Report
from storage.errors import InvalidInput
from tests.routing.evaluation.doubles import Written, dataset, inputs_of
from tests.routing.evaluation.test_evaluate import REPORT, from_log, split
from tests.routing.small_data import small_dataset

PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = (
    "<script>alert(1)</script>",
    "$\\frac{1}$ \"'><img src=x onerror=alert(2)>",
    "_hidden\n\u0000\u202e{{ 7*7 }}",
)


class Page(HTMLParser):
    """Counts tags, and gathers what a browser would fetch and what a reader would read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.sources: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.sources += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words += data


def hostile_report() -> Report:
    rng = np.random.default_rng(0)
    train, dev = (
        dataset(
            rng.random((40, 3)),
            cost=rng.random((40, 3)),
            tasks=[HOSTILE[row % 3] for row in range(40)],
            candidates=HOSTILE,
            split=name,
        )
        for name in ("train", "dev")
    )
    return evaluate({HOSTILE[0]: Written(dev, noise=0.3)}, train, dev, inputs_of(dev), seed=0)


def test_page_embeds_its_pictures_and_fetches_nothing(tmp_path: Path) -> None:
    files = write_report(REPORT, tmp_path / "deep" / "report")
    page = Page(files.page.read_text(encoding="utf-8"))
    assert page.tags["img"] == len(files.pictures) == 4
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "http" not in page.words
    for picture in files.pictures:
        assert picture.read_bytes().startswith(PNG)


def test_page_tells_headline_routers_digests_and_exclusions(tmp_path: Path) -> None:
    page = Page(write_report(REPORT, tmp_path).page.read_text(encoding="utf-8"))
    words = re.sub(r"\s+", " ", page.words)
    for expected in (*headline(REPORT), "table (labels)", REPORT.data.digest, REPORT.code_sha256, "arithmetic"):
        assert expected in words
    assert f"{REPORT.data.missing_cells} of" in words
    assert page.tags["table"] == 5


def test_json_holds_the_same_report(tmp_path: Path) -> None:
    found = json.loads(write_report(REPORT, tmp_path).json.read_text(encoding="utf-8"))
    assert found["text_only"]["standings"]["good"]["gate"]["is_passed"] is True
    assert found["data"]["digest"] == REPORT.data.digest
    assert found["lambdas"] == [0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]


def test_hostile_names_stay_words(tmp_path: Path) -> None:
    text = write_report(hostile_report(), tmp_path).page.read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert page.tags["img"] == 4
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "{{ 7*7 }}" in page.words
    assert "<script>alert(1)</script>" in page.words


def test_same_report_gives_the_same_bytes_and_replaces_the_earlier_one(tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in _files(write_report(REPORT, tmp_path).page.parent)}
    again = {path.name: path.read_bytes() for path in _files(write_report(REPORT, tmp_path).page.parent)}
    assert first == again


def test_pictures_without_data_are_left_out(tmp_path: Path) -> None:
    write_report(REPORT, tmp_path)
    train, dev, inputs = split(small_dataset(with_tasks=False, with_costs=False))
    files = write_report(evaluate({}, train, dev, inputs, seed=0), tmp_path)
    assert [path.name for path in files.pictures] == ["calibration.png", "shares.png"]
    assert not (tmp_path / "frontier.png").exists()
    assert "No router was judged" in files.page.read_text(encoding="utf-8")


def test_log_report_tells_estimates_and_refusals(tmp_path: Path) -> None:
    train, dev, inputs = split(small_dataset(queries=300))
    report = evaluate({"good": Written(dev)}, train, from_log(dev), inputs, seed=0)
    words = Page(write_report(report, tmp_path).page.read_text(encoding="utf-8")).words
    assert "Estimates from the log" in words
    assert "No estimate." in words
    assert headline(report)[0].startswith("The log's own policy earned a quality of")


def test_failures_are_told(tmp_path: Path) -> None:
    report = replace(REPORT, failures={"gone": "It could not be <b>fitted</b>."}, notes=("told beside",))
    words = Page(write_report(report, tmp_path).page.read_text(encoding="utf-8")).words
    assert "It could not be <b>fitted</b>." in words
    assert "told beside" in words


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_report(REPORT, tmp_path / "taken")


@pytest.mark.parametrize("name", [*HOSTILE, "", "名前" * 40])
def test_label_is_short_flat_and_no_formula(name: str) -> None:
    found = label(name)
    assert len(found.replace("\\$", "$")) <= 36
    assert found.isprintable()
    assert not found.startswith("_")
    assert "$" not in found.replace("\\$", "")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())
