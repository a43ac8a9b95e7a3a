"""Reads the front matter of a markdown file that nobody vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import frontmatter
from frontmatter.default_handlers import YAMLHandler

from skills.errors import SkillRefused
from skills.libraries.bounded_yaml import load_yaml

MAX_FRONT_MATTER_CHARACTERS = 16_384


class _BoundedYAML(YAMLHandler):
    """Short YAML, few levels, no aliases."""

    def load(self, fm: str, **kwargs: object) -> Any:
        if len(fm) > MAX_FRONT_MATTER_CHARACTERS:
            raise SkillRefused(f"The front matter has more than {MAX_FRONT_MATTER_CHARACTERS} characters.")
        return load_yaml(fm)


def read_front_matter(content: bytes) -> tuple[Mapping[str, object], str]:
    """Metadata and body. Raises SkillRefused with a reason that the file's author can act on."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise SkillRefused(f"The file is not UTF-8: {exc.reason} at byte {exc.start}.") from exc
    if "\0" in text:
        raise SkillRefused(f"The file is binary: it holds a NUL character at {text.index(chr(0))}.")
    if not text.lstrip().startswith("---"):
        raise SkillRefused("The file does not begin with front matter between two lines of '---'.")
    try:
        metadata, body = frontmatter.parse(text, handler=_BoundedYAML())
    except (ValueError, RecursionError) as exc:
        raise SkillRefused(f"The front matter is not YAML: {' '.join(str(exc).split())[:200]}.") from exc
    if not metadata or not isinstance(metadata, Mapping):
        raise SkillRefused("The front matter is empty or not closed by a line of '---'.")
    return metadata, body
