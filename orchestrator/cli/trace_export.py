"""`antroute traces export`: decisions, events of the log or spans to a file, or to whoever reads the output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.trace_filters import TraceWish, with_filters
from orchestrator.terminal import AsJson, StoreUrl, note, opened_stores, progress_bar, run, say, say_json

if TYPE_CHECKING:
    from orchestrator.exports.records import ExportWish, Format, What
    from storage.stores import Stores

OUT = "-"
Out = Annotated[str, typer.Argument(help="The file; - or nothing: the standard output.")]
OfWhat = Annotated[str, typer.Option("--what", help="decisions, events (of the audit log), or spans.")]
OfFormat = Annotated[str | None, typer.Option("--format", help="jsonl, parquet, or otlp-json (spans for collectors).")]
WithTexts = Annotated[bool, typer.Option("--with-texts", help="Also questions and answers: personal data.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


@with_filters
def export_command(
    wish: TraceWish,
    out: Out = OUT,
    what: OfWhat = "",
    format: OfFormat = None,
    with_texts: WithTexts = False,
    force: Force = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Streams the wanted decisions, oldest first; a manifest with digest and places in the log lies beside the file.

    Without --format the file's ending decides: .parquet, else JSON lines.
    """
    run(_export(wish, Choice(out, what, format, with_texts, force), store, as_json))


class Choice:
    """What was typed, with what goes without saying filled in. Raises InvalidInput."""

    def __init__(self, out: str, what: str, format: str | None, with_texts: bool, force: bool) -> None:
        from orchestrator.exports.exporting import check
        from orchestrator.exports.records import FORMATS, WHATS
        from storage.errors import InvalidInput

        self.path = None if out == OUT else Path(out)
        format = format or ("parquet" if out.endswith(".parquet") else "jsonl")
        what = what or ("spans" if format == "otlp-json" else "decisions")
        formats, whats = [each for each in FORMATS if each == format], [each for each in WHATS if each == what]
        if not formats:
            raise InvalidInput(f"No format {format!r:.40}; known: {', '.join(FORMATS)}.", field="format")
        if not whats:
            raise InvalidInput(f"Nothing is called {what!r:.40}; known: {', '.join(WHATS)}.", field="what")
        self.format: Format = formats[0]
        self.what: What = whats[0]
        self.with_texts = with_texts
        check(self.what, self.format, with_texts=with_texts)
        if self.path is None and self.format == "parquet" and sys.stdout.isatty():
            raise InvalidInput("Parquet is nothing for a terminal; name a file.", field="out")
        if self.path is not None and self.path.exists() and not force:
            raise InvalidInput(f"{out!r} is there already.", field="out", hint="Name another, or add --force.")


async def _export(wish: TraceWish, choice: Choice, store: str | None, as_json: bool) -> None:
    from orchestrator.cli.trace_rows import caught_up
    from orchestrator.exports.exporting import MANIFEST, export_into, export_to
    from orchestrator.views import plain

    async with opened_stores(store) as stores:
        await caught_up(stores.summaries)
        made = await _wish(stores, wish, choice)
        with progress_bar() as told:

            def on_done(done: int, of: int) -> None:
                if sys.stderr.isatty():
                    told(done, of, f"exporting {choice.what}")

            if choice.path is None:
                manifest = await export_into(stores, made, sys.stdout.buffer, on_done=on_done)
            else:
                manifest = await export_to(stores, made, choice.path, on_done=on_done)
    rows = f"{manifest.count} {'runs' if choice.format == 'otlp-json' else choice.what}"
    if choice.path is None:
        note(f"{rows} exported; SHA-256 {manifest.sha256}")
    elif as_json:
        say_json(plain(manifest))
    else:
        say(f"{rows} exported to {choice.path}, {manifest.bytes} bytes; beside it {choice.path.name}{MANIFEST}")
    if not manifest.count:
        note(f"Nothing fits {wish.words}." if wish.words else "Nothing was decided yet.")


async def _wish(stores: Stores, wish: TraceWish, choice: Choice) -> ExportWish:
    from orchestrator.candidates import candidates_in
    from orchestrator.exports.records import ExportWish
    from orchestrator.settings import load_settings
    from orchestrator.telemetry.opened import provider_of

    settings = load_settings()
    return ExportWish(
        what=choice.what,
        format=choice.format,
        wanted=await wish.filter(stores),
        until_position=await stores.audit.last_position(),
        with_texts=choice.with_texts,
        candidates=candidates_in(settings),
        model_to_provider={name: provider_of(model) for name, model in settings.models.items()},
    )
