"""A trained router on disk: `weights.safetensors` and a readable `manifest.json`; never a pickle.

The manifest says what the router learned from, with which settings, and how good it was; both files are checked by
their digests when read. It holds no time and no path: the same data, code and seed give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from routing.cards import CandidateCard
from routing.errors import ArtifactRefused, UnknownRouter
from routing.forecasts import PREDICTOR_ERRORS, Forecast, Inputs, Predictor, Reference
from routing.memory import Memory
from routing.predictors.registry import predictor_class
from storage.errors import InvalidInput

FORMAT = 1  # of the two files; another one is refused
FEATURES = 1  # of what predictors compute from a text beside its embedding; another one is refused
MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "weights.safetensors"
MEMORY = "memory."  # what the names of the memory's arrays begin with
LARGEST_DIMENSION = 65_536  # of an encoder's vectors: more is no encoder


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a trained router says of itself."""

    kind: str  # in routing/predictors/registry.py
    cards: tuple[CandidateCard, ...]  # one a candidate, alphabetically
    encoder: str  # name with version
    dimension: int  # of the encoder's vectors
    reference: Reference
    seed: int
    data_digest: str
    query_counts: Mapping[str, int]  # split to queries
    settings: Mapping[str, Any]  # of the predictor
    metrics: Mapping[str, Any] = field(default_factory=dict)  # on dev, with what it was compared to
    code_version: str = ""
    parent_sha256: str = ""  # the artefact that this one was adapted from


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A trained router with its manifest; `sha256` names it for good."""

    predictor: Predictor
    manifest: Manifest
    sha256: str
    memory: Memory | None = None  # what `routers adapt` needs; None: it was saved without


def code_version() -> str:
    """Of the installed package; `source` where it is not installed."""
    try:
        return version("antroute")
    except PackageNotFoundError:
        return "source"


def save(folder: Path, predictor: Predictor, manifest: Manifest, *, memory: Memory | None = None) -> Artifact:
    """Writes both files, manifest last, so that a folder cut off half-way is refused. Makes the folder.

    Raises InvalidInput where the folder holds something else or cannot be written, ArtifactRefused where the weights
    hold a NaN.
    """
    from safetensors.numpy import save as serialised

    remembered = {} if memory is None else {MEMORY + name: array for name, array in memory.arrays().items()}
    named = {**predictor.arrays(), **remembered}
    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(named.items())}
    _check_finite(arrays, "The trained router")
    weights = serialised(arrays)
    body = _body(manifest, sha256(weights).hexdigest())
    text = json.dumps({**body, "sha256": _digest(body)}, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    try:
        _write(folder, weights, text)
    except OSError as exc:
        raise InvalidInput(f"{str(folder)!r} cannot be written: {exc}; name another folder.", field="out") from exc
    return Artifact(predictor=predictor, manifest=manifest, sha256=_digest(body), memory=memory)


def load(folder: Path, *, encoder: str | None = None) -> Artifact:
    """`encoder`: the name of the one that will be used; None: do not ask. Raises ArtifactRefused with the reason."""
    return loads(read_files(folder), encoder=encoder, where=str(folder))


def loads(files: Mapping[str, bytes], *, encoder: str | None = None, where: str = "the registry") -> Artifact:
    """As `load`, from the files' contents by name; `where` is what messages call their place."""
    manifest, body = _checked_manifest(_one_of(files, MANIFEST_FILE, where), where)
    if encoder is not None and encoder != manifest.encoder:
        raise ArtifactRefused(
            f"The router in {where!r} was trained with encoder {manifest.encoder!r}; here is {encoder!r}.",
            hint="Use that encoder, or train again with this one.",
        )
    arrays = _checked_weights(_one_of(files, WEIGHTS_FILE, where), str(body.get("weights_sha256")), where)
    remembered = {name.removeprefix(MEMORY): arrays.pop(name) for name in list(arrays) if name.startswith(MEMORY)}
    try:
        predictor = predictor_class(manifest.kind).restore(arrays, manifest.settings)
        memory = Memory.restore(remembered) if remembered else None
    except UnknownRouter as exc:
        raise ArtifactRefused(f"The router in {where!r} is of a kind unknown here: {exc}") from exc
    except PREDICTOR_ERRORS as exc:
        raise ArtifactRefused(f"The router in {where!r} does not fit its manifest: {exc!r}.") from exc
    if predictor.candidates != tuple(card.id for card in manifest.cards):
        raise ArtifactRefused(f"The router in {where!r} names other candidates than its manifest does.")
    _check_answers(predictor, manifest, where)
    return Artifact(predictor=predictor, manifest=manifest, sha256=str(body["sha256"]), memory=memory)


def read_files(folder: Path) -> dict[str, bytes]:
    """Both files as they stand, unchecked: for `loads`. Raises ArtifactRefused where one cannot be read."""
    return {name: _read(folder / name) for name in (MANIFEST_FILE, WEIGHTS_FILE)}


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest and its digest, without the weights. Raises ArtifactRefused."""
    manifest, body = _checked_manifest(_read(folder / MANIFEST_FILE), str(folder))
    return manifest, str(body["sha256"])


def _write(folder: Path, weights: bytes, manifest: str) -> None:
    if folder.exists() and any(path.name not in (MANIFEST_FILE, WEIGHTS_FILE) for path in folder.iterdir()):
        raise InvalidInput(f"Folder {str(folder)!r} holds other files; name a new or empty one.", field="out")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(weights)
    (folder / MANIFEST_FILE).write_text(manifest, encoding="utf-8")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ArtifactRefused(f"{str(path)!r} cannot be read: {exc}.", hint="Name a folder made by `train`.") from exc


def _one_of(files: Mapping[str, bytes], name: str, where: str) -> bytes:
    if name not in files:
        raise ArtifactRefused(f"The router in {where!r} has no file {name!r}.", hint="Train the router again.")
    return files[name]


def _checked_manifest(content: bytes, where: str) -> tuple[Manifest, Mapping[str, Any]]:
    what = f"{MANIFEST_FILE!r} in {where!r}"
    try:
        body = json.loads(content.decode())
    except (ValueError, RecursionError) as exc:
        raise ArtifactRefused(f"{what} cannot be read: {exc}.", hint="Name a folder made by `train`.") from exc
    if not isinstance(body, dict) or (body.get("format"), body.get("features")) != (FORMAT, FEATURES):
        raise ArtifactRefused(
            f"{what} is not of format {FORMAT} with features {FEATURES}.", hint="Train the router again."
        )
    if _digest(body) != body.get("sha256"):
        raise ArtifactRefused(f"{what} was changed: its content is not what its `sha256` says.")
    try:
        return _manifest(body), body
    except (KeyError, TypeError, ValueError, OverflowError, InvalidInput) as exc:
        raise ArtifactRefused(f"{what} holds something wrong: {exc!r}.", hint="Train the router again.") from exc


def _checked_weights(weights: bytes, wanted_sha256: str, where: str) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialised

    what = f"{WEIGHTS_FILE!r} in {where!r}"
    found = sha256(weights).hexdigest()
    if found != wanted_sha256:
        raise ArtifactRefused(f"{what} has the SHA-256 {found}; its manifest says {wanted_sha256}.")
    try:
        arrays = deserialised(weights)
    except (SafetensorError, KeyError, ValueError, OverflowError) as exc:  # a type that numpy lacks, an absurd size
        raise ArtifactRefused(f"{what} cannot be read: {exc!r}.") from exc
    _check_finite(arrays, what)
    return arrays


def _check_finite(arrays: Mapping[str, Any], what: str) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ArtifactRefused(f"{what} holds a NaN or infinity in {name!r}.", hint="Train the router again.")


def _body(manifest: Manifest, weights_sha256: str) -> dict[str, Any]:
    cards = [card.to_json() for card in manifest.cards]
    body = {
        **asdict(manifest),
        "cards": cards,
        "weights_sha256": weights_sha256,
        "format": FORMAT,
        "features": FEATURES,
    }
    plain: dict[str, Any] = json.loads(json.dumps(body))  # tuples as they will be read back
    return plain


def _manifest(body: Mapping[str, Any]) -> Manifest:
    known: Sequence[str] = [
        "kind", "encoder", "dimension", "seed", "data_digest", "query_counts", "settings", "metrics", "code_version",
        "parent_sha256",
    ]  # fmt: skip
    manifest = Manifest(
        cards=tuple(CandidateCard.from_json(card) for card in body["cards"]),
        reference=_reference(body["reference"]),
        **{name: body[name] for name in known},
    )
    if type(manifest.dimension) is not int or not 0 < manifest.dimension <= LARGEST_DIMENSION:
        raise ValueError(
            f"`dimension` is {manifest.dimension!r:.40}; it must be a number from 1 to {LARGEST_DIMENSION}"
        )
    for name in ("settings", "metrics", "query_counts"):
        if not isinstance(body[name], dict):
            raise ValueError(f"`{name}` is {body[name]!r:.40}; it must be an object")
    return manifest


def _reference(value: Mapping[str, Any]) -> Reference:
    """Raises TypeError, ValueError."""
    reference = Reference(**value)
    amounts = (reference.quality, reference.cost_usd, reference.latency_seconds, reference.energy_joules)
    for amount in amounts:
        if amount is not None and not 0 <= float(amount) < float("inf"):
            raise ValueError(f"the reference holds {amount!r:.40}; its figures are numbers, 0 or more")
    return Reference(
        candidate=reference.candidate,
        quality=float(reference.quality),
        cost_usd=float(reference.cost_usd),
        latency_seconds=None if reference.latency_seconds is None else float(reference.latency_seconds),
        energy_joules=None if reference.energy_joules is None else float(reference.energy_joules),
    )


def _check_answers(predictor: Predictor, manifest: Manifest, where: str) -> None:
    """Asks once, so that arrays which do not fit each other are refused here and not where the router serves."""
    vector = np.eye(1, manifest.dimension, dtype=np.float32)
    try:
        with np.errstate(all="ignore"):
            forecast = predictor.predict(Inputs(texts=("?",), embeddings=vector, tasks=(None,)))
    except PREDICTOR_ERRORS as exc:
        raise ArtifactRefused(f"The router in {where!r} cannot forecast: {exc!r}.") from exc
    if (found := _shapes(forecast)) != {(1, len(predictor.candidates))}:
        raise ArtifactRefused(f"The router in {where!r} forecasts in the shapes {sorted(found)}.")


def _shapes(forecast: Forecast) -> set[tuple[int, ...]]:
    every = (forecast.quality, forecast.cost_usd, forecast.latency_seconds, forecast.energy_joules)
    return {matrix.shape for matrix in every if matrix is not None}


def _digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of everything but the digest itself."""
    rest = {name: value for name, value in body.items() if name != "sha256"}
    return sha256(json.dumps(rest, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
