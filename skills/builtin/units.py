"""Conversion between units of measurement, named as people name them."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pint import Unit, UnitRegistry

MAX_CHARACTERS = 60  # of a unit's name
SIGNIFICANT_DIGITS = 8

# A product or quotient of named units with small exponents: the unit parser also calculates, and m**9**9**9 never ends.
_NAME = r"[a-zµμωΩ°_]+(?:\s+[a-zµμΩ°_]+)*"
_FACTOR = rf"{_NAME}\s*(?:[²³]|(?:\^|\*\*)\s*-?[1-9]|[23](?![0-9]))?"
_UNIT = re.compile(rf"{_FACTOR}(?:\s*[*/·]\s*{_FACTOR}){{0,4}}", re.IGNORECASE)

# What people write and the registry reads otherwise (C as coulomb, F as farad) or not at all.
_NAME_TO_UNIT = {
    "c": "degC",
    "f": "degF",
    "k": "kelvin",
    "°c": "degC",
    "°f": "degF",
    "deg c": "degC",
    "deg f": "degF",
    "degree celsius": "degC",
    "degree fahrenheit": "degF",
    "degrees celsius": "degC",
    "degrees fahrenheit": "degF",
    "degrees c": "degC",
    "degrees f": "degF",
    "nautical mile": "nautical_mile",
    "nautical miles": "nautical_mile",
    "fluid ounce": "fluid_ounce",
    "fluid ounces": "fluid_ounce",
    "fl oz": "fluid_ounce",
    "metric ton": "metric_ton",
    "metric tons": "metric_ton",
    "light year": "light_year",
    "light years": "light_year",
    "kmh": "km/h",
    "kwh": "kWh",
    "mb": "megabyte",
    "gb": "gigabyte",
    "kb": "kilobyte",
    "sec": "second",
    "secs": "second",
    "mins": "minute",
    "hrs": "hour",
}


def convert_units(value: float, from_unit: str, to_unit: str) -> float:
    """Convert units of length, weight, temperature, time, speed …, such as 5 "miles" to "km" or 98.6 "F" to "C".

    US customary where a unit has two meanings (gallon, ton). Raises ValueError for unknown units and for units of
    different kinds (length into mass). At most SIGNIFICANT_DIGITS significant digits. Source of the factors: pint.
    """
    from pint.errors import PintError

    registry = _registry()
    source, target = _read_unit(registry, from_unit), _read_unit(registry, to_unit)
    if source.dimensionality != target.dimensionality:
        raise ValueError(
            f"{from_unit!r} measures {_kind(source)} and {to_unit!r} measures {_kind(target)}; "
            "one cannot become the other."
        )
    try:
        converted = float(registry.Quantity(value, source).to(target).magnitude)
    except (PintError, OverflowError, ZeroDivisionError) as exc:
        raise ValueError(f"{value:g} {from_unit} cannot become {to_unit}: {exc}.") from exc
    if not math.isfinite(converted):
        raise ValueError(f"{value:g} {from_unit} in {to_unit} is not a finite number.")
    return float(f"{converted:.{SIGNIFICANT_DIGITS}g}")


@cache
def _registry() -> UnitRegistry[float]:
    """Reading pint's table of units takes half a second, so it is read on first use."""
    from pint import UnitRegistry

    return UnitRegistry()


def _read_unit(registry: UnitRegistry[float], name: str) -> Unit:
    from pint.errors import PintError

    written = " ".join(name.split()).strip(".")
    if len(written) > MAX_CHARACTERS or not _UNIT.fullmatch(written):
        raise ValueError(
            f"{name[:MAX_CHARACTERS]!r} is not a unit's name; write one such as 'km', 'square feet' or 'm/s'."
        )
    written = re.sub(r"(?<=[a-zA-Z])(?=[23]$|[23]\s*[*/·])", "**", written)  # m2, kg/m3
    known = _NAME_TO_UNIT.get(written.lower())
    spellings = [known] if known else [written, written.lower(), written.lower().replace(" ", "_")]
    for spelling in spellings:
        try:
            return registry.parse_units(spelling)
        except (PintError, ValueError, AssertionError):
            continue
    raise ValueError(f"{name!r} is not a known unit; write one such as 'km', 'pound', 'celsius' or 'gallon'.")


def _kind(unit: Unit) -> str:
    """`length`, `length / time`, or `a plain number`."""
    return str(unit.dimensionality).replace("[", "").replace("]", "").replace("dimensionless", "a plain number")
