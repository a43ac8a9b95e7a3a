"""What operators do with trained routers: register, look, promote past the gate, shadow, roll back, retire."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import PromotionRefused
from routing.artifacts import Artifact, loads, read_files
from routing.errors import ArtifactRefused
from storage.errors import InvalidInput
from storage.stores import Stores
from storage.version_records import PolicyVersion, VersionMove

ID_DIGITS = 16  # of the artefact's digest


@dataclass(frozen=True, kw_only=True)
class RouterChange:
    """A version after what was done to it, and what its operator should know."""

    version: PolicyVersion
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RouterHistory:
    """A version and its moves, oldest first."""

    version: PolicyVersion
    moves: tuple[VersionMove, ...]


@dataclass(frozen=True, kw_only=True)
class _Folder:
    """What `train` left in a folder, checked."""

    name: str
    files: Mapping[str, bytes]
    artifact: Artifact


class Routers:
    """The operations over one store, for one service's candidates.

    `candidates`: ids that the service has. `encoder_name`: the service's encoder; None: unknown here, so not compared.
    """

    def __init__(self, stores: Stores, *, candidates: Sequence[str], encoder_name: str | None = None) -> None:
        self._versions = stores.policy_versions
        self._candidates = tuple(candidates)
        self._encoder_name = encoder_name

    async def register(self, folder: Path, *, name: str = "") -> RouterChange:
        """Keeps the artefact in the store; again is the same version. `name`: default is the folder's.

        Raises ArtifactRefused for an artefact that does not load or knows none of the service's candidates.
        """
        found = await asyncio.to_thread(_read, folder)
        version = self._version(found.artifact, name or found.name, await self._versions.versions())
        notices = self._coverage(version)
        return RouterChange(version=await self._versions.register(version, found.files), notices=notices)

    async def list(self) -> list[PolicyVersion]:
        """Newest first."""
        return (await self._versions.versions())[::-1]

    async def show(self, version_id: str) -> RouterHistory:
        version = await self._versions.get(version_id)
        return RouterHistory(version=version, moves=tuple(await self._versions.moves_of(version.id)))

    async def promote(self, version_id: str, *, force: bool = False, reason: str = "") -> RouterChange:
        """Makes the version the active one, if it passed its gate; `force` goes past it, with a reason, and is logged.

        Raises PromotionRefused with the gate's figures, ArtifactRefused where the version cannot serve here,
        VersionConflict where somebody else was faster.
        """
        if force and not reason.strip():
            raise InvalidInput("A forced promotion needs a reason.", field="reason", hint="Say why: --reason TEXT")
        seen = await self._versions.serving()
        version = await self._versions.get(version_id)
        notices = self._fit(version)
        problem = gate_problem(version)
        if problem is not None and not force:
            raise PromotionRefused(f"Router {version.id!r} may not become active. {problem}")
        if problem is not None:
            notices = (*notices, f"forced past its gate. {problem}")
        promoted = await self._versions.move(
            version.id, "active", reason=reason, expected=seen, is_forced=problem is not None
        )
        return RouterChange(version=promoted, notices=notices)

    async def shadow(self, version_id: str, *, reason: str = "") -> RouterChange:
        """Lets the version run beside the active one: it chooses, is recorded, and is not heeded. Needs no gate.

        Raises ArtifactRefused, VersionConflict.
        """
        seen = await self._versions.serving()
        version = await self._versions.get(version_id)
        notices = self._fit(version)
        moved = await self._versions.move(version.id, "shadow", reason=reason, expected=seen)
        return RouterChange(version=moved, notices=notices)

    async def rollback(self, *, reason: str = "") -> RouterChange:
        """Brings back the version that was active before; its gate is not asked again. Raises VersionConflict."""
        seen = await self._versions.serving()
        version = await self._versions.rollback(reason=reason, expected=seen)
        return RouterChange(version=version, notices=self._coverage_told(version))

    async def retire(self, version_id: str, *, reason: str = "") -> RouterChange:
        """Takes the version out of service. Without an active one the table chooses. Raises VersionConflict."""
        version = await self._versions.get(version_id)
        retired = await self._versions.move(version.id, "retired", reason=reason)
        is_bare = (await self._versions.serving()).active_id is None
        return RouterChange(version=retired, notices=("no trained router is active: the table chooses",) * is_bare)

    def _version(self, artifact: Artifact, name: str, known: Sequence[PolicyVersion]) -> PolicyVersion:
        manifest = artifact.manifest
        sha256_to_id = {version.artifact_sha256: version.id for version in known}
        return PolicyVersion(
            id=f"router_{artifact.sha256[:ID_DIGITS]}",
            name=name,
            predictor=manifest.kind,
            artifact_sha256=artifact.sha256,
            encoder=manifest.encoder,
            candidates=tuple(card.id for card in manifest.cards),
            metrics=finite(manifest.metrics),
            parent_id=sha256_to_id.get(manifest.parent_sha256),
        )

    def _fit(self, version: PolicyVersion) -> tuple[str, ...]:
        """What an operator should know before the version serves here; raises ArtifactRefused where it cannot."""
        if self._encoder_name not in (None, version.encoder):
            raise ArtifactRefused(
                f"Router {version.id!r} was trained with encoder {version.encoder!r};"
                f" the service has {self._encoder_name!r}.",
                hint="Set `encoder` in the settings, or train again with the service's one.",
            )
        return self._coverage(version)

    def _coverage(self, version: PolicyVersion) -> tuple[str, ...]:
        if not set(version.candidates) & set(self._candidates):
            raise ArtifactRefused(
                f"Router {version.id!r} knows none of the service's candidates"
                f" ({', '.join(self._candidates) or 'there are none'}); it knows: {', '.join(version.candidates)}.",
                hint="Train it on outcomes of the service's candidates, or name the candidates alike in the settings.",
            )
        return self._coverage_told(version)

    def _coverage_told(self, version: PolicyVersion) -> tuple[str, ...]:
        unknown = [each for each in self._candidates if each not in version.candidates]
        if not unknown:
            return ()
        return (
            f"it does not know {len(unknown)} of the service's {len(self._candidates)} candidates:"
            f" {', '.join(unknown)}; teach it: antroute routers adapt",
        )


def _read(folder: Path) -> _Folder:
    files = read_files(folder)
    return _Folder(name=folder.resolve().name, files=files, artifact=loads(files, where=str(folder)))


def gate_problem(version: PolicyVersion) -> str | None:
    """Why the version may not be promoted, with the figures; None: it passed its gate at training."""
    gate = version.metrics.get("gate")
    if not isinstance(gate, Mapping):
        return "It has no gate: it was never compared with kNN and the best single candidate on dev queries."
    if gate.get("is_passed") is True:
        return None
    return str(gate.get("reason") or f"Its gate was not passed: {dict(gate)}.")


def finite(value: Any) -> Any:
    """The JSON value with None for every figure that is not finite: those that the data did not allow."""
    if isinstance(value, Mapping):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
