"""How figures and strangers' texts are shown: units on every figure, no character that could turn a line around."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from orchestrator.texts import printable

LONGEST_NAME = 60  # characters
LONGEST_TEXT = 20_000
SECONDS_A_MINUTE, SECONDS_AN_HOUR = 60, 3600
BYTES_A_STEP = 1024


def shown(text: object, most: int = LONGEST_NAME) -> str:
    """A stranger's text on one line: cut, invisible and turning characters written out."""
    words = str(text)[: most * 4].split()
    line = " ".join(words)
    if not line.isprintable():
        line = " ".join(printable(each) for each in words)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def passage(text: str, most: int = LONGEST_TEXT) -> str:
    """A stranger's text with its lines, for an element that keeps them."""
    lines = (printable(line.expandtabs(4)) for line in text[:most].splitlines())
    cut = f"\n… and {len(text) - most:,} characters more" if len(text) > most else ""
    return "\n".join(lines) + cut


def dollars(amount: Decimal | float | str) -> str:
    """`$12.34`, and below a dollar three digits that count: `$0.123`, `$0.000123`, `$0.50`."""
    exact = Decimal(str(amount))
    sign = "-" if exact < 0 else ""
    if exact == 0 or abs(exact) >= 1:
        return f"{sign}${abs(exact):,.2f}"
    places = min(2 - exact.adjusted(), 9)
    digits = f"{abs(exact):.{places}f}".partition(".")[2].rstrip("0")
    return f"{sign}$0.{digits:0<2}" if abs(exact).quantize(Decimal(1).scaleb(-places)) < 1 else f"{sign}$1.00"


def duration(seconds: float) -> str:
    """`12 ms`, `3.42 s`, `5 min 10 s`, `3 h 20 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if seconds else "0 ms"
    if seconds < SECONDS_A_MINUTE:
        return f"{seconds:.3g} s"
    if seconds < SECONDS_AN_HOUR:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def share(value: float | None) -> str:
    """`41.3 %`; an en dash for nothing known."""
    return "–" if value is None else f"{value * 100:.1f} %"


def decimals(value: float | None, places: int = 3) -> str:
    return "–" if value is None else f"{value:.{places}f}"


def count(value: float) -> str:
    """`12,345`."""
    return f"{value:,.0f}"


def size(count_of_bytes: int) -> str:
    """`812 B`, `1.2 KiB`."""
    value, unit = float(count_of_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < BYTES_A_STEP or unit == "GiB":
            break
        value /= BYTES_A_STEP
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def moment(at: datetime | None) -> Markup | str:
    """A `time` element: UTC as text; the script shows it in the reader's own zone."""
    if at is None:
        return "–"
    utc = at.astimezone(UTC)
    iso, text = utc.isoformat(timespec="milliseconds"), utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, text, text)


def short_id(text: str) -> str:
    """An id's prefix and the first eight characters after it."""
    prefix, _, rest = str(text).partition("_")
    return shown(f"{prefix}_{rest[:8]}" if rest else text)


FILTERS: dict[str, Callable[..., Any]] = {
    "shown": shown,
    "passage": passage,
    "dollars": dollars,
    "duration": duration,
    "share": share,
    "decimals": decimals,
    "count": count,
    "size": size,
    "moment": moment,
    "short_id": short_id,
}
