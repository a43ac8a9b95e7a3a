"""Where a local model's file is."""

from __future__ import annotations

from pathlib import Path

from agents.model_files import MODEL_FILES, find


def model_path(file: str, cache_dir: Path) -> Path | None:
    """A known model's file in the cache, or the .gguf file itself; None where it is not here."""
    if file in MODEL_FILES:
        return find(file, cache_dir)
    return Path(file) if Path(file).is_file() else None
