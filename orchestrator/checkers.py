"""Judges an answer against what is known to be right, in the form the question asked for."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from storage.errors import InvalidInput

CheckerKind = Literal["number", "exact", "one_of", "contains", "date", "regex", "json"]
ANSWER_CHARACTERS = 20_000  # of an answer's end that are read

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MARKER = re.compile(r"\banswer\b[\s*\"']{0,4}(?:\bis\b)?[\s:=*]*", re.IGNORECASE)
FENCE = re.compile(r"```[\w+-]*\n(.*?)\n?```", re.DOTALL)
_NUMBER = re.compile(
    r"(?:(?<![\w.,)^-])[-−–]\s?|\bminus\s+)?(?<![\w.,^])(?:\d{1,3}(?:[,\u00a0\u202f]\d{3})+(?!\d)|\d{1,30})?(?:\.\d{1,30}|(?<=\d))"
    r"(?:[eE][-+]?\d{1,3})?(?!\w{0,20}\d)"
)
_DATE = re.compile(
    r"(?P<iso>\b\d{4}-\d{1,2}-\d{1,2}\b)"
    r"|\b(?P<day_first>\d{1,2})(?:st|nd|rd|th)?(?:\s+of)?\s+(?P<month_second>[a-z]{3,9})\.?,?\s+(?P<year_a>\d{4})\b"
    r"|\b(?P<month_first>[a-z]{3,9})\.?\s+(?P<day_second>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year_b>\d{4})\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Checker:
    """What a right answer looks like.

    * number    the final number equals `expected` within `tolerance` (absolute)
    * exact     the answer is `expected`, but for quotes, code fences, final punctuation, spaces and (unless
                `is_case_sensitive`) capitals and a leading article
    * one_of    as exact, with any of `expected` and `accepted`
    * contains  `expected` or one of `accepted` occurs as whole words, in an answer of at most `longest_words` words
    * date      the final date is `expected` (ISO)
    * regex     the pattern `expected` fits the whole answer; write it yourself, never take it from a stranger
    * json      the answer is JSON with the value of the JSON in `expected`

    Final means: on the line after the last "Answer:" or "answer is" where there is one, else the last one of the text;
    behind the last "=" of that line. Wandering through many numbers is no help: the answer must end with the right one.
    Raises InvalidInput where `expected` cannot be meant.
    """

    kind: CheckerKind
    expected: str
    accepted: tuple[str, ...] = ()
    tolerance: float = 1e-6
    is_case_sensitive: bool = False
    longest_words: int = 30

    def __post_init__(self) -> None:
        if self.kind not in get_args(CheckerKind):
            known = ", ".join(get_args(CheckerKind))
            raise InvalidInput(f"No checker of kind {self.kind!r}; known: {known}.", field="kind")
        if not self.expected.strip():
            raise InvalidInput("The checker expects an empty answer; say what is right.", field="expected")
        if not self.tolerance >= 0:
            raise InvalidInput(f"tolerance is {self.tolerance}; it must be at least 0.", field="tolerance")
        try:
            _PREPARE[self.kind](self.expected)
        except (ValueError, re.error) as exc:
            raise InvalidInput(f"{self.expected!r} does not fit kind {self.kind!r}: {exc}.", field="expected") from exc


def check(checker: Checker, answer: str) -> float:
    """Quality in [0, 1]: 1.0 for a right answer, 0.0 for a wrong one. Never raises for any answer."""
    return float(_CHECKS[checker.kind](checker, answer[-ANSWER_CHARACTERS:]))


def _is_number_right(checker: Checker, answer: str) -> bool:
    found = final_number(answer)
    return found is not None and abs(found - float(checker.expected)) <= checker.tolerance + 1e-9


def final_number(text: str) -> float | None:
    """The number that the text ends up with; thousands may have commas, a minus may be typeset or a word."""
    marked = _after_marker(text)
    if marked is not None:
        line = marked.partition("\n")[0]
        numbers = _numbers(line.rpartition("=")[2]) or _numbers(line)
        if numbers:
            return numbers[0]
    numbers = _numbers(text)
    return numbers[-1] if numbers else None


def _numbers(text: str) -> list[float]:
    return [_as_number(found.group()) for found in _NUMBER.finditer(text) if any(map(str.isdigit, found.group()))]


def _as_number(written: str) -> float:
    plain = re.sub(r"[,\s\u00a0\u202f]", "", written.lower().replace("minus", "-"))
    return float(plain.replace("−", "-").replace("–", "-"))


def _is_one_of(checker: Checker, answer: str) -> bool:
    known = {_normal(text, checker) for text in (checker.expected, *checker.accepted)}
    return any(_normal(reading, checker) in known for reading in _readings(answer))


def _readings(answer: str) -> list[str]:
    """The whole answer, and the parts that can be meant as the answer proper; each is compared as a whole."""
    readings = [answer]
    fences = FENCE.findall(answer)
    if len(fences) == 1:
        readings.append(fences[0])
    marked = _after_marker(answer)
    if marked is not None:
        readings += [marked, marked.partition("\n")[0]]
    bold = re.findall(r"\*\*(.+?)\*\*|`([^`\n]+)`", answer)
    if len(bold) == 1:
        readings += [part for part in bold[0] if part]
    line = answer.strip()
    if "\n" not in line:  # `The capital is Canberra.`
        readings.append(re.split(r"\b(?:is|was|are|by|in)\b:?", line)[-1])
    return readings


def _normal(text: str, checker: Checker) -> str:
    plain = " ".join(unicodedata.normalize("NFKC", text).split()).replace("’", "'")
    plain = re.sub(r"\s*,\s*", ", ", plain.replace("[ ", "[").replace(" ]", "]"))
    fence = re.fullmatch(r"```(?:python|text|json)? (.*?) ?```", plain)
    plain = fence.group(1) if fence else plain
    plain = plain.strip(" \"'`“”‘*").rstrip(".!?;:, ").strip(" \"'`“”‘*")
    return plain if checker.is_case_sensitive else re.sub(r"^(?:the|an?) (?=\S)", "", plain.casefold())


def proper_answer(text: str) -> str:
    """What the answer comes to: what follows its last `Answer:`, else its last line."""
    marked = _after_marker(text[-ANSWER_CHARACTERS:])
    lines = [line for line in (marked or text).strip().splitlines() if line.strip(" `*")]
    return (lines[0] if marked else lines[-1]) if lines else ""


def plain_words(text: str) -> str:
    """Without quotes, fences, capitals, leading articles and final punctuation."""
    return _normal(text, Checker(kind="exact", expected="-"))


def only_number(text: str) -> float | None:
    """The number of a text that holds one, or of what follows its last `=`; None where it holds none, or several."""
    numbers = _numbers(text.rpartition("=")[2]) or _numbers(text)
    return numbers[0] if len(numbers) == 1 else None


def _is_contained(checker: Checker, answer: str) -> bool:
    words = _normal(answer, checker)
    if len(words.split()) > checker.longest_words:
        return False
    wanted = (_normal(text, checker) for text in (checker.expected, *checker.accepted))
    return any(re.search(rf"(?<!\w){re.escape(text)}(?!\w)", words) for text in wanted)


def _is_date_right(checker: Checker, answer: str) -> bool:
    marked = _after_marker(answer)
    dates = (_dates(marked)[:1] if marked is not None else []) or _dates(answer)[-1:]
    return dates == [date.fromisoformat(checker.expected)]


def _dates(text: str) -> list[date | None]:
    return [_as_date(found) for found in _DATE.finditer(text)]


def _as_date(found: re.Match[str]) -> date | None:
    """None for a date that is not in the calendar: it is an answer all the same, a wrong one."""
    parts = found.groupdict()
    if parts["iso"]:
        year, month, day = map(int, parts["iso"].split("-"))
    else:
        name = (parts["month_second"] or parts["month_first"])[:3].lower()
        month = _MONTHS.index(name) + 1 if name in _MONTHS else 0
        year, day = int(parts["year_a"] or parts["year_b"]), int(parts["day_first"] or parts["day_second"])
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _is_fitting(checker: Checker, answer: str) -> bool:
    flags = 0 if checker.is_case_sensitive else re.IGNORECASE
    return re.fullmatch(checker.expected, answer.strip(), flags) is not None


def _is_json_right(checker: Checker, answer: str) -> bool:
    expected = json.loads(checker.expected)
    for reading in (answer, *FENCE.findall(answer)):
        try:
            if json.loads(reading) == expected:
                return True
        except (ValueError, RecursionError):
            continue
    return False


def _after_marker(text: str) -> str | None:
    """What follows the last `Answer:`; None where there is none, or nothing follows."""
    markers = list(_MARKER.finditer(text))
    return (text[markers[-1].end() :].strip() or None) if markers else None


def _finite(expected: str) -> float:
    number = float(expected)
    if not math.isfinite(number):
        raise ValueError("it is not finite")
    return number


_PREPARE: dict[str, Callable[[str], object]] = {
    "number": _finite,
    "exact": str,
    "one_of": str,
    "contains": str,
    "date": date.fromisoformat,
    "regex": re.compile,
    "json": json.loads,
}
_CHECKS: dict[str, Callable[[Checker, str], bool]] = {
    "number": _is_number_right,
    "exact": _is_one_of,
    "one_of": _is_one_of,
    "contains": _is_contained,
    "date": _is_date_right,
    "regex": _is_fitting,
    "json": _is_json_right,
}
