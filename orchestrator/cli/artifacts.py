"""What the offline commands share: where a trained thing may be put, and the encoder that it was trained with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skills.encoder import Encoder


def check_target(folder: Path) -> None:
    """Before the work: the folder to be made is new, empty, or an older router's. Raises InvalidInput."""
    from routing.artifacts import MANIFEST_FILE, WEIGHTS_FILE
    from storage.errors import InvalidInput

    if folder.exists() and (
        not folder.is_dir() or any(path.name not in (MANIFEST_FILE, WEIGHTS_FILE) for path in folder.iterdir())
    ):
        raise InvalidInput(f"{str(folder)!r} holds other files; name a new or empty folder.", field="out")


def encoder_named(name: str) -> Encoder:
    """The encoder of this exact name, or the one that loads: whoever loads an artefact refuses a wrong one."""
    from orchestrator.settings import load_settings
    from routing.encoders.hashing import HashingEncoder
    from routing.registry import HUB_PREFIX, make_encoder

    hashing = HashingEncoder()
    if hashing.name == name:
        return hashing
    return make_encoder(name if name.startswith(HUB_PREFIX) else "auto", cache_dir=load_settings().encoder_dir)
