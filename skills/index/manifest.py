"""What an index says of itself, and whether the files beside it are those it speaks of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from skills.errors import IndexRefused
from skills.index.settings import IndexSettings
from skills.ranking.base import FIELDS, FieldName
from storage.errors import InvalidInput
from storage.vectors.faiss_index import VectorIndexReport

FORMAT = 2  # of the folder
MANIFEST_FILE = "manifest.json"
REBUILD = "Build it again with `antroute skills index`."


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    size: int  # bytes
    sha256: str


@dataclass(frozen=True, kw_only=True)
class SegmentEntry:
    """One folder of skills."""

    name: str
    rows: int
    search: VectorIndexReport
    files: Mapping[str, FileEntry]
    removed: tuple[int, ...] = ()  # rows that are no longer found


@dataclass(frozen=True, kw_only=True)
class RankerEntry:
    sha256: str
    files: Mapping[str, FileEntry]


@dataclass(frozen=True, kw_only=True)
class IndexManifest:
    """Everything that a search depends on."""

    encoder: str
    dimension: int
    settings: IndexSettings
    skills: int  # that can be found
    averages: Mapping[FieldName, float]  # terms a field, that lengths are compared with
    segments: tuple[SegmentEntry, ...]
    content_sha256: str  # the same skills and settings have the same, however they came here
    built_at: str
    seconds: Mapping[str, float] = field(default_factory=dict)  # of the last build, by what it did
    ranker: RankerEntry | None = None
    learned: FileEntry | None = None  # the vectors of the ranker's learned words, one a row
    learned_words: str = ""  # the words' digest
    code_version: str = ""

    def to_bytes(self) -> bytes:
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n").encode()


def content_digest(documents: Iterable[tuple[str, str]], settings: IndexSettings, encoder: str) -> str:
    """`documents`: ids with their lines' digests, in any order."""
    content = [FORMAT, encoder, asdict(settings), sorted(documents)]
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        digest = sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def entry_of(content: bytes) -> FileEntry:
    return FileEntry(size=len(content), sha256=sha256(content).hexdigest())


def entries(folder: Path) -> dict[str, FileEntry]:
    """Every file of the folder. Raises OSError."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return {path.name: FileEntry(size=path.stat().st_size, sha256=file_sha256(path)) for path in paths}


def read_manifest(generation: Path) -> tuple[IndexManifest, str]:
    """The manifest and the digest of its file. Raises IndexRefused, FileNotFoundError."""
    path = generation / MANIFEST_FILE
    content = path.read_bytes()
    try:
        body = json.loads(content)
        version = body["format"]
    except (ValueError, LookupError, TypeError, RecursionError) as exc:
        raise IndexRefused(f"{str(path)!r} is no manifest of an index: {exc!r}.", hint=REBUILD) from exc
    if version != FORMAT:
        raise IndexRefused(
            f"The index in {str(generation)!r} is of format {version!r}; this version of antroute reads {FORMAT}.",
            hint="Use the version that built it, or build it again.",
        )
    try:
        return _manifest(body), sha256(content).hexdigest()
    except (LookupError, TypeError, ValueError, AttributeError, InvalidInput) as exc:
        raise IndexRefused(f"{str(path)!r} holds something wrong: {exc!r}.", hint=REBUILD) from exc


def check_files(folder: Path, files: Mapping[str, FileEntry], *, with_digests: bool) -> None:
    """Raises IndexRefused where one is missing, of another size or, if asked for, of other content."""
    for name, entry in files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size == entry.size and (not with_digests or file_sha256(path) == entry.sha256):
                continue
        except OSError as exc:
            raise IndexRefused(f"The index lacks {str(path)!r}: {exc}.", hint=REBUILD) from exc
        wrong = (
            f"{size} bytes instead of {entry.size}" if size != entry.size else "another content than it was built with"
        )
        raise IndexRefused(f"{str(path)!r} has {wrong}.", hint=REBUILD)


def _manifest(body: Mapping[str, Any]) -> IndexManifest:
    ranker = body["ranker"]
    return IndexManifest(
        encoder=str(body["encoder"]),
        dimension=int(body["dimension"]),
        settings=IndexSettings(**body["settings"]),
        skills=int(body["skills"]),
        averages={name: float(body["averages"][name]) for name in FIELDS},
        segments=tuple(_segment(entry) for entry in body["segments"]),
        content_sha256=str(body["content_sha256"]),
        built_at=str(body["built_at"]),
        seconds=body["seconds"],
        ranker=None if ranker is None else RankerEntry(sha256=str(ranker["sha256"]), files=_files(ranker["files"])),
        learned=None if body["learned"] is None else _files({"": body["learned"]})[""],
        learned_words=str(body["learned_words"]),
        code_version=str(body["code_version"]),
    )


def _segment(entry: Mapping[str, Any]) -> SegmentEntry:
    name = str(entry["name"])
    if Path(name).name != name:
        raise ValueError(f"segment {name!r} is not a folder's plain name")
    return SegmentEntry(
        name=name,
        rows=int(entry["rows"]),
        search=VectorIndexReport(**entry["search"]),
        files=_files(entry["files"]),
        removed=tuple(map(int, entry["removed"])),
    )


def _files(value: Mapping[str, Any]) -> dict[str, FileEntry]:
    if any(Path(name).name != name for name in value):
        raise ValueError(f"files are plain names; here are {sorted(value)!r:.80}")
    return {name: FileEntry(size=int(entry["size"]), sha256=str(entry["sha256"])) for name, entry in value.items()}
