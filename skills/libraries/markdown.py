"""The SKILL.md folders below one folder as a library: their texts are read under their names, never run."""

from __future__ import annotations

from pathlib import Path

from skills.base import Skill
from skills.libraries.folder import MAX_FILE_BYTES, FolderSource, read_folder
from skills.libraries.source import Refused
from skills.wrappers import TextLibrary


class MarkdownLibrary(TextLibrary):
    """Reads all folders below `folder` once, when made; those it cannot offer stand in `refused`.

    Candidates name these skills, so a name means one skill: the first one; the catalogue takes them all.
    """

    def __init__(self, *, folder: str | Path, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        """Raises SkillError where there is no such folder."""
        name_to_skill: dict[str, Skill] = {}
        refused: list[Refused] = []
        for item in read_folder(FolderSource(folder=folder, max_file_bytes=max_file_bytes)):
            if isinstance(item, Refused):
                refused.append(item)
            elif item.name in name_to_skill:
                first = name_to_skill[item.name].provenance.source
                reason = f"The name {item.name!r} is taken by {first!r}; the first one counts."
                refused.append(Refused(where=item.provenance.source, reason=reason))
            else:
                name_to_skill[item.name] = item
        super().__init__(name_to_skill.values())
        self.refused = tuple(refused)
