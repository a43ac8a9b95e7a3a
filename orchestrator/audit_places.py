"""Which place outside the settings name: a file, a folder, an object store, or none."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.audit_outside import FileOutside, FolderOutside, Outside
from orchestrator.audit_settings import AUTO

if TYPE_CHECKING:
    from orchestrator.settings import Settings

SQLITE = "sqlite:///"


def outside_of(settings: Settings) -> Outside | None:
    """What the settings name; None: nothing. Raises SettingsInvalid for a URL that needs what is not installed."""
    return opened_outside(settings.audit.outside, store_url=settings.store_url)


def opened_outside(place: str, *, store_url: str) -> Outside | None:
    if place == AUTO:
        path = _beside(store_url)
        return None if path is None else FileOutside(path)
    if "://" in place:
        from orchestrator.audit_objects import ObjectsOutside

        return ObjectsOutside(place)
    if not place:
        return None
    is_folder = place.endswith(("/", os.sep)) or Path(place).is_dir()
    return FolderOutside(Path(place)) if is_folder else FileOutside(Path(place))


def _beside(store_url: str) -> Path | None:
    if store_url == "memory:":
        return None
    if store_url.startswith(SQLITE):
        file = Path(store_url.removeprefix(SQLITE).partition("?")[0])
        return file.with_name(f"{file.name}.checkpoints.jsonl")
    from platformdirs import user_data_path

    return (
        user_data_path("antroute")
        / "checkpoints"
        / f"{sha256(_without_login(store_url).encode()).hexdigest()[:16]}.jsonl"
    )


def _without_login(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
