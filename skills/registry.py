"""Library name to `module:Class`; nothing is imported until named."""

from __future__ import annotations

from importlib import import_module

from skills.base import SkillLibrary
from skills.errors import SkillError
from skills.names import did_you_mean

LIBRARIES = {
    "builtin": "skills.libraries.builtin:BuiltinLibrary",
    "markdown": "skills.libraries.markdown:MarkdownLibrary",
}


def make_library(name: str, **options: object) -> SkillLibrary:
    """The library of this name. Raises SkillError for an unknown name and for options that it does not take."""
    if name not in LIBRARIES:
        raise SkillError(f"No library {name!r}; {did_you_mean(name, LIBRARIES)}.")
    module, _, attribute = LIBRARIES[name].partition(":")
    factory = getattr(import_module(module), attribute)
    try:
        library = factory(**options)
    except TypeError as exc:
        raise SkillError(f"Library {name!r} does not take these options: {exc}.") from exc
    if not isinstance(library, SkillLibrary):
        raise SkillError(f"{LIBRARIES[name]!r} made a {type(library).__name__}, not a SkillLibrary.")
    return library
