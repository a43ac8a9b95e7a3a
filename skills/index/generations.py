"""Generations of an index in its folder: built beside the serving one, then swapped in by one rename.

    CURRENT            names the generation that serves
    gen-000007/        manifest.json, ranker/
    segments/NAME/     never change once they have this name; generations share them
    unfinished/        vectors encoded for a build that is under way or was broken off

Whoever has opened a generation holds its files open and goes on reading them after they were removed.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from skills.errors import IndexRefused
from skills.index.manifest import MANIFEST_FILE, IndexManifest, read_manifest

CURRENT_FILE = "CURRENT"
LOCK_FILE = "build.lock"
SEGMENTS = "segments"
UNFINISHED = "unfinished"
RANKER = "ranker"
BEING_WRITTEN = ".new-"  # what the names of folders begin with until they are whole
SEGMENT = "seg-"  # what the names of segments begin with
_GENERATION = re.compile(r"gen-(\d{6,})")


def current_generation(folder: Path) -> str | None:
    """Its name; None where nothing was built yet. Raises IndexRefused."""
    try:
        name = (folder / CURRENT_FILE).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise IndexRefused(f"{str(folder / CURRENT_FILE)!r} cannot be read: {exc}.") from exc
    if not _GENERATION.fullmatch(name):
        raise IndexRefused(
            f"{str(folder / CURRENT_FILE)!r} names {name!r:.60}, which is no generation.",
            hint="Remove this file, then build the index again with `antroute skills index`.",
        )
    return name


@contextmanager
def building(folder: Path) -> Iterator[None]:
    """One build at a time; clears away what a broken one left. Raises IndexRefused while another is under way."""
    lock = FileLock(folder / LOCK_FILE)
    try:
        (folder / SEGMENTS).mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise IndexRefused(
            f"Another process is building the index in {str(folder)!r}.", hint="Try again when it is done."
        ) from exc
    except OSError as exc:
        raise IndexRefused(f"An index cannot be kept in {str(folder)!r}: {exc}.", hint="Name another folder.") from exc
    try:
        clear(folder)
        yield
    finally:
        lock.release()


@contextmanager
def being_written(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`; the caller renames it when it is whole."""
    made = parent / f"{BEING_WRITTEN}{uuid.uuid4().hex[:12]}"
    made.mkdir()
    try:
        yield made
    finally:
        if made.exists():
            shutil.rmtree(made)


def keep(made: Path, name: str) -> Path:
    """Gives the written folder its name, once its bytes are on the disk. One of this name is the same and stays."""
    for path in [*made.rglob("*"), made]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    kept = made.with_name(name)
    if kept.exists():
        shutil.rmtree(made)
    else:
        os.rename(made, kept)
    return kept


def serve(folder: Path, manifest: IndexManifest, ranker: Path | None, *, files: Mapping[str, bytes]) -> str:
    """Makes a generation and swaps it in; then removes what nobody needs. The generation's name. Raises OSError.

    `files`: what else stands in it, by name.
    """
    numbers = [int(found[1]) for path in folder.iterdir() if (found := _GENERATION.fullmatch(path.name))]
    name = f"gen-{max(numbers, default=0) + 1:06d}"
    with being_written(folder) as made:
        for file, content in {MANIFEST_FILE: manifest.to_bytes(), **files}.items():
            (made / file).write_bytes(content)
        if ranker is not None:
            shutil.copytree(ranker, made / RANKER)
        keep(made, name)
    temporary = folder / f"{BEING_WRITTEN}{CURRENT_FILE}"
    with temporary.open("w", encoding="ascii") as stream:
        stream.write(name + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, folder / CURRENT_FILE)
    clear(folder)
    return name


def clear(folder: Path) -> None:
    """Removes all generations and segments but those that serve. Only under the lock. Raises OSError, IndexRefused."""
    name = current_generation(folder)
    for path in folder.iterdir():
        if path.name.startswith(BEING_WRITTEN) or (_GENERATION.fullmatch(path.name) and path.name != name):
            _remove(path)
    needed = _segments_of(folder, name)
    for path in (folder / SEGMENTS).iterdir():
        is_ours = path.name.startswith((SEGMENT, BEING_WRITTEN))
        if is_ours and needed is not None and path.name not in needed:
            _remove(path)


def _segments_of(folder: Path, generation: str | None) -> set[str] | None:
    """None: it cannot be told, so nothing is to be removed."""
    if generation is None:
        return set()
    try:
        manifest, _ = read_manifest(folder / generation)
    except (IndexRefused, OSError):
        return None
    return {segment.name for segment in manifest.segments}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
