"""The smaller form of a network file: made once, by a process of its own, and kept; its SHA-256 is checked."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from routing.encoders import int8_graph
from routing.encoders.int8_graph import NETWORK_FILE, ROWS_FILE, SCALES_FILE
from routing.errors import EncoderUnavailable

RECIPE = 1  # raise when int8_graph makes other files of the same source
PATIENCE_SECONDS = 120.0  # making takes 2 s on an idle machine; another process may be at it first
FILES = (NETWORK_FILE, ROWS_FILE, SCALES_FILE)
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What stands in the small JSON file beside the network."""

    source_sha256: str
    recipe: int
    file_to_sha256: dict[str, str]
    least_cosine: float  # between the vectors of both forms, as `int8_graph` measured it


def small_model(
    source: Path, source_sha256: str, cache_dir: Path, *, patience_seconds: float = PATIENCE_SECONDS
) -> Path:
    """The folder of the smaller form of `source` below `cache_dir`, made now if it is not there whole.

    Raises EncoderUnavailable.
    """
    from filelock import FileLock, Timeout

    folder = cache_dir / f"{source_sha256}-{RECIPE}"
    if not _is_whole(folder, source_sha256):
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f"{folder.name}.lock"), timeout=patience_seconds):
                if not _is_whole(folder, source_sha256):  # another process may have made it meanwhile
                    _make(source, source_sha256, folder, patience_seconds)
        except Timeout as exc:
            raise EncoderUnavailable(f"Another process has held {exc.lock_file!r} for {patience_seconds:g} s.") from exc
        except OSError as exc:
            raise EncoderUnavailable(f"No network can be kept in {str(cache_dir)!r}: {exc}.") from exc
    return folder


def sha256_of(path: Path) -> str:
    """Reads piece by piece: a file read whole would stay in memory for a while. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(folder: Path, source_sha256: str) -> bool:
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8")))
        return (manifest.source_sha256, manifest.recipe) == (source_sha256, RECIPE) and (
            manifest.file_to_sha256 == _file_to_sha256(folder)
        )
    except (OSError, ValueError, TypeError):  # not there, no JSON, or other keys: it will be made again
        return False


def _file_to_sha256(folder: Path) -> dict[str, str]:
    return {name: sha256_of(folder / name) for name in FILES}


def _make(source: Path, source_sha256: str, folder: Path, patience_seconds: float) -> None:
    """Beside the folder first, then in its place in one step: whoever maps the files has whole ones."""
    partial = folder.with_name(f"{folder.name}.partial")
    for old in (partial, folder):
        if old.exists():
            shutil.rmtree(old)
    partial.mkdir()
    least_cosine = _rewrite(source, partial, patience_seconds)
    manifest = Manifest(
        source_sha256=source_sha256,
        recipe=RECIPE,
        file_to_sha256=_file_to_sha256(partial),
        least_cosine=least_cosine,
    )
    (partial / MANIFEST_FILE).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    os.replace(partial, folder)


def _rewrite(source: Path, partial: Path, patience_seconds: float) -> float:
    """Runs `int8_graph` as a script, so that what it takes of memory goes with it."""
    command = [sys.executable, "-P", int8_graph.__file__, str(source), str(partial)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience_seconds, check=True)
    except subprocess.CalledProcessError as exc:
        reason = (exc.stderr.strip().splitlines() or [f"exit status {exc.returncode}"])[-1]
        hint = " pip install onnx." if "No module named 'onnx'" in reason else ""
        raise EncoderUnavailable(f"The smaller network could not be made: {reason}.{hint}") from exc
    except subprocess.TimeoutExpired as exc:
        raise EncoderUnavailable(f"The smaller network was not made within {patience_seconds:.0f} s.") from exc
    return float(done.stdout)
