"""`antroute doctor`: what is here, what is missing, and what to type."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from orchestrator.terminal import AsJson, run, say, say_json

if TYPE_CHECKING:
    from orchestrator.settings import Settings
    from storage.stores import Stores

Status = Literal["ok", "note", "bad"]

FLOORS = ("orchestrator", "agents", "routing", "skills", "storage")
LIBRARIES = ("torch", "torch-geometric", "faiss-cpu", "ray", "litellm", "langgraph", "sqlalchemy")
EXTRAS = {"xllamacpp": "local", "psycopg": "postgres"}
LEAST_FREE_BYTES = 3_000_000_000
MARKS = {"ok": "✓", "note": "·", "bad": "✗"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    status: Status
    found: str
    fix: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Looks at settings, libraries, models, encoder and database; exit code 1 when something must be mended."""
    findings = [*_python(), *_libraries(), *run(_service())]
    if as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{MARKS[finding.status]} {finding.subject:<16} {finding.found}")
            if finding.fix:
                say(f"  {'':<16} fix: {finding.fix}")
    raise typer.Exit(1 if any(finding.status == "bad" for finding in findings) else 0)


def _python() -> Iterator[Finding]:
    is_new = sys.version_info >= (3, 11)
    yield Finding(
        subject="python",
        status="ok" if is_new else "bad",
        found=sys.version.split()[0],
        fix="" if is_new else "Python 3.11 or newer is needed.",
    )
    home = Path(__file__).resolve().parents[2]
    for floor in FLOORS:
        spec = find_spec(floor)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or not origin.is_relative_to(home):
            fix = "Another package has taken the name: install Antroute in an environment of its own."
            yield Finding(subject=floor, status="bad", found=f"imported from {origin}", fix=fix)


def _libraries() -> Iterator[Finding]:
    for name in LIBRARIES:
        yield _library(name, "bad", "pip install -c constraints.txt .")
    for name, extra in EXTRAS.items():
        yield _library(name, "note", f"pip install -c constraints.txt '.[{extra}]'")


def _library(name: str, status: Status, fix: str) -> Finding:
    try:
        return Finding(subject=name, status="ok", found=version(name))
    except PackageNotFoundError:
        return Finding(subject=name, status=status, found="not installed", fix=fix)


async def _service() -> list[Finding]:
    from orchestrator.settings import load_settings, settings_path
    from storage.errors import ServiceError

    try:
        settings = load_settings()
    except ServiceError as error:
        return [Finding(subject="settings", status="bad", found=str(error), fix=error.hint or "Mend the setting.")]
    findings = [Finding(subject="settings", status="ok", found=str(settings_path() or "defaults and environment"))]
    findings += _models(settings)
    encoder = await asyncio.to_thread(_encoder, settings)
    findings += [encoder, *await _store(settings, encoder.found)]
    return findings


def _models(settings: Settings) -> Iterator[Finding]:
    from agents.model_files import MODEL_FILES
    from orchestrator.model_paths import model_path

    here = 0
    for name, model in settings.models.items():
        if model.lacks_key:
            fix = f"Set {model.api_key_variable}, or drop the model's `api_key_variable`."
            yield Finding(subject=name, status="note", found="its key is not set", fix=fix)
            continue
        if model.provider != "local":
            yield Finding(subject=name, status="ok", found=f"{model.provider} {model.base_url or ''}".strip())
            here += 1
            continue
        file = model.file or name
        path = model_path(file, settings.model_dir)
        here += path is not None
        fix = "" if path else f"antroute models fetch {file}" if file in MODEL_FILES else "Correct the model's `file`."
        yield Finding(subject=name, status="ok" if path else "note", found=str(path or "file not here"), fix=fix)
    if not here:
        fetchable = ", ".join(MODEL_FILES)
        yield Finding(
            subject="models", status="bad", found="none can be asked", fix=f"antroute models fetch ({fetchable})"
        )
    free = shutil.disk_usage(settings.cache_dir if settings.cache_dir.exists() else Path.home()).free
    if free < LEAST_FREE_BYTES:
        yield Finding(subject="disk", status="note", found=f"{free / 1e9:.1f} GB free", fix="The models take 1.7 GB.")


def _encoder(settings: Settings) -> Finding:
    from routing.registry import choose_encoder

    chosen = choose_encoder(settings.encoder, cache_dir=settings.encoder_dir)
    status: Status = "ok" if chosen.fallback_reason is None else "note"
    return Finding(subject="encoder", status=status, found=chosen.encoder.name, fix=chosen.fallback_reason or "")


async def _store(settings: Settings, encoder_name: str) -> list[Finding]:
    from storage.errors import ServiceError
    from storage.registry import open_stores

    try:
        stores = await open_stores(settings.store_url)
        try:
            routers = await router_findings(settings, stores, encoder_name)
        finally:
            await stores.close()
    except ServiceError as error:
        return [Finding(subject="store", status="bad", found=str(error), fix=error.hint or "Choose another store_url.")]
    return [Finding(subject="store", status="ok", found=settings.store_url.rpartition("@")[2]), *routers]


async def router_findings(settings: Settings, stores: Stores, encoder_name: str) -> list[Finding]:
    """Which trained routers serve, since when, and what they lack."""
    from orchestrator.router_watch import LoadedRouters, RouterWatch
    from orchestrator.trained_routers import serving_text, unknown_text
    from routing.base import ACTIVE, SHADOW

    seen: list[LoadedRouters] = []
    await RouterWatch(stores, encoder_name=encoder_name, on_change=seen.append).check()
    (loaded,) = seen
    candidates = [candidate.candidate_id for candidate in settings.candidates]
    fix = "Adapt it: antroute routers adapt --help"
    found = [
        Finding(subject="router", status="bad", found=notice, fix="antroute routers rollback, or train again.")
        for notice in loaded.notices
    ]
    for role, router in ((ACTIVE, loaded.active), (SHADOW, loaded.shadow)):
        if router is None:
            continue
        since = loaded.active_since if role == ACTIVE else None
        words = serving_text(role, router.version_id, router.artifact.manifest.kind, since=since)
        unknown = unknown_text(router.artifact.predictor.candidates, candidates)
        status: Status = "note" if unknown else "ok"
        found.append(Finding(subject="router", status=status, found=words, fix=f"{fix} ({unknown})" if unknown else ""))
    chooses = "the per-task table" if settings.policy == "auto" else f"policy {settings.policy}"
    return found or [Finding(subject="router", status="ok", found=f"none is active: {chooses} chooses")]
