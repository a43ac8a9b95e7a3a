"""The index of skills in its folder: opened with the encoder that built it, and brought up to date."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.settings import SkillSettings
from orchestrator.skill_index import Opening
from routing.registry import TUNED_PREFIX, choose_encoder
from skills.base import Skill
from skills.encoder import Encoder
from skills.errors import IndexRefused, RankerRefused
from skills.progress import Progress
from storage.errors import ServiceError

if TYPE_CHECKING:
    from skills.index.building import IndexChange

DEFAULT_RANKER = "skills.ranking"  # the package in whose folder `default` lies the ranker that ships

log = logging.getLogger("antroute.skills")


class IndexFiles:
    """All of it blocks. `encoder`: routing's; `encoder_dir`: where encoders keep the files they made."""

    def __init__(self, settings: SkillSettings, *, encoder: Encoder, encoder_dir: Path) -> None:
        self._settings = settings
        self._shared = encoder
        self._encoder_dir = encoder_dir

    @cached_property
    def ranker(self) -> Path | None:
        """The folder of the ranker that an index is built with. Raises RankerRefused where it is not there."""
        chosen = self._settings.ranker
        if chosen == "none":
            return None
        if chosen == "default":
            return default_ranker()
        if not Path(chosen).is_dir():
            raise RankerRefused(
                f"There is no ranker in {str(chosen)!r}.",
                hint="Train one with `antroute skills train`, or correct `skills.ranker` in the settings.",
            )
        return Path(chosen)

    @cached_property
    def encoder(self) -> Encoder:
        """The one that an index is built with: the settings' one, else the ranker's own, else routing's.

        Raises EncoderUnavailable, ArtifactRefused, RankerRefused.
        """
        if self._settings.encoder is not None:
            return self._made(self._settings.encoder)
        if self.ranker is not None and _carries_encoder(self.ranker):
            return self._made(f"{TUNED_PREFIX}{self.ranker}")
        return self._shared

    def open(self, folder: Path) -> Opening:
        """The index as it lies there. A ranker that cannot be used is told, and retrieval serves alone.

        Raises IndexRefused, also where the encoder that built it is not here.
        """
        from skills.index.generations import current_generation
        from skills.index.index import SkillIndex
        from skills.ranking.ranker import load_ranker

        generation = current_generation(folder)
        encoder = self._encoder_of(folder)
        try:
            index = SkillIndex.open(
                folder, encoder=encoder, load_ranker=lambda place: load_ranker(place, encoder=encoder.name)
            )
        except RankerRefused as error:
            if current_generation(folder) != generation:  # a newer one has just taken its place, ranker and all
                return self.open(folder)
            told = f"the ranker of skills cannot be used, what is retrieved stays in its order: {error}"
            log.warning("%s", told)
            return Opening(index=SkillIndex.open(folder, encoder=encoder), notice=told)
        return Opening(index=index)

    def held(self, folder: Path) -> dict[str, str] | None:
        """Id to content digest of all that is in it; None: it has to be built anew, or with another ranker.

        Raises what choosing ranker and encoder raises.
        """
        from skills.index.manifest import entries
        from skills.index.opened import open_current
        from skills.index.settings import IndexSettings

        try:
            opened = open_current(folder, encoder=self.encoder, use_gpu=False)
        except IndexRefused:
            return None
        ranker = opened.manifest.ranker
        own = None if self.ranker is None else entries(self.ranker)
        if opened.settings != IndexSettings() or (None if ranker is None else dict(ranker.files)) != own:
            return None
        return {skill_id: opened.cards[row].sha256 for skill_id, row in opened.id_to_row.items()}

    def build(self, folder: Path, skills: Iterable[Skill], on_progress: Progress) -> str:
        """From all skills; what it holds of them is taken over. Says what it did. Raises IndexRefused."""
        from skills.index.building import build_index

        change = build_index(skills, folder, encoder=self.encoder, ranker=self.ranker, on_progress=on_progress)
        return _told(change)

    def update(self, folder: Path, put: Iterable[Skill], removed: Collection[str], on_progress: Progress) -> str:
        """Only these. Says what it did. Raises IndexRefused."""
        from skills.index.building import update_index

        return _told(update_index(folder, put=put, removed=removed, encoder=self.encoder, on_progress=on_progress))

    def _encoder_of(self, folder: Path) -> Encoder:
        """The one that the manifest names, if it is here; else the one that we would build with."""
        from skills.index.generations import RANKER, current_generation
        from skills.index.manifest import read_manifest

        generation = current_generation(folder)
        if generation is None:
            return self._shared
        try:
            manifest, _ = read_manifest(folder / generation)
        except FileNotFoundError:  # a newer one has just taken its place
            return self.encoder
        if manifest.encoder == self._shared.name:
            return self._shared
        ranker = folder / generation / RANKER
        try:
            if self._settings.encoder is None and manifest.ranker is not None and _carries_encoder(ranker):
                return self._made(f"{TUNED_PREFIX}{ranker}")
            return self.encoder
        except ServiceError as error:
            raise IndexRefused(
                f"The index was built with encoder {manifest.encoder!r}, which is not here: {error}", hint=error.hint
            ) from error

    def _made(self, name: str) -> Encoder:
        return choose_encoder(name, cache_dir=self._encoder_dir).encoder


def default_ranker() -> Path | None:
    """The folder of the ranker that ships; None where there is none."""
    from importlib.util import find_spec

    spec = find_spec(DEFAULT_RANKER)
    places: Iterable[str] = () if spec is None else spec.submodule_search_locations or ()
    folders = [Path(place) / "default" for place in places]
    return next((folder for folder in folders if (folder / "manifest.json").is_file()), None)


def _carries_encoder(folder: Path) -> bool:
    from skills.tuned_layers import read_tuned_layers

    return read_tuned_layers(folder) is not None


def _told(change: IndexChange) -> str:
    counts: Mapping[str, int] = {
        "added": change.added,
        "updated": change.updated,
        "removed": change.removed,
        "unchanged": change.unchanged,
    }
    return f"{', '.join(f'{count} {what}' for what, count in counts.items())} ({change.generation})"
