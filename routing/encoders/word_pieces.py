"""Text to word pieces as BERT's uncased models want them; the words and their numbers come from a `tokenizer.json`.

The library `tokenizers` takes 10 MB more, a twentieth of the whole service. It gives the same numbers (test), except
for 759 rare characters where its Unicode tables are older; and who writes "[SEP]" in a text gets the pieces of five
characters here, but the special token there.

Source: Devlin et al., 2019, arXiv:1810.04805, and the reference code's `BasicTokenizer` and `WordpieceTokenizer`.
"""

from __future__ import annotations

import json
import string
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

LONGEST_WORD = 100  # characters; a longer one is unknown
CONTINUED = "##"  # stands before a piece that does not begin a word
KEPT_CHARACTERS = 4096  # whose replacement is remembered: a text of all of Unicode must not fill the memory
IDEOGRAPHS = (  # each is a word of its own
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


class WordPieces:
    """Gives each text the numbers of its pieces, between those of [CLS] and [SEP]."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, ValueError and KeyError for a file that is not there or of another form."""
        self._piece_to_id: dict[str, int] = json.loads(path.read_bytes())["model"]["vocab"]
        self._start, self._end, self._unknown = (self._piece_to_id[name] for name in ("[CLS]", "[SEP]", "[UNK]"))
        self._cleaned, self._parted = _Replacements(_clean), _Replacements(_part)

    def ids(self, text: str, *, limit: int) -> list[int]:
        """At most `limit` numbers, the two at the ends included."""
        decomposed = unicodedata.normalize("NFD", text.translate(self._cleaned))
        words = decomposed.translate(self._parted).split()
        return [self._start, *islice(chain.from_iterable(map(self._pieces, words)), limit - 2), self._end]

    def _pieces(self, word: str) -> list[int]:
        """The longest known beginning, then the longest known one of the rest, and so on."""
        if len(word) > LONGEST_WORD:
            return [self._unknown]
        ids: list[int] = []
        start = 0
        while start < len(word):
            found = next(self._beginnings(word, start), None)
            if found is None:
                return [self._unknown]
            end, piece_id = found
            ids.append(piece_id)
            start = end
        return ids

    def _beginnings(self, word: str, start: int) -> Iterator[tuple[int, int]]:
        """Known pieces that begin here, longest first: where each ends, and its number."""
        prefix = CONTINUED if start else ""
        for end in range(len(word), start, -1):
            piece_id = self._piece_to_id.get(prefix + word[start:end])
            if piece_id is not None:
                yield end, piece_id


class _Replacements(dict[int, str]):
    """For `str.translate`: what stands for a character is worked out when it is first met."""

    def __init__(self, replace: Callable[[str], str]) -> None:
        super().__init__()
        self._replace = replace

    def __missing__(self, code: int) -> str:
        replacement = self._replace(chr(code))
        if len(self) < KEPT_CHARACTERS:
            self[code] = replacement
        return replacement


def _clean(character: str) -> str:
    """Nothing for control characters, a space for white ones, spaces around ideographs."""
    if character in "\t\n\r" or (character.isspace() and unicodedata.category(character) != "Cc"):
        return " "
    if character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co"):
        return ""
    return f" {character} " if any(first <= ord(character) <= last for first, last in IDEOGRAPHS) else character


def _part(character: str) -> str:
    """Nothing for accents, spaces around punctuation, small letters."""
    category = unicodedata.category(character)
    if category == "Mn":
        return ""
    if category.startswith("P") or character in string.punctuation:
        return f" {character} "
    return character.lower()
