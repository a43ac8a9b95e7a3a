"""A heat map of a memory of trails as SVG: candidates × task types for each stage, colour the trail, number the count.

It brings its own ground and inks for light and for dark pages. Names are strangers' texts: they are cut, cleaned and
escaped, and stand in full in the tooltip.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from itertools import groupby
from xml.sax.saxutils import escape

from orchestrator.texts import printable
from orchestrator.trail_tables import TrailTable, deviation_of
from routing.pheromone.base import TrailCell

CELL_WIDTH, CELL_HEIGHT = 74, 26  # px
NAME_WIDTH, MARGIN, HEAD_HEIGHT, TASK_HEIGHT, STAGE_HEIGHT = 230, 20, 64, 92, 34
STAGE_GAP, LEGEND_HEIGHT, LEGEND_STEPS, LEGEND_STEP = 12, 70, 40, 7
LONGEST_NAME, LONGEST_TASK = 32, 16  # characters
MOST_CANDIDATES, MOST_TASKS = 200, 60  # beyond that a picture is no picture; the table has them all

# Nine colours of viridis (Smith and van der Walt, 2015): even steps of lightness, also for the colour-blind.
PALETTE = (
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99),
    (170, 220, 50), (253, 231, 37),
)  # fmt: skip
DARK_BELOW = 0.43  # of the way through the palette: white ink on the colours before it

STYLE = """
svg{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:12px}
.ground{fill:#fff}.ink{fill:#1b1b1b}.dim{fill:#5a5a5a}.none{fill:#ededed}.line{stroke:#8a8a8a;fill:none}
.big{font-size:16px;font-weight:600}.stage{font-size:13px;font-weight:600}
.light{fill:#fff}.dark{fill:#000}
@media (prefers-color-scheme:dark){
.ground{fill:#16181c}.ink{fill:#ececec}.dim{fill:#a8a8a8}.none{fill:#2a2d33}.line{stroke:#7a7a7a}}
""".strip()


def heat_map(table: TrailTable) -> str:
    """The picture as text of one SVG file; its width and height are in px."""
    tasks = sorted({cell.task for cell in table.cells})[:MOST_TASKS]
    stages = [(stage, list(cells)) for stage, cells in groupby(sorted(table.cells, key=_place), key=_stage)]
    low, high = _range(table.cells)
    parts, y = [_head(table)], HEAD_HEIGHT
    for stage, cells in stages:
        drawn, height = _stage_part(stage, cells, tasks, y, (low, high))
        parts.append(drawn)
        y += height + STAGE_GAP
    if not stages:
        parts.append(_text(MARGIN, y + 20, "Nothing was learned yet.", "ink"))
        y += 40
    parts.append(_legend(y + 14, low, high))
    height, width = y + LEGEND_HEIGHT, _width(len(tasks))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-label="{_quoted(_title(table))}">',
            f"<style>{STYLE}</style>",
            f'<rect class="ground" width="{width}" height="{height}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _head(table: TrailTable) -> str:
    at = table.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    about = f"{at} · colour: trail τ · number: n, lessons by weight"
    return _text(MARGIN, 28, _title(table), "ink big") + "\n" + _text(MARGIN, 50, about, "dim")


def _title(table: TrailTable) -> str:
    return f"Trails of memory {_cut(table.memory, LONGEST_NAME)}"


def _stage_part(
    stage: str, cells: Sequence[TrailCell], tasks: Sequence[str], top: int, span: tuple[float, float]
) -> tuple[str, int]:
    """One stage's map, and its height."""
    candidates = sorted({cell.candidate_id for cell in cells})
    hidden = len(candidates) - MOST_CANDIDATES
    rows = {name: number for number, name in enumerate(candidates[:MOST_CANDIDATES])}
    columns = {name: number for number, name in enumerate(tasks)}
    first = top + STAGE_HEIGHT + TASK_HEIGHT
    parts = [_text(MARGIN, top + 22, f"stage: {_cut(stage, LONGEST_NAME) or '(none)'}", "ink stage")]
    parts += [_task_name(task, column, first) for task, column in columns.items()]
    parts += [_candidate_name(name, first + row * CELL_HEIGHT) for name, row in rows.items()]
    key_to_cell = {(cell.candidate_id, cell.task): cell for cell in cells}
    for name, row in rows.items():
        for task, column in columns.items():
            x, y = NAME_WIDTH + MARGIN + column * CELL_WIDTH, first + row * CELL_HEIGHT
            parts.append(_cell(key_to_cell.get((name, task)), x, y, span))
    height = STAGE_HEIGHT + TASK_HEIGHT + len(rows) * CELL_HEIGHT
    if hidden > 0:
        parts.append(_text(MARGIN, top + height + 16, f"and {hidden} candidates more", "dim"))
        height += 24
    return "\n".join(parts), height


def _task_name(task: str, column: int, bottom: int) -> str:
    x, y = NAME_WIDTH + MARGIN + column * CELL_WIDTH + CELL_WIDTH // 2, bottom - 8
    shown = escape(_cut(task, LONGEST_TASK))
    turned = f'<text class="ink" transform="translate({x},{y}) rotate(-40)">{shown}'
    return f"{turned}<title>{escape(printable(task))}</title></text>"


def _candidate_name(name: str, top: int) -> str:
    x, y = NAME_WIDTH + MARGIN - 8, top + 17
    shown = escape(_cut(name, LONGEST_NAME))
    return f'<text class="ink" x="{x}" y="{y}" text-anchor="end">{shown}<title>{escape(printable(name))}</title></text>'


def _cell(cell: TrailCell | None, x: int, y: int, span: tuple[float, float]) -> str:
    box = f'x="{x}" y="{y}" width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}"'
    if cell is None:
        return f'<rect class="none" {box}><title>nothing was learned here</title></rect>'
    share = _share(cell.tau, span)
    ink = "light" if share < DARK_BELOW else "dark"
    about = (
        f"{printable(cell.candidate_id)} on {printable(cell.task)}: τ {cell.tau:.4f}, n {cell.n:.2f}, "
        f"mean utility {cell.mean:.4f} ± {deviation_of(cell):.4f}"
    )
    middle = f'x="{x + (CELL_WIDTH - 2) // 2}" y="{y + 16}" text-anchor="middle"'
    return (
        f'<g><title>{escape(about)}</title><rect fill="{_colour(share)}" {box}/>'
        f'<text class="{ink}" {middle}>{_count(cell.n)}</text></g>'
    )


def _legend(top: int, low: float, high: float) -> str:
    steps = [
        f'<rect x="{MARGIN + step * LEGEND_STEP}" y="{top}" width="{LEGEND_STEP}" height="12" '
        f'fill="{_colour(step / (LEGEND_STEPS - 1))}"/>'
        for step in range(LEGEND_STEPS)
    ]
    end = MARGIN + LEGEND_STEPS * LEGEND_STEP
    return "\n".join(
        [
            *steps,
            _text(MARGIN, top + 28, f"{low:.3f}", "ink"),
            f'<text class="ink" x="{end}" y="{top + 28}" text-anchor="end">{high:.3f}</text>',
            _text(end + 12, top + 11, "trail τ (utility, 0 to 1)" if (low, high) == (0.0, 1.0) else "trail τ", "ink"),
            f'<rect class="none" x="{end + 190}" y="{top}" width="18" height="12"/>',
            _text(end + 214, top + 11, "nothing learned", "ink"),
        ]
    )


def _range(cells: Sequence[TrailCell]) -> tuple[float, float]:
    """The ends of the colours: 0 to 1, wider where a memory's trails go beyond."""
    values = [cell.tau for cell in cells]
    return min([0.0, *values]), max([1.0, *values])


def _share(tau: float, span: tuple[float, float]) -> float:
    low, high = span
    return min(max((tau - low) / (high - low), 0.0), 1.0)


def _colour(share: float) -> str:
    place = share * (len(PALETTE) - 1)
    index = min(int(place), len(PALETTE) - 2)
    mixed = (round(a + (b - a) * (place - index)) for a, b in zip(PALETTE[index], PALETTE[index + 1], strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _count(n: float) -> str:
    return f"{n:.1f}" if n < 100 else f"{n:.0f}"


def _text(x: int, y: int, words: str, look: str) -> str:
    return f'<text class="{look}" x="{x}" y="{y}">{escape(words)}</text>'


def _cut(name: str, most: int) -> str:
    shown = printable(name)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;"})


def _width(columns: int) -> int:
    return max(NAME_WIDTH + 2 * MARGIN + columns * CELL_WIDTH + 40, 640)


def _place(cell: TrailCell) -> tuple[str, str, str]:
    return cell.stage, cell.candidate_id, cell.task


def _stage(cell: TrailCell) -> str:
    return cell.stage
