"""Names of libraries and of sources of skills to `module:Class`; nothing is imported until named."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from skills.base import SkillLibrary
from skills.errors import SkillError
from skills.names import did_you_mean

if TYPE_CHECKING:
    from skills.libraries.source import SkillSource

# What agents list and call.
LIBRARIES: Final = {
    "builtin": "skills.libraries.builtin:BuiltinLibrary",
    "markdown": "skills.libraries.markdown:MarkdownLibrary",
    "mcp": "skills.libraries.mcp:McpLibrary",
    "openapi": "skills.libraries.openapi:OpenApiLibrary",
    "python": "skills.libraries.python:PythonLibrary",
}
# What is read into the catalogue.
SOURCES: Final = {
    "builtin": "skills.libraries.builtin:BuiltinLibrary",
    "folder": "skills.libraries.folder:FolderSource",
    "git": "skills.libraries.git_checkout:GitSource",
    "mcp": "skills.libraries.mcp:McpLibrary",
    "openapi": "skills.libraries.openapi:OpenApiLibrary",
    "pool": "skills.libraries.pool:PoolSource",
    "python": "skills.libraries.python:PythonLibrary",
}
POOL_ENDINGS = (".jsonl", ".jsonl.gz")
DOCUMENT_ENDINGS = (".json", ".yaml", ".yml")


def make_library(name: str, /, **options: object) -> SkillLibrary:
    """The library of this name. Raises SkillError for an unknown name and for options that it does not take."""
    library = _made("library", name, LIBRARIES, options)
    if not isinstance(library, SkillLibrary):
        raise SkillError(f"{LIBRARIES[name]!r} made a {type(library).__name__}, not a SkillLibrary.")
    return library


def make_source(name: str, /, **options: object) -> SkillSource:
    """The source of this name. Raises SkillError for an unknown name and for options that it does not take."""
    from skills.libraries.source import SkillSource

    source = _made("source of skills", name, SOURCES, options)
    if not isinstance(source, SkillSource):
        raise SkillError(f"{SOURCES[name]!r} made a {type(source).__name__}, not a SkillSource.")
    return source


def source_kind(source: str) -> str:
    """Which source a person means by a path or URL: folder, pool, openapi or git. Raises SkillError."""
    path = urlsplit(source).path if "://" in source else source
    if "://" not in source and Path(source).is_dir():
        return "folder"
    if path.endswith(POOL_ENDINGS):
        return "pool"
    if path.endswith(DOCUMENT_ENDINGS):
        return "openapi"
    if "://" in source or (source.partition(":")[2] and "@" in source.partition(":")[0]):
        return "git"
    raise SkillError(
        f"{source!r:.200} is no folder, no pool ({', '.join(POOL_ENDINGS)}), no OpenAPI document"
        f" ({', '.join(DOCUMENT_ENDINGS)}) and no URL of a repository."
    )


def _made(what: str, name: str, names: Mapping[str, str], options: Mapping[str, object]) -> object:
    if name not in names:
        raise SkillError(f"No {what} {name!r}; {did_you_mean(name, names)}.")
    module, _, attribute = names[name].partition(":")
    factory = getattr(import_module(module), attribute)
    try:
        return factory(**options)
    except TypeError as exc:
        raise SkillError(f"The {what} {name!r} does not take these options: {exc}.") from exc
