"""Reads folders with a SKILL.md: text for a model to read; the files beside it are listed, never opened."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from skills.base import Provenance, Skill
from skills.errors import SkillError, SkillRefused
from skills.libraries.fields import (
    MAX_BODY_BYTES,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_ID_CHARACTERS,
    MAX_LINE_CHARACTERS,
    checked_line,
)
from skills.libraries.front_matter import read_front_matter
from skills.libraries.git_commit import Checkout, checkout_around
from skills.libraries.source import Reading, Refused, SkillSource

SKILL_FILE = "SKILL.md"
MAX_FILE_BYTES = MAX_BODY_BYTES
MAX_NAME_CHARACTERS = 64
MAX_RESOURCES = 100  # listed a skill
SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", ".tox", ".venv", "__pycache__", "node_modules"})


class FolderSource(SkillSource):
    """All skills below a folder; each has the id `name/path/of/its/folder`, and names may repeat."""

    def __init__(self, *, folder: str | Path, name: str = "", max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self.folder = Path(folder)
        self.name = name or self.folder.resolve().name
        self.max_file_bytes = max_file_bytes

    async def read(self) -> Reading:
        return await asyncio.to_thread(lambda: Reading.of(read_folder(self)))


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a skill's folder lies."""

    root: Path  # resolved
    folder: Path  # as it was named
    library: str
    checkout: Checkout | None

    @property
    def path(self) -> str:
        return self.folder.resolve().relative_to(self.root).as_posix()

    @property
    def skill_id(self) -> str:
        return self.library if self.path == "." else f"{self.library}/{self.path}"

    @property
    def source(self) -> str:
        if self.checkout is None:
            return str(self.folder)
        path = (self.folder.resolve() / SKILL_FILE).relative_to(self.checkout.root).as_posix()
        return f"{self.checkout.repository}@{self.checkout.commit}:{path}"


def read_folder(source: FolderSource, *, repository: str = "") -> Iterator[Skill | Refused]:
    """In the order of the paths. `repository`: what the checkout is called; default: its folder.

    Raises SkillError where there is no such folder.
    """
    root = source.folder
    if not root.is_dir():
        raise SkillError(f"No folder {str(root)!r}; name one that holds folders with a {SKILL_FILE}.")
    checkout = checkout_around(root, repository=repository)
    for item in _skill_folders(root):
        if isinstance(item, Refused):
            yield item
            continue
        place = _Place(root=root.resolve(), folder=item, library=source.name, checkout=checkout)
        try:
            yield _skill(place, source.max_file_bytes)
        except (SkillError, OSError) as exc:
            yield Refused(where=str(item), reason=str(exc))


def _skill(place: _Place, max_bytes: int) -> Skill:
    content = _read_inside(place.folder / SKILL_FILE, place.root, max_bytes)
    metadata, body = read_front_matter(content)
    license_name = metadata.get("license", metadata.get("licence", ""))
    return Skill(
        id=checked_line(place.skill_id, "path", limit=MAX_ID_CHARACTERS),
        name=_checked_name(metadata.get("name")),
        description=_checked_description(metadata.get("description")),
        provenance=Provenance(
            source=place.source,
            sha256=sha256(content).hexdigest(),
            license=" ".join(license_name.split())[:MAX_LINE_CHARACTERS] if isinstance(license_name, str) else "",
        ),
        body=body,
        resources=_resources(place.folder),
    )


def _skill_folders(root: Path) -> Iterator[Path | Refused]:
    """Folders with a SKILL.md, in order; symbolic links are never followed."""

    def told(error: OSError) -> None:
        reason = f"The folder cannot be read: {error.strerror}."
        unreadable.append(Refused(where=str(error.filename), reason=reason, ends=True))

    unreadable: list[Refused] = []
    for parent, folders, files in os.walk(root, followlinks=False, onerror=told):
        for name in sorted(folders):
            linked = Path(parent, name)
            if linked.is_symlink() and (linked / SKILL_FILE).exists():
                yield Refused(where=str(linked), reason=f"It is a symbolic link to {linked.resolve()}.")
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        if SKILL_FILE in files:
            yield Path(parent)
    yield from unreadable


def _read_inside(path: Path, root: Path, max_bytes: int) -> bytes:
    """The file's bytes, if it lies within `root` and is a plain file of at most `max_bytes`."""
    resolved = Path(os.path.realpath(path, strict=True))  # a loop of links is an OSError here
    if not resolved.is_relative_to(root):
        raise SkillRefused(f"{SKILL_FILE} leads outside the library, to {str(resolved)!r}.")
    if not resolved.is_file():
        raise SkillRefused(f"{SKILL_FILE} is not a plain file.")
    with resolved.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise SkillRefused(f"{SKILL_FILE} has more than {max_bytes} bytes.")
    return content


def _checked_name(name: object) -> str:
    if name is None:
        raise SkillRefused("The front matter has no name.")
    if not isinstance(name, str) or name.startswith((".", "/")) or "../" in name:
        raise SkillRefused(f"The name {name!r:.80} is not a name in words.")
    return checked_line(name, "name", limit=MAX_NAME_CHARACTERS)


def _checked_description(description: object) -> str:
    if not isinstance(description, str) or not description.strip():
        raise SkillRefused("The front matter has no description in words.")
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        raise SkillRefused(f"The description has more than {MAX_DESCRIPTION_CHARACTERS} characters.")
    return " ".join(description.split())


def _resources(folder: Path) -> tuple[str, ...]:
    """Paths of the other files of the folder, without opening any; folders of other skills are not looked into."""
    found: list[str] = []
    for parent, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not Path(parent, name, SKILL_FILE).exists()
        )
        found += [Path(parent, name).relative_to(folder).as_posix() for name in sorted(files) if name != SKILL_FILE]
        if len(found) >= MAX_RESOURCES:
            break
    return tuple(found[:MAX_RESOURCES])
