"""A trained router on disk: `weights.safetensors` and a readable `manifest.json`; never a pickle.

The manifest says what the router learned from, with which settings, and how good it was; both files are checked by
their digests when read. It holds no time and no path: the same data, code and seed give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from routing.cards import CandidateCard
from routing.errors import ArtifactRefused, UnknownRouter
from routing.forecasts import PREDICTOR_ERRORS, Forecast, Inputs, Predictor, Reference
from routing.memory import Memory
from routing.predictors.registry import predictor_class
from storage.artifact_files import MANIFEST_FILE as MANIFEST_FILE
from storage.artifact_files import WEIGHTS_FILE as WEIGHTS_FILE
from storage.artifact_files import ArtifactKind, write_files
from storage.artifact_files import read_files as read_files

FORMAT = 1  # of the two files; another one is refused
FEATURES = 1  # of what predictors compute from a text beside its embedding; another one is refused
ROUTER = ArtifactKind(noun="router", formats={"format": FORMAT, "features": FEATURES})
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
    remembered = {} if memory is None else {MEMORY + name: array for name, array in memory.arrays().items()}
    files = ROUTER.written({**predictor.arrays(), **remembered}, _body(manifest))
    write_files(folder, files)
    body = ROUTER.manifest(files, where=str(folder))
    return Artifact(predictor=predictor, manifest=manifest, sha256=str(body["sha256"]), memory=memory)


def load(folder: Path, *, encoder: str | None = None) -> Artifact:
    """`encoder`: the name of the one that will be used; None: do not ask. Raises ArtifactRefused with the reason."""
    return loads(read_files(folder), encoder=encoder, where=str(folder))


def loads(files: Mapping[str, bytes], *, encoder: str | None = None, where: str = "the registry") -> Artifact:
    """As `load`, from the files' contents by name; `where` is what messages call their place."""
    body = ROUTER.manifest(files, where=where)
    manifest = ROUTER.checked(body, _manifest, where=where)
    if encoder is not None and encoder != manifest.encoder:
        raise ArtifactRefused(
            f"The router in {where!r} was trained with encoder {manifest.encoder!r}; here is {encoder!r}.",
            hint="Use that encoder, or train again with this one.",
        )
    arrays = ROUTER.arrays(files, body, where=where)
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


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest and its digest, without the weights. Raises ArtifactRefused."""
    body = ROUTER.manifest(read_files(folder, MANIFEST_FILE), where=str(folder))
    return ROUTER.checked(body, _manifest, where=str(folder)), str(body["sha256"])


def manifest_in(files: Mapping[str, bytes], *, where: str = "the registry") -> Manifest:
    """The manifest among the files' contents by name, without the weights. Raises ArtifactRefused."""
    return ROUTER.checked(ROUTER.manifest(files, where=where), _manifest, where=where)


def _body(manifest: Manifest) -> dict[str, Any]:
    return {**asdict(manifest), "cards": [card.to_json() for card in manifest.cards]}


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
