"""Lines for a terminal of a given width: labels, wrapped words, aligned cells, bars; knows nothing of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.texts import printable

if TYPE_CHECKING:
    from rich.text import Text

LABEL_WIDTH = 10
FULL, EMPTY = "█", "·"
BOLD, FAINT, GOOD, BAD, NOTED = "bold", "dim", "green", "red", "yellow"

Piece = str | tuple[str, str]  # a text, or a text and its style


def line(*pieces: Piece) -> Text:
    """One line; texts are never read as markup."""
    from rich.text import Text

    return Text.assemble(*pieces)


def labelled(label: str, words: str, *, width: int, style: str = "") -> list[Text]:
    """A bold label, and beside it the words, made harmless and wrapped."""
    first, *rest = wrapped(printable(words), width - LABEL_WIDTH)
    indent = " " * LABEL_WIDTH
    return [line((f"{label:<{LABEL_WIDTH}}", BOLD), (first, style)), *(line(indent, (each, style)) for each in rest)]


def wrapped(words: str, width: int) -> list[str]:
    """Lines of at most so many cells, at least one; a word that is longer is broken."""
    from rich.cells import cell_len, chop_cells

    lines = [""]
    for word in words.split(" "):
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
            continue
        pieces = chop_cells(word, max(width, 1)) or [""]
        lines = [*lines, *pieces] if lines != [""] else pieces
    return lines


def cell(text: str, width: int, *, is_right: bool = False) -> str:
    """The text made harmless, in exactly so many cells; what is cut ends with an ellipsis."""
    from rich.cells import cell_len, set_cell_size

    shown = cut(text, width)
    missing = " " * (width - cell_len(shown))
    return missing + shown if is_right else set_cell_size(shown, width)


def cut(text: str, width: int) -> str:
    """The text made harmless, in at most so many cells."""
    from rich.cells import cell_len, set_cell_size

    shown = printable(text)
    return shown if cell_len(shown) <= width else f"{set_cell_size(shown, max(width - 1, 0)).rstrip()}…"


def cells_of(texts: Sequence[str], *, most: int, least: int = 1) -> int:
    """Width of a column that holds these texts."""
    from rich.cells import cell_len

    return max(least, min(most, max((cell_len(printable(text)) for text in texts), default=least)))


def bar(share: float, width: int, *, empty: str = " ") -> str:
    """A bar of the share, in [0, 1], of the width."""
    return (FULL * round(min(max(share, 0.0), 1.0) * width)).ljust(width, empty)


def stretch(start: float, end: float, width: int) -> str:
    """A bar from one share of the width to another; what is there at all has one cell at least."""
    first = min(int(start * width), width - 1)
    last = max(first + 1, min(round(end * width), width))
    return (" " * first + FULL * (last - first)).ljust(width)
