"""The file of an index's groups, beside its generations: readable JSON, checked by its own digest."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from skills.errors import IndexRefused
from skills.groups.base import Group, SkillGroups

GROUPS_FILE = "groups.json"
FORMAT = 1
AGAIN = "Group the skills again: antroute skills groups --again"


def write_groups(folder: Path, groups: SkillGroups) -> Path:
    """Exchanges the file at once: a reader has the former one or this one. Raises IndexRefused."""
    body = {
        "format": FORMAT,
        "encoder": groups.encoder,
        "content_sha256": groups.content_sha256,
        "dimension": int(groups.centroids.shape[1]),
        "groups": [_plain(group) for group in groups.groups],
        "centroids": base64.b64encode(groups.centroids.astype("<f2").tobytes()).decode(),  # (groups, dimension)
    }
    path, temporary = folder / GROUPS_FILE, folder / f".new-{os.getpid()}-{GROUPS_FILE}"
    try:
        temporary.write_text(json.dumps({**body, "sha256": _digest(body)}, indent=1), encoding="ascii")
        os.replace(temporary, path)
    except OSError as exc:
        raise IndexRefused(
            f"{str(path)!r} cannot be written: {exc}.", hint="Make room, or correct the folder."
        ) from exc
    return path


def read_groups(folder: Path) -> SkillGroups | None:
    """None where no groups were made yet. Raises IndexRefused where the file is not as it was written."""
    path = folder / GROUPS_FILE
    try:
        body = json.loads(path.read_bytes())
        if body["format"] != FORMAT or body.pop("sha256") != _digest(body):
            raise ValueError(f"it is not of format {FORMAT}, or was changed since it was written")
        return _groups(body)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise IndexRefused(f"{str(path)!r} cannot be read: {exc}.") from exc
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, binascii.Error) as exc:
        raise IndexRefused(f"{str(path)!r} holds no groups: {exc}.", hint=AGAIN) from exc


def _plain(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "description": group.description,
        "terms": list(group.terms),
        "parent": group.parent,
        "skill_ids": list(group.skill_ids),
    }


def _groups(body: Mapping[str, Any]) -> SkillGroups:
    groups = []
    for place, plain in enumerate(body["groups"]):
        parent = plain["parent"]
        if parent is not None and not 0 <= parent < place:
            raise ValueError(f"group {plain['name']!r} stands below {parent!r}, which does not come before it")
        groups.append(
            Group(
                name=plain["name"],
                description=plain["description"],
                terms=tuple(plain["terms"]),
                parent=parent,
                skill_ids=tuple(plain["skill_ids"]),
            )
        )
    halves = np.frombuffer(base64.b64decode(body["centroids"], validate=True), dtype="<f2")
    return SkillGroups(
        groups=tuple(groups),
        centroids=halves.astype(np.float32).reshape(len(groups), body["dimension"]),
        encoder=body["encoder"],
        content_sha256=body["content_sha256"],
    )


def _digest(body: Mapping[str, Any]) -> str:
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
