"""Finds text that overrides the model's instructions, takes its safeguards off or has it keep secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from skills.safety.override_phrases import PHRASES
from skills.safety.passage import Passage
from skills.safety.phrases import Match, Phrases
from storage.skill_records import Finding, Severity

_PHRASES = Phrases(PHRASES)
_COMMENT = re.compile(r"<!--|\[//\]: ?# ?[(\"']|\[comment\]: ?# ?[(\"']|<(?:span|div|p|font|td|b|i|a)\b")
_COMMENT_LENGTH = 4000
_INVISIBLE_STYLE = re.compile(
    r"display:\s{0,3}none|visibility:\s{0,3}hidden|font-size:\s{0,3}[01](?:px|pt|em|%)?\s{0,3}[;\"']|opacity:\s{0,3}0(?:\.0{1,3})?\s{0,3}[;\"']|"
    r"color:\s{0,3}(?:white|#fff(?:fff)?|transparent)\b|left:\s{0,3}-\d{3,5}px|\shidden[\s>]"
)
_ADDRESSED = re.compile(
    r"\b(?:note|message|instructions?|attention|important|reminder)\s{1,3}(?:to|for)\s{1,3}(?:the\s{1,3})?(?:ai|agent|assistant|model|llm|claude|gpt|bot)s?\b|"
    r"\b(?:ai|assistant|agent|llm|claude|chatgpt|model|system)\s{0,3}(?:assistant|agent|model)?\s{0,3}[:,]\s{1,3}(?:please\s{1,3})?(?:you\s{1,3}(?:must|should|will|are)|ignore|disregard|forget|run|send|execute|reveal|include|add|attach|upload|read|print|always|never|do\b)|"
    r"\b(?:as an? (?:ai|llm|assistant)|if you are an? (?:ai|llm|language model|agent|assistant|bot))\b"
)


def find_overrides(passage: Passage) -> Iterator[Finding]:
    for match in _PHRASES.matches(passage):
        yield passage.finding(match.rule, match.start, match.end, _severity(passage, match))
    yield from _hidden_instructions(passage)


def _severity(passage: Passage, match: Match) -> Severity:
    if is_in_comment(passage, match.start):
        return "quarantine"
    if match.rule in _NEGATABLE and passage.is_negated(match.start):
        return "note"
    return "note" if passage.is_taught(match.start, match.end) else "quarantine"


# what is forbidden as often as it is told; concealment is itself a negation
_NEGATABLE = frozenset({"override_instructions", "safety_off", "new_system_prompt"})


def is_in_comment(passage: Passage, place: int) -> bool:
    """Within an HTML comment of at most 4,000 characters; code that shows one does not count."""
    begin = passage.text.rfind("<!--", max(0, place - _COMMENT_LENGTH), place)
    return begin >= 0 and passage.text.find("-->", begin, place) < 0 and not passage.is_fenced(begin)


def _hidden_instructions(passage: Passage) -> Iterator[Finding]:
    """Comments and invisible elements that speak to a model."""
    if "<" not in passage.text and "[" not in passage.text:
        return
    for count, begin in enumerate(_COMMENT.finditer(passage.lowered)):
        if count >= 2000:
            break
        start = begin.start()
        inside = _inside(passage.lowered, start, begin[0])
        if inside is None or passage.is_fenced(start):
            continue
        if addressed := _ADDRESSED.search(inside):
            taught = passage.is_taught(start, start + len(inside))
            yield passage.finding(
                "hidden_instruction", start, start + addressed.end(), "note" if taught else "quarantine"
            )


def _inside(lowered: str, start: int, opening: str) -> str | None:
    """The comment's or the invisible element's text; None for a visible element."""
    if opening.startswith("<!--"):
        end = lowered.find("-->", start, start + _COMMENT_LENGTH)
    elif opening.startswith("["):
        end = lowered.find("\n", start, start + _COMMENT_LENGTH)
    else:
        tag_end = lowered.find(">", start, start + 300)
        if tag_end < 0 or not _INVISIBLE_STYLE.search(lowered, start, tag_end + 1):
            return None
        end = lowered.find("</", tag_end, start + _COMMENT_LENGTH)
    return lowered[start : end if end >= 0 else start + 400]
