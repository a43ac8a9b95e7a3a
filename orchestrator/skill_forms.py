"""A skill as the catalogue keeps it, and back."""

from __future__ import annotations

from skills.base import Provenance, Skill, content_sha256
from storage.skill_records import SkillVersion


def version_of(skill: Skill, *, library: str) -> SkillVersion:
    """The skill as the catalogue keeps it."""
    return SkillVersion(
        skill_id=skill.skill_id,
        name=skill.name,
        description=skill.description,
        sha256=content_sha256(skill),
        source=skill.provenance.source,
        library=library,
        kind=skill.kind,
        body=skill.body,
        parameters=skill.parameters,
        license=skill.provenance.license,
        resources=skill.resources,
    )


def skill_of(version: SkillVersion) -> Skill:
    """The catalogued text as an index and a scan read it."""
    return Skill(
        id=version.skill_id,
        name=version.name,
        description=version.description,
        provenance=Provenance(source=version.source, sha256=version.sha256, license=version.license),
        kind=version.kind,
        body=version.body,
        parameters=version.parameters,
        resources=version.resources,
    )
