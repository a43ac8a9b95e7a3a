"""The heat map is a picture that any reader of SVG can show, whatever the names in it."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from orchestrator.trail_picture import DARK_BELOW, MOST_CANDIDATES, heat_map
from orchestrator.trail_tables import TrailTable
from routing.pheromone.base import TrailCell

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</svg><script>alert(1)</script> \" ' & \x00\x1b[2J \ud800 \u202e"


def a_table(*cells: TrailCell, memory: str = "pheromone") -> TrailTable:
    return TrailTable(memory=memory, at=NOON, cells=cells)


def a_cell(task: str = "sql", stage: str = "solve", candidate_id: str = "small", tau: float = 0.5) -> TrailCell:
    return TrailCell(
        task=task, stage=stage, candidate_id=candidate_id, tau=tau, n=3.25, mean=0.6, variance=0.04, used_at=NOON
    )


def parsed(table: TrailTable) -> ElementTree.Element:
    return ElementTree.fromstring(heat_map(table))


def texts(picture: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def boxes(picture: ElementTree.Element) -> list[ElementTree.Element]:
    """The rectangles of cells that were taught."""
    return [group[1] for group in picture.iter(f"{SVG}g")]


def luminance(colour: str) -> float:
    """Relative luminance of sRGB (WCAG 2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_cell_is_drawn_with_its_count_under_its_stage() -> None:
    picture = parsed(a_table(a_cell(), a_cell(task="mathe"), a_cell(stage="verify"), a_cell(candidate_id="large")))
    assert len(boxes(picture)) == 4
    assert texts(picture).count("3.2") == 4
    assert {"stage: solve", "stage: verify", "Trails of memory pheromone"} <= set(texts(picture))
    assert "small on sql: τ 0.5000, n 3.25, mean utility 0.6000 ± 0.2000" in {
        t.text for t in picture.iter(f"{SVG}title")
    }


def test_the_legend_names_the_unit_and_its_ends() -> None:
    shown = texts(parsed(a_table(a_cell(tau=0.2))))
    assert {"0.000", "1.000", "trail τ (utility, 0 to 1)", "nothing learned"} <= set(shown)
    beyond = texts(parsed(a_table(a_cell(tau=12.5))))
    assert {"0.000", "12.500", "trail τ"} <= set(beyond)


def test_stronger_trails_are_lighter_and_every_number_can_be_read() -> None:
    levels = [a_cell(candidate_id=f"c{step:02}", tau=step / 20) for step in range(21)]
    lights = [luminance(str(box.get("fill"))) for box in boxes(parsed(a_table(*levels)))]
    assert lights == sorted(lights)
    for step, light in enumerate(lights):
        ink = 1.0 if step / 20 < DARK_BELOW else 0.0
        contrast = (max(ink, light) + 0.05) / (min(ink, light) + 0.05)
        assert contrast > 4.5, (step, contrast)


def test_it_brings_ground_and_ink_for_dark_pages() -> None:
    drawn = heat_map(a_table(a_cell()))
    assert "prefers-color-scheme:dark" in drawn
    ground = parsed(a_table(a_cell())).find(f"{SVG}rect[@class='ground']")
    assert ground is not None


def test_hostile_names_stay_text() -> None:
    table = a_table(a_cell(task=HOSTILE, stage=HOSTILE, candidate_id=HOSTILE), memory=HOSTILE)
    picture = parsed(table)
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} <= {
        "svg",
        "style",
        "rect",
        "text",
        "title",
        "g",
    }
    assert "\u202e" not in heat_map(table)
    assert heat_map(table).encode("utf-8")


def test_a_memory_that_learned_nothing_is_a_picture_that_says_so() -> None:
    assert "Nothing was learned yet." in texts(parsed(a_table()))


@pytest.mark.parametrize("count", [MOST_CANDIDATES, MOST_CANDIDATES + 3])
def test_what_does_not_fit_is_counted(count: int) -> None:
    shown = texts(parsed(a_table(*(a_cell(candidate_id=f"candidate {number:03}") for number in range(count)))))
    assert ("and 3 candidates more" in shown) == (count > MOST_CANDIDATES)
