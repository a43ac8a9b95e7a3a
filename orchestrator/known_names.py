"""The names that a scan compares newcomers with: all of a catalogue's, but folded only where that can matter."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skills.safety.impersonation import KnownNames

FEW = 100  # newcomers for whom it pays to look which names are of about their length
SLACK = 2  # characters by which names that pass for one another differ at most in length
_SAME = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", " ": "", "_": "", ".": "", "-": "", "\t": ""})


def known_names(names: Iterable[str], newcomers: Collection[str]) -> KnownNames:
    """Of `names`; where the newcomers are few, only names of about their lengths are looked up by their looks.

    Folding a name takes 50 µs: for 18,000 of them as long as adding one skill may take in all.
    """
    from skills.safety.impersonation import KnownNames

    if len(newcomers) > FEW:
        return KnownNames(names)
    known = KnownNames()
    lengths = {_length(name) + more for name in newcomers for more in range(-SLACK, SLACK + 1)}
    for name in names:
        if _length(name) in lengths:
            known.add(name)
        else:
            known.names.add(name)
    return known


def _length(name: str) -> int:
    """Of what the name looks like, as `skills.safety.folding.skeleton` has it."""
    if not name.isascii():
        from skills.safety.folding import skeleton

        name = skeleton(name)
    plain = name.lower().translate(_SAME)
    return len(plain.replace("rn", "m").replace("vv", "w").replace("cl", "d"))
