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

import numpy as np

from routing.encoders import int8_graph
from routing.encoders.int8_graph import NETWORK_FILE, ROWS_FILE, SCALES_FILE
from routing.errors import EncoderUnavailable
from skills.tuned_layers import TunedLayers

RECIPE = 1  # raise when int8_graph makes other files of the same source
PATIENCE_SECONDS = 120.0  # making takes 2 s on an idle machine; another process may be at it first
FILES = (NETWORK_FILE, ROWS_FILE, SCALES_FILE)
MANIFEST_FILE = "manifest.json"
LAYERS_DIGITS = 32  # of the tuned layers' digest, in the folder's name
TENSORS_FILE = "tensors.npz"  # tuned layers on their way to the process that makes the network


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What stands in the small JSON file beside the network."""

    source_sha256: str
    recipe: int
    file_to_sha256: dict[str, str]
    least_cosine: float  # between the vectors of both forms, as `int8_graph` measured it
    layers_sha256: str = ""  # of the tuned layers that stand in the source's place


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """What a smaller form is made of."""

    source: Path
    source_sha256: str
    layers: TunedLayers | None

    @property
    def layers_sha256(self) -> str:
        return "" if self.layers is None else self.layers.sha256

    @property
    def name(self) -> str:
        return "-".join(filter(None, [self.source_sha256, str(RECIPE), self.layers_sha256[:LAYERS_DIGITS]]))


def small_model(
    source: Path,
    source_sha256: str,
    cache_dir: Path,
    *,
    layers: TunedLayers | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Path:
    """The folder of the smaller form of `source` below `cache_dir`, made now if it is not there whole.

    `layers` take the place of the source's own. Raises EncoderUnavailable.
    """
    from filelock import FileLock, Timeout

    origin = _Origin(source=source, source_sha256=source_sha256, layers=layers)
    folder = cache_dir / origin.name
    if not _is_whole(folder, origin):
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f"{folder.name}.lock"), timeout=patience_seconds):
                if not _is_whole(folder, origin):  # another process may have made it meanwhile
                    _make(origin, folder, patience_seconds)
        except Timeout as exc:
            raise EncoderUnavailable(f"Another process has held {exc.lock_file!r} for {patience_seconds:g} s.") from exc
        except OSError as exc:
            raise EncoderUnavailable(f"No network can be kept in {str(cache_dir)!r}: {exc}.") from exc
    return folder


def sha256_of(path: Path) -> str:
    """Reads piece by piece: a file read whole would stay in memory for a while. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(folder: Path, origin: _Origin) -> bool:
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8")))
        found = (manifest.source_sha256, manifest.recipe, manifest.layers_sha256)
        return found == (origin.source_sha256, RECIPE, origin.layers_sha256) and (
            manifest.file_to_sha256 == _file_to_sha256(folder)
        )
    except (OSError, ValueError, TypeError):  # not there, no JSON, or other keys: it will be made again
        return False


def _file_to_sha256(folder: Path) -> dict[str, str]:
    return {name: sha256_of(folder / name) for name in FILES}


def _make(origin: _Origin, folder: Path, patience_seconds: float) -> None:
    """Beside the folder first, then in its place in one step: whoever maps the files has whole ones."""
    partial = folder.with_name(f"{folder.name}.partial")
    for old in (partial, folder):
        if old.exists():
            shutil.rmtree(old)
    partial.mkdir()
    least_cosine = _rewrite(origin, partial, patience_seconds)
    manifest = Manifest(
        source_sha256=origin.source_sha256,
        layers_sha256=origin.layers_sha256,
        recipe=RECIPE,
        file_to_sha256=_file_to_sha256(partial),
        least_cosine=least_cosine,
    )
    (partial / MANIFEST_FILE).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    os.replace(partial, folder)


def _rewrite(origin: _Origin, partial: Path, patience_seconds: float) -> float:
    """Runs `int8_graph` as a script, so that what it takes of memory goes with it."""
    command = [sys.executable, "-P", int8_graph.__file__, str(origin.source), str(partial)]
    tensors = partial / TENSORS_FILE
    if origin.layers is not None:
        np.savez(tensors, allow_pickle=False, **origin.layers.arrays)
        command.append(str(tensors))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience_seconds, check=True)
    except subprocess.CalledProcessError as exc:
        reason = (exc.stderr.strip().splitlines() or [f"exit status {exc.returncode}"])[-1]
        hint = " pip install onnx." if "No module named 'onnx'" in reason else ""
        raise EncoderUnavailable(f"The smaller network could not be made: {reason}.{hint}") from exc
    except subprocess.TimeoutExpired as exc:
        raise EncoderUnavailable(f"The smaller network was not made within {patience_seconds:.0f} s.") from exc
    tensors.unlink(missing_ok=True)
    return float(done.stdout)
