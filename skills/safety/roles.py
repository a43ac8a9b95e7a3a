"""Finds marks of chat templates and of our own prompts, with which a text would end its quotation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from skills.safety.passage import Passage
from storage.skill_records import Finding, Severity

_MOST = 50
_TEMPLATE_MARK = re.compile(
    r"<\|\s{0,3}(?:im_start|im_end|im_sep|system|user|assistant|end|endoftext|start_header_id|end_header_id|eot_id|"
    r"begin_of_text|end_of_text|eom_id|python_tag|tool|channel|message|start|return|call|constrain|endofprompt|eos|bos)\s{0,3}\|>|"
    r"<<\s{0,2}/?\s{0,2}sys\s{0,2}>>|\[/?inst\]|<(?:start|end)_of_turn>|\[/?(?:system_prompt|available_tools|tool_results)\]|"
    r"<｜(?:begin▁of▁sentence|end▁of▁sentence|user|assistant|tool▁\w{1,20})｜>|</?(?:bos|eos)>|<\|(?:begin|end)_(?:system|user|assistant)\|>"
)
_LEGACY_TURN = re.compile(r"\n{2,4}(human|assistant|system|user): ?[^\n]{1,400}", re.ASCII)
_SYSTEM_TAG = re.compile(
    r"</?(?:system|system[_-]?(?:prompt|message|reminder|instructions?)|developer[_-]?message|operator[_-]?message|admin)>"
)
_DELIMITER = re.compile(
    r"</?\s{0,3}skill\s{1,3}[0-9a-f]{6,64}\s{0,3}>|</\s{0,3}(?:skill|skills|tool_result|tool_results|function_results?|untrusted(?:[_-]\w{1,20})?|"
    r"documents?|retrieved[_-]\w{1,20})\s{0,3}>|(?:^|\n)>>>[ \t]{0,4}\n\s{0,4}(?:answer|call|system|instructions?)\b"
)


def find_roles(passage: Passage) -> Iterator[Finding]:
    text = passage.lowered
    if "<" in text or "[" in text:
        yield from _marks(passage, _TEMPLATE_MARK, "role_marks")
        yield from _marks(passage, _SYSTEM_TAG, "role_marks")
    if "<" in text or "\n>>>" in text:
        yield from _marks(passage, _DELIMITER, "prompt_delimiters")
    yield from _forged_dialogue(passage)


def _marks(passage: Passage, pattern: re.Pattern[str], rule: str) -> Iterator[Finding]:
    for count, match in enumerate(pattern.finditer(passage.lowered)):
        if count >= _MOST:
            return
        yield passage.finding(rule, match.start(), match.end(), _severity(passage, match, rule))


def _severity(passage: Passage, match: re.Match[str], rule: str) -> Severity:
    """Documents about chat templates quote the marks in code; so do prompts that are written as XML, with both tags."""
    start, end = match.span()
    if passage.is_quoted(start):
        return "note"
    if rule == "prompt_delimiters" or match.re is _SYSTEM_TAG:
        name = match[0].strip("</> \n").split()[0] if match[0].strip("</> \n") else ""
        opening = f"<{name}"
        if match[0].startswith("</") and opening in passage.lowered[:start]:
            return "note"
        if not match[0].startswith("</") and f"</{name}>" in passage.lowered[end:] and not _claims(passage, end):
            return "note"
    return "quarantine"


_CLAIM = re.compile(
    r"you (?:are|may|must|can|have|will)|(?:user|operator) has|approved|granted|permission|policy|ignore|instruction"
)


def _claims(passage: Passage, end: int) -> bool:
    return _CLAIM.search(passage.lowered, end, end + 200) is not None


def _forged_dialogue(passage: Passage) -> Iterator[Finding]:
    """At least a turn of the human and one of the assistant, outside code, the one after the other."""
    turns = [
        match for match in _LEGACY_TURN.finditer(passage.lowered[:200_000]) if not passage.is_quoted(match.start(1))
    ]
    for first, second in itertools.pairwise(turns):
        if {first[1], second[1]} >= {"human", "assistant"} and second.start() - first.end() < 4:
            taught = passage.speaks_of_attacks(first.start(), second.end())
            yield passage.finding("role_marks", first.start(1), second.end(), "note" if taught else "quarantine")
            return
