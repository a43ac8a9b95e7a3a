"""What predictors see of a data set's queries: vectors of their excerpts, kept on disk."""

from __future__ import annotations

from pathlib import Path

from routing.dataset import Dataset
from routing.features import excerpt
from routing.forecasts import Inputs
from skills.embedding import embed
from skills.encoder import Encoder
from skills.progress import Progress, no_progress


def inputs_of(
    data: Dataset, encoder: Encoder, *, cache_dir: Path | None, on_progress: Progress = no_progress
) -> Inputs:
    """What predictors see of the data's queries, in its order. Raises as `embed`."""
    vectors = embed([excerpt(text) for text in data.texts], encoder, cache_dir=cache_dir, on_progress=on_progress)
    return Inputs(texts=data.texts, embeddings=vectors, tasks=data.tasks)
