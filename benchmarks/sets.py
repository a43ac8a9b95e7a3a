"""A folder of training data, ready for measuring: both splits, their vectors, and digests of what was read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from routing.cards import CandidateCard
from routing.dataset import MEASURES, Dataset, Split
from routing.forecasts import Inputs
from routing.registry import make_encoder
from routing.training.embedding import inputs_of
from routing.training.files import CANDIDATES_FILE, read_dataset
from skills.encoder import Encoder
from skills.progress import Progress, no_progress

SETS = ("bfcl", "mmlupro", "zeroeval", "llmrouter", "twomodel")


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The queries of one split that have an outcome."""

    data: Dataset
    inputs: Inputs

    def rows(self, places: Sequence[int] | np.ndarray) -> Part:
        return Part(data=self.data.rows(places), inputs=self.inputs.take(places))


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedSet:
    name: str
    train: Part
    dev: Part
    file_order: tuple[str, ...]  # of the candidates, as candidates.json lists them
    digest: str  # of the data and the vectors
    encoder: str


def load_set(folder: Path, *, encoder: str, cache: Path, on_progress: Progress = no_progress) -> LoadedSet:
    """Texts are encoded once and kept in `cache`. Raises InvalidInput, EncoderUnavailable."""
    data = read_dataset(folder)
    made: Encoder = make_encoder(encoder)
    inputs = inputs_of(data, made, cache_dir=cache, on_progress=on_progress)
    whole = sha256(f"{data.digest} {made.name}".encode() + np.round(inputs.embeddings, 4).tobytes())
    return LoadedSet(
        name=folder.name,
        train=_part(data, inputs, "train"),
        dev=_part(data, inputs, "dev"),
        file_order=tuple(card["id"] for card in json.loads((folder / CANDIDATES_FILE).read_text(encoding="utf-8"))),
        digest=whole.hexdigest(),
        encoder=made.name,
    )


def is_same_reversed(folder: Path) -> bool:
    """Whether the folder with its list of candidates reversed is read as the same data: then nothing can differ."""
    with TemporaryDirectory() as made:
        for path in folder.iterdir():
            if path.name != CANDIDATES_FILE:
                (Path(made) / path.name).symlink_to(path.resolve())
        cards = json.loads((folder / CANDIDATES_FILE).read_text(encoding="utf-8"))
        (Path(made) / CANDIDATES_FILE).write_text(json.dumps(cards[::-1]), encoding="utf-8")
        return read_dataset(Path(made)).digest == read_dataset(folder).digest


def renamed(part: Part) -> Part:
    """The same with ids that sort the other way round; cards read as before."""
    data = part.data
    last = len(data.cards) - 1
    cards: list[CandidateCard] = [
        replace(card, id=f"c{last - place:03}", name=card.name or card.id) for place, card in enumerate(data.cards)
    ]
    measures = {name: getattr(data, name) for name in MEASURES}
    other = Dataset.canonical(
        cards=cards,
        query_ids=data.query_ids,
        texts=data.texts,
        tasks=data.tasks,
        splits=data.splits,
        measures=measures,
    )
    return Part(data=other, inputs=part.inputs)


def _part(data: Dataset, inputs: Inputs, split: Split) -> Part:
    places = data.places_of(split)
    places = places[(~np.isnan(data.quality[places])).any(axis=1)]
    return Part(data=data.rows(places), inputs=inputs.take(places))
