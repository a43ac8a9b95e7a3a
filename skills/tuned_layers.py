"""The last layers of a sentence encoder, trained for skills: what is stored of them, and whom they can be trained for.

Serving puts them in the place of the base encoder's own layers; nothing else of the encoder is stored. They stand in a
folder of their own, or in another artefact that needs this encoder, such as a ranker's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from skills.encoder import Encoder
from storage.artifact_files import ArtifactKind, Body, read_files, write_files

ENTRY = "tuned_encoder"  # of a manifest; arrays have it before their names
FORMAT = 1
_OWN = ArtifactKind(noun="tuned encoder", formats={"tuned_encoder_format": FORMAT})
_ANY = ArtifactKind(noun="tuned encoder", formats={})
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class BertNetwork:
    """The weights of an encoder of BERT's form, as float32 numbers that are exactly those it is served with.

    `arrays`: `words` (words, size), `positions` (most tokens, size), `types` (2, size), `norm.weight`, `norm.bias`, and
    of layer i `i.PART.weight` (inputs, outputs) or (size,) and `i.PART.bias`, for the parts below.
    """

    LINEAR = ("query", "key", "value", "attended", "wide", "narrow")
    NORMS = ("attended_norm", "narrow_norm")

    file_sha256: str  # of the encoder's network file
    arrays: Mapping[str, Floats]
    stored: Mapping[str, tuple[str, ...]]  # array to the file's tensors: int8 numbers and scales, or the numbers
    layers: int
    heads: int
    epsilon: float  # of the norms


@runtime_checkable
class TunableEncoder(Encoder, Protocol):
    """An encoder whose last layers can be trained further."""

    def network(self) -> BertNetwork: ...

    def token_ids(self, texts: Sequence[str], *, limit: int) -> list[list[int]]:
        """What the network is given for each text, at most `limit` numbers."""
        ...


@dataclass(frozen=True, kw_only=True)
class TunedLayers:
    """Tensors by their names in the base encoder's network file, of the shapes and types that they have there."""

    base_sha256: str  # of that file
    arrays: Mapping[str, NDArray[Any]]
    trained_with: Mapping[str, object] = field(default_factory=dict)  # plain values, for people

    @cached_property
    def sha256(self) -> str:
        """Names these numbers for good."""
        digest = sha256(self.base_sha256.encode())
        for name, array in sorted(self.arrays.items()):
            digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def inlaid(self) -> tuple[dict[str, NDArray[Any]], Body]:
        """Arrays and manifest entries to be added to those of the artefact that carries these layers."""
        entry = {
            "format": FORMAT,
            "base_sha256": self.base_sha256,
            "sha256": self.sha256,
            "trained_with": dict(self.trained_with),
        }
        return {f"{ENTRY}/{name}": array for name, array in self.arrays.items()}, {ENTRY: entry}


def write_tuned_layers(folder: Path, layers: TunedLayers) -> None:
    """As an artefact of their own. Raises ArtifactRefused for numbers that are not finite, InvalidInput for a folder
    that cannot be written."""
    write_files(folder, _OWN.written(*layers.inlaid()))


def read_tuned_layers(folder: Path) -> TunedLayers | None:
    """Of the artefact in the folder, whatever it is; None where it carries none. Raises ArtifactRefused."""
    where = str(folder)
    files = read_files(folder)
    body = _ANY.manifest(files, where=where)
    if ENTRY not in body:
        return None
    arrays = _ANY.arrays(files, body, where=where)
    return _ANY.checked(body, lambda read: _read(read, arrays), where=where)


def _read(body: Body, arrays: Mapping[str, NDArray[Any]]) -> TunedLayers:
    entry = body[ENTRY]
    if entry["format"] != FORMAT:
        raise ValueError(f"A tuned encoder of format {entry['format']!r}; {FORMAT} would be right.")
    own = {name.removeprefix(f"{ENTRY}/"): array for name, array in arrays.items() if name.startswith(f"{ENTRY}/")}
    layers = TunedLayers(base_sha256=str(entry["base_sha256"]), arrays=own, trained_with=dict(entry["trained_with"]))
    if layers.sha256 != entry["sha256"]:
        raise ValueError(f"The tuned layers have the SHA-256 {layers.sha256}; {entry['sha256']!r} would be right.")
    return layers
