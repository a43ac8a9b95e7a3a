"""Scans a skill with every family of rules; reads text only, opens nothing, asks nobody."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from skills.base import Skill
from skills.safety.encoded import find_encoded
from skills.safety.exfiltration import find_exfiltration
from skills.safety.hidden import find_hidden
from skills.safety.impersonation import KnownNames, find_impersonation
from skills.safety.override import find_overrides
from skills.safety.passage import LONGEST, Passage
from skills.safety.promotion import find_promotion
from skills.safety.resources import find_in_resources
from skills.safety.roles import find_roles
from skills.safety.stuffing import find_off_body, find_other_names, find_stuffing
from storage.skill_records import Finding

FINDINGS_OF_A_RULE = 5  # in one field; more say nothing new

_IN_TEXT = (find_hidden, find_overrides, find_roles, find_promotion, find_encoded, find_exfiltration)


def scan(skill: Skill, *, known_names: KnownNames | None = None) -> tuple[Finding, ...]:
    """What is wrong with the skill's text, the serious first, at most five findings a rule and field.

    `known_names` are the catalogue's, for names that pass for another's; without them that is not looked at.
    Time is linear in the text's length: some milliseconds for a usual skill. Of each
    field 200,000 characters are read; a longer one is quarantined as unread.
    """
    texts = {"name": skill.name, "description": skill.description, "body": skill.body}
    if skill.kind != "text" and skill.parameters:
        texts["parameters"] = json.dumps(skill.parameters, ensure_ascii=False, default=str)
    passages = [Passage(where, text[:LONGEST]) for where, text in texts.items()]
    name, description, body = passages[:3]
    found = [
        passage.finding("unread_text", LONGEST - 80, LONGEST)
        for passage, text in zip(passages, texts.values(), strict=True)
        if len(text) > LONGEST
    ]
    for passage in passages:
        for find in _IN_TEXT:
            found += find(passage)
    for passage in (description, body):
        found += find_stuffing(passage)
    found += find_off_body(description, body)
    if known_names is not None:
        found += find_impersonation(name, known_names)
        found += find_other_names(description, known_names, skill.name)
    found += find_in_resources(skill.resources)
    return tuple(_first_ones(found))


def is_quarantined(findings: Iterable[Finding]) -> bool:
    return any(finding.severity == "quarantine" for finding in findings)


def _first_ones(found: Iterable[Finding]) -> Iterator[Finding]:
    """Serious before notes, in the order of the text, each place once a rule."""
    count: dict[tuple[str, str], int] = {}
    seen: set[tuple[str, str, int]] = set()
    for finding in sorted(found, key=lambda finding: (finding.severity == "note", finding.where, finding.offset)):
        kind, place = (finding.rule, finding.where), (finding.rule, finding.where, finding.offset)
        if place in seen or count.get(kind, 0) >= FINDINGS_OF_A_RULE:
            continue
        seen.add(place)
        count[kind] = count.get(kind, 0) + 1
        yield finding
