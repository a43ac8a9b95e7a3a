"""A trained step policy on disk: `weights.safetensors` and a readable `manifest.json`; never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from routing.errors import ArtifactRefused
from routing.steps.bopo import Bopo
from routing.steps.feasibility import Mask, Prices
from routing.steps.features import SIGNALS
from routing.steps.features import VERSION as SIGNALS_VERSION
from routing.steps.fitted_q import FittedQ
from routing.steps.journey import Scorer, View
from routing.steps.schedules import StaticSchedules
from routing.steps.slots import Slots
from routing.steps.texts import TextReader
from routing.steps.tiers import Tiers
from storage.artifact_files import ArtifactKind, read_files, write_files

FORMAT = 1  # of the two files; another one is refused
STEPS = ArtifactKind(noun="step policy", formats={"steps_format": FORMAT, "signals": SIGNALS_VERSION})
MOST_CANDIDATES, MOST_STEPS = 256, 10_000
FITS_ERRORS = (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError)


class SavedScorer(Scorer, Protocol):
    """A step policy that can be saved."""

    def arrays(self) -> dict[str, NDArray[Any]]: ...

    def settings(self) -> dict[str, Any]: ...


KINDS: dict[str, type[FittedQ | Bopo | Tiers | StaticSchedules]] = {
    "cql": FittedQ,
    "bopo": Bopo,
    "tiers": Tiers,
    "static-schedule": StaticSchedules,
}


@dataclass(frozen=True, kw_only=True)
class StepManifest:
    """What a step policy says of itself."""

    kind: str
    candidates: tuple[str, ...]  # in the order in which the arrays have them
    small: str
    large: str
    unit_usd: float  # mean cost of the large candidate's training episodes; costs and limits are told in it
    most_steps: int  # K
    order: tuple[int, ...]  # of the slots
    encoder: str  # of the task's vector; "" where none is read
    dimension: int  # of that vector; 0: none
    seed: int
    data_digest: str
    task_counts: Mapping[str, int]  # split to tasks
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    code_version: str = ""


@dataclass(frozen=True, kw_only=True)
class StepArtifact:
    """A trained step policy with all that it needs to be asked; `sha256` names it for good."""

    scorer: SavedScorer
    schedules: StaticSchedules  # the baseline that ships with it
    reader: TextReader
    mask: Mask
    manifest: StepManifest
    sha256: str = ""


def save(folder: Path, artifact: StepArtifact) -> StepArtifact:
    """Writes both files. Raises InvalidInput where the folder holds something else, ArtifactRefused for a NaN."""
    arrays = {
        "prices.steps": artifact.mask.prices.steps,
        "prices.worst": artifact.mask.prices.worst,
        **artifact.schedules.arrays(),
        **artifact.reader.arrays(),
        **{f"policy.{name}": array for name, array in artifact.scorer.arrays().items()},
    }
    write_files(folder, STEPS.written(arrays, asdict(artifact.manifest)))
    return load(folder)


def load(folder: Path) -> StepArtifact:
    """Raises ArtifactRefused with the reason."""
    files, where = read_files(folder), str(folder)
    body = STEPS.manifest(files, where=where)
    manifest = STEPS.checked(body, _manifest, where=where)
    arrays = STEPS.arrays(files, body, where=where)
    try:
        artifact = _restored(arrays, manifest, str(body["sha256"]))
        _ask_once(artifact)
    except FITS_ERRORS as exc:
        raise ArtifactRefused(f"The step policy in {where!r} does not fit its manifest: {exc!r}.") from exc
    return artifact


def _restored(arrays: Mapping[str, NDArray[Any]], manifest: StepManifest, sha256: str) -> StepArtifact:
    count = len(manifest.candidates)
    parts = {name.removeprefix("policy."): array for name, array in arrays.items() if name.startswith("policy.")}
    prices = Prices(steps=arrays["prices.steps"], worst=arrays["prices.worst"])
    if prices.steps.shape != (count, manifest.most_steps) or prices.worst.shape != prices.steps.shape:
        raise ValueError(f"prices of shape {prices.steps.shape} for {count} candidates")
    reader = TextReader.restore(arrays)
    if reader.dimension != manifest.dimension:
        raise ValueError(f"vectors of {reader.dimension} numbers; the manifest says {manifest.dimension}")
    return StepArtifact(
        scorer=KINDS[manifest.kind].restore(parts, manifest.settings),
        schedules=StaticSchedules.restore(arrays, {"count": count}),
        reader=reader,
        mask=Mask(prices, Slots(order=manifest.order, count=count)),
        manifest=manifest,
        sha256=sha256,
    )


def _manifest(body: Mapping[str, Any]) -> StepManifest:
    names = list(StepManifest.__dataclass_fields__)
    found = StepManifest(**{name: body[name] for name in names if name not in ("candidates", "order")}, **_lists(body))
    if not {found.small, found.large} <= set(found.candidates) or len(set(found.candidates)) != len(found.candidates):
        raise ValueError(f"the candidates {found.candidates!r:.80} must differ, with small and large among them")
    if not 0 < len(found.candidates) <= MOST_CANDIDATES or not 0 < int(found.most_steps) <= MOST_STEPS:
        raise ValueError(f"{len(found.candidates)} candidates, {found.most_steps!r} steps")
    if not all(0 <= c < len(found.candidates) for c in found.order) or not found.order:
        raise ValueError(f"`order` is {found.order!r:.80}; it must be places of candidates")
    if isinstance(found.unit_usd, bool) or not 0 < float(found.unit_usd) < float("inf"):
        raise ValueError(f"`unit_usd` is {found.unit_usd!r:.40}; it must be a number above 0")
    if found.kind not in KINDS:
        raise ValueError(f"`kind` is {found.kind!r:.40}; known: {', '.join(KINDS)}")
    return found


def _lists(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "candidates": tuple(str(id) for id in body["candidates"]),
        "order": tuple(int(place) for place in body["order"]),
    }


def _ask_once(artifact: StepArtifact) -> None:
    """Before and after a first step, so that arrays which do not fit each other are refused here and not in serving."""
    count = len(artifact.manifest.candidates)
    seen = np.zeros((2, count), dtype=np.int64)
    seen[1, artifact.manifest.order[0]] = 1
    view = View(
        texts=np.zeros((2, len(artifact.reader.mean))),
        signals=np.zeros((2, count, len(SIGNALS))),
        current=np.array([-1, artifact.manifest.order[0]]),
        seen=seen,
        weight=np.ones(2),
        remaining=np.full(2, np.inf),
    )
    with np.errstate(all="ignore"):
        found = artifact.scorer.scores(view, artifact.mask.allowed(view))
    if found.shape != (2, 2 + count) or np.isnan(found).any():
        raise ValueError(f"scores of shape {found.shape} for {count} candidates")
