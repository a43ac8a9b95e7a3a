"""Where skills were added from: a source by what a person calls it, and the list that `update` reads again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from orchestrator.settings import Settings
from orchestrator.skill_libraries import mcp_library, openapi_library
from skills.errors import SkillError
from skills.libraries.source import SkillSource
from skills.names import did_you_mean
from skills.registry import make_source, source_kind
from storage.errors import InvalidInput

SourceKind = Literal["folder", "git", "pool", "openapi", "mcp"]
SOURCES_FILE = "sources.json"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class KnownSource:
    """A source as it was named."""

    library: str
    kind: SourceKind
    location: str  # a folder or file with its whole path, a URL, or the name of a server in the settings


def known_source(settings: Settings, source: str, *, name: str = "", kind: SourceKind | None = None) -> KnownSource:
    """What a person means by a path, a URL, or the name of a server or document in the settings.

    Raises SkillError where it is none of these.
    """
    if source in settings.skills.mcp and kind in (None, "mcp"):
        return _named_in_settings(source, name, "mcp")
    if source in settings.skills.openapi and kind in (None, "openapi"):
        return _named_in_settings(source, name, "openapi")
    if kind == "mcp":
        raise SkillError(
            f"No MCP server {source!r} in the settings; {did_you_mean(source, settings.skills.mcp)}.",
            hint="Servers are started from the settings alone: add it under skills.mcp.",
        )
    found = kind or _kind(source_kind(source))
    location = source if found == "git" or "://" in source else str(Path(source).resolve())
    library = name or opened_source(settings, KnownSource(library="", kind=found, location=location)).name
    return KnownSource(library=library, kind=found, location=location)


def opened_source(settings: Settings, source: KnownSource) -> SkillSource:
    """Ready to be read. Raises SkillError."""
    name, location = source.library, source.location
    match source.kind:
        case "mcp":
            return _as_source(mcp_library(location, _of(settings.skills.mcp, location, "MCP server")))
        case "openapi" if location in settings.skills.openapi:
            return _as_source(openapi_library(location, settings.skills.openapi[location]))
        case "openapi":
            return make_source("openapi", document=location, name=name)
        case "git":
            return make_source("git", url=location, name=name, cache_dir=settings.cache_dir)
        case "pool":
            return make_source("pool", path=location, name=name)
        case "folder":
            return make_source("folder", folder=location, name=name)


class KnownSources:
    """All of a catalogue, by library, in a file beside its index."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / SOURCES_FILE

    def read(self) -> dict[str, KnownSource]:
        """Raises InvalidInput where the file is not as it was written."""
        try:
            plain = json.loads(self.path.read_bytes())
            sources = [KnownSource(**{**each, "kind": _kind(each["kind"])}) for each in plain]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, LookupError, TypeError, SkillError) as exc:
            raise InvalidInput(
                f"{str(self.path)!r} cannot be read: {exc}.", field="sources", hint="Remove it, then add them again."
            ) from exc
        return {source.library: source for source in sources}

    def one(self, library: str) -> KnownSource:
        """Raises InvalidInput for a library that was not added from here."""
        known = self.read()
        if library not in known:
            raise InvalidInput(
                f"Nobody knows where the library {library!r} came from; {did_you_mean(library, known)}.",
                field="name",
                hint=f"Add it again: antroute skills add SOURCE --name {library}",
            )
        return known[library]

    def keep(self, source: KnownSource) -> None:
        """Raises InvalidInput."""
        self._write({**self.read(), source.library: source})

    def forget(self, library: str) -> None:
        """Raises InvalidInput."""
        known = self.read()
        if known.pop(library, None) is not None:
            self._write(known)

    def _write(self, sources: Mapping[str, KnownSource]) -> None:
        temporary = self.path.with_name(f".new-{os.getpid()}-{SOURCES_FILE}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps([asdict(sources[name]) for name in sorted(sources)], indent=1))
            os.replace(temporary, self.path)
        except OSError as exc:
            raise InvalidInput(f"{str(self.path)!r} cannot be written: {exc}.", field="index") from exc


def _kind(word: str) -> SourceKind:
    for kind in get_args(SourceKind):
        if kind == word:
            found: SourceKind = kind
            return found
    raise SkillError(f"No kind of source {word!r}; {did_you_mean(word, get_args(SourceKind))}.")


def _named_in_settings(source: str, name: str, kind: SourceKind) -> KnownSource:
    if name not in ("", source):
        raise SkillError(f"The library of {source!r} bears its name in the settings, not {name!r}.")
    return KnownSource(library=source, kind=kind, location=source)


def _as_source(library: object) -> SkillSource:
    if not isinstance(library, SkillSource):
        raise SkillError(f"A {type(library).__name__} cannot be read into the catalogue.")
    return library


def _of(name_to_settings: Mapping[str, T], name: str, what: str) -> T:
    if name not in name_to_settings:
        raise SkillError(f"No {what} {name!r} in the settings any more; {did_you_mean(name, name_to_settings)}.")
    return name_to_settings[name]
