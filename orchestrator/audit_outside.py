"""Where checkpoints go outside of the database: a file of lines, or a folder of files; written once, never changed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from storage.audit import OutsideCopy
from storage.checkpoint_forms import CHECKPOINT_KIND, checkpoint_from, checkpoint_text, key_from, key_text, kind_in
from storage.checkpoint_records import AuditCheckpoint, SigningKey
from storage.errors import LogCorrupt, StorageUnavailable

TAIL_BYTES = 1 << 16  # where the last line is looked for first


class Outside(Protocol):
    """All methods block, and raise StorageUnavailable; they are called from threads."""

    place: str

    def last_number(self) -> int:
        """Of the newest checkpoint there; 0: there is none."""
        ...

    def write(self, keys: Sequence[SigningKey], checkpoints: Sequence[AuditCheckpoint]) -> None:
        """Adds them; what is there already stays as it is."""
        ...

    def texts(self) -> Iterable[str]:
        """All that is there, keys and checkpoints, in any order but that of the keys."""
        ...


class FileOutside:
    """One JSON object a line, appended. Several processes may share it: a line that stands twice is one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)

    def last_number(self) -> int:
        try:
            if self.path.exists() and not self.path.is_file():
                raise StorageUnavailable(f"{self.place!r} is no file; name a file or a folder that may be made.")
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                return last_in(file.read().splitlines()) or last_in(self.path.read_bytes().splitlines())
        except FileNotFoundError:
            return 0
        except OSError as exc:
            raise unavailable(self.place, exc) from exc

    def write(self, keys: Sequence[SigningKey], checkpoints: Sequence[AuditCheckpoint]) -> None:
        lines = [*map(key_text, keys), *map(checkpoint_text, checkpoints)]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                is_torn = file.tell() > 0 and not self._ends_with_newline()  # by a power cut: begin a line of our own
                file.write(b"\n" * is_torn + "".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as exc:
            raise unavailable(self.place, exc) from exc

    def texts(self) -> Iterable[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ()
        except OSError as exc:
            raise unavailable(self.place, exc) from exc

    def _ends_with_newline(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


class FolderOutside:
    """One file each, created and never opened for writing again; one that a power cut left torn is made anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)

    def last_number(self) -> int:
        """Of the newest whole one."""
        try:
            for name in sorted(filter(number_in, self._names()), key=number_in, reverse=True):
                if number := last_in((self.path / name).read_bytes().splitlines()):
                    return number
        except OSError as exc:
            raise unavailable(self.place, exc) from exc
        return 0

    def write(self, keys: Sequence[SigningKey], checkpoints: Sequence[AuditCheckpoint]) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name, text in named(keys, checkpoints):
                self._create(self.path / name, text)
        except OSError as exc:
            raise unavailable(self.place, exc) from exc

    def texts(self) -> Iterable[str]:
        try:
            return [(self.path / name).read_text(encoding="utf-8", errors="replace") for name in self._names()]
        except OSError as exc:
            raise unavailable(self.place, exc) from exc

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.path))
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise unavailable(self.place, exc) from exc

    def _create(self, path: Path, text: str) -> None:
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            known = path.read_text(encoding="utf-8", errors="replace")
            if known == text[: len(known)] and known != text:
                self._complete(path, text)
            else:
                ensure_same(self.place, path.name, known, text)

    def _complete(self, path: Path, text: str) -> None:
        """Puts the whole text in the place of its beginning."""
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            self._create(draft, text)
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


def copy_in(outside: Outside) -> OutsideCopy:
    """What stands there. A line that cannot be read counts as not there: where it is missed, the verification says so.

    Raises StorageUnavailable.
    """
    checkpoints: dict[int, AuditCheckpoint] = {}
    keys: dict[str, SigningKey] = {}
    faults: list[str] = []
    for text in outside.texts():
        try:
            if kind_in(text) == CHECKPOINT_KIND:
                found = checkpoint_from(text)
                if checkpoint_text(checkpoints.setdefault(found.number, found)) != text:
                    faults.append(f"checkpoint {found.number} stands there twice, and not alike")
            else:
                key = key_from(text)
                if key_text(keys.setdefault(key.key_id, key)) != text:
                    faults.append(f"signing key {key.key_id!r} stands there twice, and not alike")
        except LogCorrupt:
            continue
    fault = faults[0] if faults else ""
    return OutsideCopy(place=outside.place, checkpoints=checkpoints, keys=_in_turn(keys), fault=fault)


def last_in(lines: Sequence[bytes]) -> int:
    """The number of the last checkpoint among these lines; 0: there is none."""
    for line in reversed(lines):
        try:
            text = line.decode()
            if kind_in(text) == CHECKPOINT_KIND:
                return checkpoint_from(text).number
        except (LogCorrupt, UnicodeDecodeError):
            continue
    return 0


def named(keys: Sequence[SigningKey], checkpoints: Sequence[AuditCheckpoint]) -> Iterable[tuple[str, str]]:
    """File name and text of each."""
    yield from ((f"key-{key.key_id}.json", key_text(key)) for key in keys)
    yield from ((f"checkpoint-{each.number:012}.json", checkpoint_text(each)) for each in checkpoints)


def number_in(name: str) -> int:
    digits = name.removeprefix("checkpoint-").removesuffix(".json")
    return int(digits) if digits.isdecimal() and name.startswith("checkpoint-") else 0


def ensure_same(place: str, name: str, known: str, given: str) -> None:
    """Raises StorageUnavailable."""
    if known != given:
        raise StorageUnavailable(
            f"{name!r} stands in {place!r} already, and not as it was signed here.",
            hint="Verify the log with that place: antroute audit verify --outside PLACE",
        )


def unavailable(place: str, exc: Exception) -> StorageUnavailable:
    said = getattr(exc, "strerror", None) or str(exc).splitlines()[0]
    return StorageUnavailable(
        f"The place outside {place!r} cannot be used: {said}.", hint="Correct `audit.outside`, or make room there."
    )


def _in_turn(keys: dict[str, SigningKey]) -> list[SigningKey]:
    """Each after the one that it took over from; what fits nowhere at the end."""
    left, turn = list(keys.values()), list[SigningKey]()
    while left:
        newest = turn[-1].key_id if turn else None
        following = next((key for key in left if key.previous_key_id == newest), left[0])
        left.remove(following)
        turn.append(following)
    return turn
