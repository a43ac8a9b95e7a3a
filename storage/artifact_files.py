"""Something trained, on disk: `weights.safetensors` and a readable `manifest.json`; never a pickle.

The manifest quotes the weights by their digest and itself by its own; both are checked when read. What stands in the
manifest beside that is its owner's business. The same arrays and manifest give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from storage.errors import ArtifactRefused, InvalidInput

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "weights.safetensors"
TRAINED = "Name a folder made by `train`."

Body = dict[str, Any]  # the manifest as a JSON object
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ArtifactKind:
    """What messages call such an artefact, and which form of it this code reads and writes."""

    noun: str  # router, ranker
    formats: Mapping[str, int]  # fields of the manifest that must have these values; another one is refused

    @property
    def again(self) -> str:
        return f"Train the {self.noun} again."

    def written(self, arrays: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, bytes]:
        """Both files by name. `arrays`: of numbers, by name. `body`: what the manifest says, in JSON's types.

        Raises ArtifactRefused where an array holds a NaN or infinity.
        """
        from safetensors.numpy import save

        plain = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
        self._check_finite(plain, f"The trained {self.noun}")
        weights = save(plain)
        said = {**body, **self.formats, "weights_sha256": sha256(weights).hexdigest()}
        said = json.loads(json.dumps(said))  # tuples as they will be read back
        text = json.dumps({**said, "sha256": _digest(said)}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        return {MANIFEST_FILE: text.encode(), WEIGHTS_FILE: weights}

    def manifest(self, files: Mapping[str, bytes], *, where: str) -> Body:
        """What the manifest says, with `sha256`, which names the artefact for good. Raises ArtifactRefused."""
        what = f"{MANIFEST_FILE!r} in {where!r}"
        try:
            body = json.loads(self._one_of(files, MANIFEST_FILE, where).decode())
        except (ValueError, RecursionError) as exc:
            raise ArtifactRefused(f"{what} cannot be read: {exc}.", hint=TRAINED) from exc
        if not isinstance(body, dict) or any(body.get(name) != value for name, value in self.formats.items()):
            wanted = " with ".join(f"{name} {value}" for name, value in self.formats.items())
            raise ArtifactRefused(f"{what} is not of {wanted}.", hint=self.again)
        if _digest(body) != body.get("sha256"):
            raise ArtifactRefused(f"{what} was changed: its content is not what its `sha256` says.")
        return body

    def arrays(self, files: Mapping[str, bytes], body: Mapping[str, Any], *, where: str) -> dict[str, Any]:
        """The arrays by name, finite and as the manifest quotes them. Raises ArtifactRefused."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        what = f"{WEIGHTS_FILE!r} in {where!r}"
        weights, wanted = self._one_of(files, WEIGHTS_FILE, where), str(body.get("weights_sha256"))
        if (found := sha256(weights).hexdigest()) != wanted:
            raise ArtifactRefused(f"{what} has the SHA-256 {found}; its manifest says {wanted}.")
        try:
            arrays = load(weights)
        except (SafetensorError, KeyError, ValueError, OverflowError) as exc:  # a type that numpy lacks, an absurd size
            raise ArtifactRefused(f"{what} cannot be read: {exc!r}.") from exc
        self._check_finite(arrays, what)
        return arrays

    def checked(self, body: Body, read: Callable[[Body], T], *, where: str) -> T:
        """What `read` makes of the manifest. Raises ArtifactRefused where its fields are missing or wrong."""
        try:
            return read(body)
        except (KeyError, TypeError, ValueError, OverflowError, InvalidInput) as exc:
            what = f"{MANIFEST_FILE!r} in {where!r}"
            raise ArtifactRefused(f"{what} holds something wrong: {exc!r}.", hint=self.again) from exc

    def _one_of(self, files: Mapping[str, bytes], name: str, where: str) -> bytes:
        if name not in files:
            raise ArtifactRefused(f"The {self.noun} in {where!r} has no file {name!r}.", hint=self.again)
        return files[name]

    def _check_finite(self, arrays: Mapping[str, Any], what: str) -> None:
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ArtifactRefused(f"{what} holds a NaN or infinity in {name!r}.", hint=self.again)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes both files, manifest last, so that a folder cut off half-way is refused. Makes the folder.

    Raises InvalidInput where the folder holds something else or cannot be written.
    """
    try:
        _write(folder, files)
    except OSError as exc:
        raise InvalidInput(f"{str(folder)!r} cannot be written: {exc}; name another folder.", field="out") from exc


def read_files(folder: Path, *names: str) -> dict[str, bytes]:
    """The files as they stand, unchecked; both, if none is named. Raises ArtifactRefused where one cannot be read."""
    return {name: _read(folder / name) for name in names or (MANIFEST_FILE, WEIGHTS_FILE)}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    if folder.exists() and any(path.name not in (MANIFEST_FILE, WEIGHTS_FILE) for path in folder.iterdir()):
        raise InvalidInput(f"Folder {str(folder)!r} holds other files; name a new or empty one.", field="out")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(files[WEIGHTS_FILE])
    (folder / MANIFEST_FILE).write_bytes(files[MANIFEST_FILE])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ArtifactRefused(f"{str(path)!r} cannot be read: {exc}.", hint=TRAINED) from exc


def _digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of everything but the digest itself."""
    rest = {name: value for name, value in body.items() if name != "sha256"}
    return sha256(json.dumps(rest, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
