"""Finds names that pass for another skill's name; the known names are folded once and looked up by what they look like."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from skills.safety.folding import skeleton
from skills.safety.passage import Passage
from storage.skill_records import Finding

_SEPARATORS = re.compile(r"[\s_.\-]+")
SHORTEST = 6  # letters; shorter names differ by one character by chance


class KnownNames:
    """The names of a catalogue. `add` costs microseconds; memory about 1 kB a name."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names: set[str] = set()
        self._look_to_names: dict[str, set[str]] = defaultdict(set)
        self._plain_to_names: dict[str, set[str]] = defaultdict(set)
        self._shorter_to_names: dict[str, set[str]] = defaultdict(set)
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        if name in self.names:
            return
        self.names.add(name)
        plain = _plain(name)
        self._look_to_names[_SEPARATORS.sub("", skeleton(name))].add(name)
        self._plain_to_names[plain].add(name)
        if len(plain) >= SHORTEST:
            for shorter in _with_one_less(plain):
                self._shorter_to_names[shorter].add(name)

    def looking_like(self, name: str) -> set[str]:
        """Other names with the same look, though other characters make it."""
        plain = _plain(name)
        return {
            known
            for known in self._look_to_names.get(_SEPARATORS.sub("", skeleton(name)), ())
            if _plain(known) != plain
        }

    def near(self, name: str) -> set[str]:
        """Other names that differ in separators, in one character, or in two that changed places."""
        plain = _plain(name)
        found = set(self._plain_to_names.get(plain, ()))
        if len(plain) >= SHORTEST:
            for shorter in (plain, *_with_one_less(plain)):
                found |= self._shorter_to_names.get(shorter, set()) | self._plain_to_names.get(shorter, set())
        return found - {name}


def find_impersonation(passage: Passage, known: KnownNames) -> Iterator[Finding]:
    name = passage.text
    if name in known.names and name.isascii():
        return
    if known.looking_like(name):
        yield passage.finding("confusable_name", 0, len(name))
    elif known.near(name):
        yield passage.finding("near_name", 0, len(name))


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())


def _with_one_less(plain: str) -> set[str]:
    return {plain[:place] + plain[place + 1 :] for place in range(min(len(plain), 64))}
