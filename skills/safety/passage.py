"""One field of a skill as the rules read it, and what stands around a match: negation, quotation, talk of attacks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from skills.safety.folding import Folded, fold, fold_disguises
from skills.safety.rules import RULES
from skills.safety.visible import excerpt_of
from storage.skill_records import Finding, Severity

LONGEST = 200_000  # characters of a field that are read; twenty times what a model should read of one skill
NEAR = 400  # characters on either side in which talk of attacks counts
_CLAUSE = 60  # characters before a match in which a negation counts
_NEGATED = re.compile(
    r"\b(?:never|don.?t|do not|does not|doesn.?t|must not|mustn.?t|should not|shouldn.?t|cannot|can.?t|won.?t|will not|"
    r"may not|avoid|refuse to|refuses to|without|prevents?|not|no|rather than|instead of|forbidden to|nor|isn.?t|"
    r"detects?|blocks?|rejects?|flags?|stop)"
    r"(?:[ *_`\"'(]{1,4}(?!hesitate|forget|fail|worry|be afraid|matter|mind)[a-z/-]{1,14}){0,3}[ *_`\"'(:]{1,4}$"
)
_CLAUSE_END = re.compile(r"[.;!?\n—](?=\s)|\n")
_TEACHING = re.compile(
    r"inject|jailbreak|malicious|attack|adversar|red.?team|untrusted|hijack|exploit|threat|phish|owasp|penetration|"
    r"pentest|vulnerab|guardrail|payload|suspicious|dangerous|harmful|red flag|anti.?pattern|sanitiz|bypass|"
    r"security|detect|audit|unsafe|forbidden|prohibited|violation|ctf\b|exfiltrat|refuse|decline|flag it|not instructions|steer you|manipulat|impersonat|trick"
)
_QUOTES = "\"`“«「『'‘"


@dataclass(frozen=True)
class Passage:
    where: str  # name, description, body or parameters
    text: str

    @cached_property
    def lowered(self) -> str:
        """Of the same length as the text."""
        lowered = self.text.lower()
        return lowered if len(lowered) == len(self.text) else "".join(_small(character) for character in self.text)

    @cached_property
    def folded(self) -> Folded:
        return fold(self.text)

    @cached_property
    def disguises(self) -> Folded | None:
        return fold_disguises(self.text)

    @cached_property
    def _fences(self) -> list[int]:
        return [match.start() for match in re.finditer(r"^[ \t>]{0,8}(?:```|~~~)", self.text, re.MULTILINE)]

    def finding(self, rule: str, start: int, end: int, severity: Severity | None = None) -> Finding:
        return Finding(
            rule=rule,
            where=self.where,
            excerpt=excerpt_of(self.text, start, end),
            severity=severity or RULES[rule].severity,
            offset=start,
        )

    def is_negated(self, start: int) -> bool:
        """A word such as `never` stands before it in its clause, three words away at most."""
        before = self.lowered[max(0, start - _CLAUSE) : start]
        return _NEGATED.search(_CLAUSE_END.split(before)[-1]) is not None

    def is_quoted(self, start: int) -> bool:
        """Inside a fence of code, a table, a quotation, or after an opening quotation mark on its line."""
        line = self.text[max(0, self.text.rfind("\n", max(0, start - NEAR), start) + 1, start - NEAR) : start]
        if line.lstrip().startswith(("|", ">", "#", "//", "- [", "❌", "✗")) or self.is_fenced(start):
            return True
        return any(line.count(mark) % 2 for mark in _QUOTES)

    def is_fenced(self, start: int) -> bool:
        from bisect import bisect

        return bisect(self._fences, start) % 2 == 1

    def is_taught(self, start: int, end: int) -> bool:
        """Quoted, and attacks are spoken of around it: a text that warns, unless it is made to look like one."""
        return self.is_quoted(start) and self.speaks_of_attacks(start, end)

    def speaks_of_attacks(self, start: int, end: int) -> bool:
        around = f"{self.lowered[max(0, start - NEAR) : start]} {self.lowered[end : end + NEAR]}"
        return len(set(_TEACHING.findall(around))) >= 2


def _small(character: str) -> str:
    small = character.lower()
    return small if len(small) == 1 else character
