"""Elements of SVG from plain values: all text escaped, made printable and cut; across in per cent, down in pixels.

A picture is as wide as its place while its letters keep their size, so that it can be read on a phone; what stands side
by side is laid out for `NARROW` pixels and has only more room in a wider place.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from orchestrator.rest.console.filters import shown

NARROW = 320  # pixels
PIXELS_A_LETTER = 6.4  # of the usual size, on average
HUES = 8  # classes s0 to s7 of the stylesheet
LONGEST_ABOUT = 200  # characters of what shows when a part is pointed at
EMPTY = Markup("")


def tag(name: str, *children: Markup, **attributes: object) -> Markup:
    """One element; `_` in an attribute's name is written `-`, the one behind a name is dropped; None leaves it out."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, Markup("").join(children))


def chart(parts: Iterable[Markup], *, height: float, label: str) -> Markup:
    """The whole picture; `label` says in words what it shows, for those who cannot see it."""
    about = shown(label, LONGEST_ABOUT)
    return tag("svg", *parts, class_="chart", role="img", aria_label=about, width="100%", height=f"{height:.0f}")


def text(words: object, *, x: str, y: float, kind: str = "", most: int = 60, about: str = "") -> Markup:
    """A line of letters; `kind`: classes of the stylesheet; what was cut off can be read when it is pointed at."""
    line = shown(words, most)
    whole = about or ("" if line == str(words) else str(words))
    return tag("text", title(whole), escape(line), x=x, y=f"{y:.1f}", class_=kind or None)


def title(about: str) -> Markup:
    return tag("title", escape(shown(about, LONGEST_ABOUT))) if about else EMPTY


def percent(value: float) -> str:
    return f"{value:.2f}%"


def hue(number: int) -> str:
    """The class of a series' colour."""
    return f"s{number % HUES}"


def legend(names: Iterable[tuple[str, str]]) -> Markup:
    """A list of class and name."""
    items = [
        tag(
            "li",
            Markup('<svg class="chart swatch" width="11" height="11" aria-hidden="true">{}</svg>').format(
                tag("rect", class_=kind, width="11", height="11", rx="2")
            ),
            escape(shown(name)),
        )
        for kind, name in names
    ]
    return tag("ul", *items, class_="legend") if items else EMPTY
