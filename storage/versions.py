"""The registry of router versions as the log tells it: who stands where, and which moves are allowed. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from storage.canonical import checked_id
from storage.errors import InvalidInput, LogCorrupt, RecordNotFound, VersionConflict
from storage.records import new_id, utc_now
from storage.version_records import PolicyVersion, ServingVersions, VersionMove, VersionState

MOST_ARTIFACT_BYTES = 64 * 2**20  # all files of one artefact together
ALLOWED: Mapping[VersionState, tuple[VersionState, ...]] = {
    "candidate": ("shadow", "active", "retired"),
    "shadow": ("candidate", "active", "retired"),
    "active": ("retired",),
    "retired": ("shadow", "active"),
}


@dataclass(frozen=True, kw_only=True)
class VersionHistory:
    """Every version in its present state, in the order of registration, and every move in the order of the log."""

    versions: Mapping[str, PolicyVersion]
    moves: tuple[VersionMove, ...]

    @classmethod
    def of(cls, registered: Iterable[PolicyVersion], moves: Iterable[VersionMove]) -> VersionHistory:
        """Raises LogCorrupt for a move of a version that was never registered."""
        return cls(versions={version.id: version for version in registered}, moves=()).after(moves)

    def after(self, moves: Iterable[VersionMove]) -> VersionHistory:
        versions, done = dict(self.versions), tuple(moves)
        for move in done:
            if move.version_id not in versions:
                raise LogCorrupt(f"The log moves {move.version_id!r}, which it never registered.")
            moved = versions[move.version_id]
            versions[moved.id] = replace(moved, state=move.to_state, reason=move.reason, changed_at=move.moved_at)
        return VersionHistory(versions=versions, moves=(*self.moves, *done))

    @property
    def serving(self) -> ServingVersions:
        return serving_after(self.moves[-1] if self.moves else None)

    def one(self, wanted: str) -> PolicyVersion:
        """The version of this id, or of this beginning of one (with or without its prefix).

        Raises RecordNotFound, and InvalidInput where several begin so.
        """
        checked_id(wanted, "version_id")
        if wanted in self.versions:
            return self.versions[wanted]
        found = [id for id in self.versions if wanted and (id.startswith(wanted) or _bare(id).startswith(wanted))]
        if not found:
            raise RecordNotFound(f"No router version {wanted!r}.", hint="`antroute routers list` shows them.")
        if len(found) > 1:
            raise InvalidInput(f"{wanted!r} fits {', '.join(found)}; give more of the id.", field="version_id")
        return self.versions[found[0]]

    def of_artifact(self, artifact_sha256: str) -> PolicyVersion | None:
        return next((each for each in self.versions.values() if each.artifact_sha256 == artifact_sha256), None)

    def moves_of(self, version_id: str) -> tuple[VersionMove, ...]:
        return tuple(move for move in self.moves if move.version_id == version_id)

    def moves_to(self, move: Move) -> tuple[VersionMove, ...]:
        """What the move comes to, whoever has to make room first. Raises VersionConflict, RecordNotFound."""
        self._ensure_seen(move.expected)
        version = self.one(move.version_id)
        if version.state == move.to_state:
            raise VersionConflict(f"Router {version.id!r} is {version.state} already.")
        if move.to_state not in ALLOWED[version.state]:
            allowed = ", ".join(ALLOWED[version.state])
            raise VersionConflict(f"Router {version.id!r} is {version.state}; from there it can become: {allowed}.")
        return self._with_room(version, move)

    def rollback(self, move: Rollback) -> tuple[VersionMove, ...]:
        """The moves that bring back the version that was active before. Raises VersionConflict where none was."""
        self._ensure_seen(move.expected)
        earlier = self._active_in_turn()
        if earlier and earlier[-1] == self.serving.active_id:
            earlier.pop()
        if not earlier:
            raise VersionConflict(
                "No router was active before; there is nothing to go back to.",
                hint="To choose without a trained router: antroute routers retire ID",
            )
        back = Move(id=move.id, version_id=earlier[-1], to_state="active", reason=move.reason, is_rollback=True)
        return self._with_room(self.versions[earlier[-1]], back)

    def _ensure_seen(self, expected: ServingVersions | None) -> None:
        if expected not in (None, self.serving):
            last = self.moves[-1]
            raise VersionConflict(
                f"Somebody was faster: {last.version_id!r} has become {last.to_state} ({last.reason or 'no reason'})."
            )

    def _with_room(self, version: PolicyVersion, move: Move) -> tuple[VersionMove, ...]:
        """The move, after the one that frees its place: the former active is retired, the former shadow waits again."""
        serving, moves = self.serving, list[VersionMove]()
        holder = {"active": serving.active_id, "shadow": serving.shadow_id}.get(move.to_state)
        if holder is not None:
            freed = Move(
                id=new_id("move"),
                version_id=holder,
                to_state="retired" if move.to_state == "active" else "candidate",
                reason=f"replaced by {version.id}",
            )
            moves.append(self._made(self.versions[holder], freed, serving))
            serving = serving_after(moves[-1])
        return (*moves, self._made(version, move, serving))

    def _made(self, version: PolicyVersion, move: Move, serving: ServingVersions) -> VersionMove:
        active_id = None if serving.active_id == version.id else serving.active_id
        shadow_id = None if serving.shadow_id == version.id else serving.shadow_id
        return VersionMove(
            id=move.id,
            version_id=version.id,
            from_state=version.state,
            to_state=move.to_state,
            reason=move.reason,
            active_id=version.id if move.to_state == "active" else active_id,
            shadow_id=version.id if move.to_state == "shadow" else shadow_id,
            is_forced=move.is_forced,
            is_rollback=move.is_rollback,
            moved_at=utc_now(),
        )

    def _active_in_turn(self) -> list[str]:
        """Versions that were active, oldest first; a rollback takes back the promotions after the one it returns to."""
        turn: list[str] = []
        for move in self.moves:
            if move.to_state != "active":
                continue
            while move.is_rollback and turn and turn[-1] != move.version_id:
                turn.pop()
            if not turn or turn[-1] != move.version_id:
                turn.append(move.version_id)
        return turn


@dataclass(frozen=True, kw_only=True)
class Move:
    """A wished change of state. `expected`: what the caller saw serving; None: whatever serves."""

    version_id: str
    to_state: VersionState
    reason: str
    expected: ServingVersions | None = None
    is_forced: bool = False
    is_rollback: bool = False
    id: str


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """A wished return to the version that was active before."""

    reason: str
    expected: ServingVersions | None = None
    id: str


def serving_after(move: VersionMove | None) -> ServingVersions:
    """Who serves after the newest move; None: nothing was ever moved."""
    if move is None:
        return ServingVersions()
    return ServingVersions(active_id=move.active_id, shadow_id=move.shadow_id, last_move_id=move.id)


def checked_version(version: PolicyVersion, files: Mapping[str, bytes]) -> PolicyVersion:
    """The version as it is registered, with the digests of its files. Raises InvalidInput."""
    for name, value in (("id", version.id), ("artifact_sha256", version.artifact_sha256)):
        if not checked_id(value, name):
            raise InvalidInput(f"The version's `{name}` is empty.", field=name)
    size = sum(map(len, files.values()))
    if not files or size > MOST_ARTIFACT_BYTES:
        raise InvalidInput(
            f"The router has {len(files)} files of {size} bytes; at least one, and at most {MOST_ARTIFACT_BYTES} bytes"
            " are taken.",
            field="files",
        )
    digests = {checked_id(name, "file"): sha256(content).hexdigest() for name, content in files.items()}
    return replace(version, state="candidate", changed_at=version.registered_at, file_to_sha256=digests)


def checked_files(version: PolicyVersion, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files, if they are what was registered. Raises LogCorrupt."""
    for name, digest in version.file_to_sha256.items():
        if name not in files or sha256(files[name]).hexdigest() != digest:
            what = "was changed" if name in files else "is missing"
            raise LogCorrupt(
                f"File {name!r} of router {version.id!r} {what}: it is not what was registered.",
                hint="Restore the database, or register the router's folder in a new one.",
            )
    return {name: files[name] for name in version.file_to_sha256}


def ensure_free(version: PolicyVersion, known: Sequence[str]) -> None:
    """Raises InvalidInput where another artefact has this id."""
    if version.id in known:
        raise InvalidInput(f"Router version {version.id!r} is another artefact's id; use a new one.", field="id")


def _bare(version_id: str) -> str:
    return version_id.rpartition("_")[2]
