"""`antroute routers`: which trained router serves, which runs beside it, and what became of the others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.terminal import AsJson, StoreUrl, note, opened_stores, run, say, say_json, say_table

if TYPE_CHECKING:
    from orchestrator.routers import RouterChange, RouterHistory, Routers
    from storage.version_records import PolicyVersion

app = typer.Typer(help="Trained routers: register, promote, shadow, roll back.", no_args_is_help=True)

AnyId = Annotated[str, typer.Argument(metavar="ID", help="A router's id, or the beginning of one.")]
IdOrFolder = Annotated[str, typer.Argument(metavar="ID|DIR", help="A router's id, or a folder made by `train`.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder made by `train`.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; goes into the log.")]
Force = Annotated[bool, typer.Option("--force", help="Past a gate that was not passed; needs --reason.")]
Work = Callable[["Routers"], Awaitable["RouterChange"]]
TIME = "%Y-%m-%d %H:%M:%S"


@app.command("list")
def list_routers(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """All versions, newest first."""
    run(_list(store, as_json))


@app.command()
def show(id: AnyId, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """One version: its figures, its gate, whom it knows, where it comes from and what became of it."""
    run(_show(id, store, as_json))


@app.command()
def register(
    folder: Folder,
    name: Annotated[str, typer.Option("--name", help="Default: the folder's name.")] = "",
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Keeps a trained router in the store, as a candidate."""
    run(_change(lambda routers: routers.register(folder, name=name), store, as_json, may_be_new=True))


@app.command()
def promote(
    id: IdOrFolder, force: Force = False, reason: Reason = "", store: StoreUrl = None, as_json: AsJson = False
) -> None:
    """Makes a router the active one, if it passed its gate. A folder is registered first."""
    is_folder = Path(id).is_dir()

    async def work(routers: Routers) -> RouterChange:
        version_id = await _registered(routers, id, is_folder=is_folder)
        return await routers.promote(version_id, force=force, reason=reason)

    run(_change(work, store, as_json, may_be_new=is_folder, serves=True))


@app.command()
def shadow(id: IdOrFolder, reason: Reason = "", store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Lets a router run beside the active one: its choices are recorded and not heeded."""
    is_folder = Path(id).is_dir()

    async def work(routers: Routers) -> RouterChange:
        return await routers.shadow(await _registered(routers, id, is_folder=is_folder), reason=reason)

    run(_change(work, store, as_json, may_be_new=is_folder, serves=True))


@app.command()
def rollback(reason: Reason = "", store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Brings back the router that was active before."""
    run(_change(lambda routers: routers.rollback(reason=reason), store, as_json))


@app.command()
def retire(id: AnyId, reason: Reason = "", store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Takes a router out of service; without an active one the table chooses."""
    run(_change(lambda routers: routers.retire(id, reason=reason), store, as_json))


async def _registered(routers: Routers, id_or_folder: str, *, is_folder: bool) -> str:
    """The id of a version; a folder is registered first."""
    return (await routers.register(Path(id_or_folder))).version.id if is_folder else id_or_folder


@asynccontextmanager
async def _opened(
    store: str | None, *, may_be_new: bool = False, serves: bool = False
) -> AsyncGenerator[Routers, None]:
    """`serves`: the router will choose in the service, so it must fit the service's encoder."""
    from orchestrator.routers import Routers
    from orchestrator.settings import load_settings
    from routing.registry import choose_encoder

    settings = load_settings()
    encoder_name = choose_encoder(settings.encoder, cache_dir=settings.encoder_dir).encoder.name if serves else None
    candidates = tuple(candidate.candidate_id for candidate in settings.candidates)
    async with opened_stores(store, may_be_new=may_be_new) as stores:
        yield Routers(stores, candidates=candidates, encoder_name=encoder_name)


async def _change(
    work: Work, store: str | None, as_json: bool, *, may_be_new: bool = False, serves: bool = False
) -> None:
    async with _opened(store, may_be_new=may_be_new, serves=serves) as routers:
        change = await work(routers)
    for notice in change.notices:
        note(f"note: {notice}")
    if as_json:
        from orchestrator.views import plain

        say_json(plain(change))
    else:
        version = change.version
        say(f"{version.id} ({version.name}, {version.predictor}) is {version.state}")


async def _list(store: str | None, as_json: bool) -> None:
    async with _opened(store) as routers:
        versions = await routers.list()
    if as_json:
        from orchestrator.views import plain

        say_json(plain(versions))
    elif not versions:
        say("No routers yet. Make one: antroute train --data DIR --out DIR, then antroute routers promote DIR")
    else:
        columns = ["router", "name", "kind", "state", "since", "utility area", "gate", "candidates", "reason"]
        say_table(columns, [_row(version) for version in versions])


def _row(version: PolicyVersion) -> list[str]:
    from orchestrator.routers import gate_problem

    area = _figures(version).get("utility_area")
    return [
        version.id,
        version.name,
        version.predictor,
        version.state,
        version.changed_at.astimezone().strftime(TIME),
        f"{area:.4f}" if isinstance(area, int | float) else "-",
        "passed" if gate_problem(version) is None else "not passed",
        str(len(version.candidates)),
        version.reason,
    ]


async def _show(id: str, store: str | None, as_json: bool) -> None:
    async with _opened(store) as routers:
        history = await routers.show(id)
    if as_json:
        from orchestrator.views import plain

        say_json(plain(history))
    else:
        say("\n".join(_lines(history)))


def _lines(history: RouterHistory) -> Iterator[str]:
    from orchestrator.routers import gate_problem

    version = history.version
    yield f"router      {version.id} ({version.name})"
    yield f"state       {version.state}"
    yield f"kind        {version.predictor}"
    yield f"sha256      {version.artifact_sha256}"
    yield f"encoder     {version.encoder}"
    yield f"adapted of  {version.parent_id or '-'}"
    yield f"candidates  {', '.join(version.candidates)}"
    gate = version.metrics.get("gate")
    passed = str(gate.get("reason") or "Passed.") if isinstance(gate, Mapping) else ""
    yield f"gate        {gate_problem(version) or passed}"
    for name, value in _figures(version).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield f"  {name:<18} {value:.6g}"
    yield f"{version.registered_at.astimezone():{TIME}}  registered"
    for move in history.moves:
        told = ", ".join(word for word, holds in (("forced", move.is_forced), ("rollback", move.is_rollback)) if holds)
        said = f"{move.from_state} -> {move.to_state}" + (f" ({told})" if told else "")
        yield f"{move.moved_at.astimezone():{TIME}}  {said}" + (f": {move.reason}" if move.reason else "")


def _figures(version: PolicyVersion) -> Mapping[str, Any]:
    """On dev queries without labels, where there are some."""
    figures = version.metrics.get("text_only", version.metrics)
    return figures if isinstance(figures, Mapping) else {}
