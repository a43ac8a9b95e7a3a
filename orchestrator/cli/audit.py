"""`antroute audit`: prove that the log was not touched, and that a decision stands in it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.terminal import AsJson, StoreUrl, note, opened_stores, progress_bar, run, say, say_json, say_table
from orchestrator.texts import printable

if TYPE_CHECKING:
    from orchestrator.audit_service import AuditDesk
    from storage.audit import Verification

app = typer.Typer(help="Prove that the log was not touched.", no_args_is_help=True)

LONG_LOG = 20_000  # events, from which on a bar is shown
KEY = re.compile("[0-9a-fA-F]{64}")
LAST_NUMBER = 2**53  # of a checkpoint, that can be asked for

OutsidePlace = Annotated[
    str | None,
    typer.Option("--outside", help="File, folder or URL of the checkpoints outside; default: the settings' one."),
]
TrustKey = Annotated[list[str] | None, typer.Option("--trust-key", help="A public key (hex) to believe; repeatable.")]
RequireOutside = Annotated[
    bool, typer.Option("--require-outside", help="Broken, too, where a checkpoint has no copy outside to compare with.")
]
PublicKey = Annotated[str | None, typer.Option("--public-key", help="The operator's public key (hex) that you know.")]
DecisionId = Annotated[str, typer.Argument(help="The decision, as `antroute traces` shows it.")]
Out = Annotated[Path, typer.Option("--out", help="The file to be written.")]
ProofFile = Annotated[Path, typer.Argument(help="What `antroute audit prove` wrote.")]
First = Annotated[int, typer.Argument(max=LAST_NUMBER, help="Number of the earlier checkpoint.")]
Second = Annotated[int, typer.Argument(max=LAST_NUMBER, help="Number of the later one.")]
After = Annotated[int, typer.Option("--after", min=0, max=LAST_NUMBER, help="Only those after this number.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")]
Lost = Annotated[bool, typer.Option("--lost", help="The old private key is lost: nobody endorses the new one.")]


@app.callback()
def group() -> None:
    """Prove that the log was not touched."""


@app.command()
def verify(
    store: StoreUrl = None,
    outside: OutsidePlace = None,
    trust_key: TrustKey = None,
    require_outside: RequireOutside = False,
    as_json: AsJson = False,
) -> None:
    """Recomputes the whole log and checks its signed checkpoints. Exit code 0: whole; 1: broken, and where."""
    found = run(_verify(store, outside, tuple(map(_checked_key, trust_key or ())), as_json))
    compared = found.outside_checkpoints or 0
    if require_outside and compared < found.checkpoints:
        note(f"Outside: only {compared} of {found.checkpoints} checkpoints are there to be compared.")
        raise typer.Exit(1)
    raise typer.Exit(0 if found.is_whole else 1)


@app.command()
def checkpoints(store: StoreUrl = None, after: After = 0, limit: Limit = 100, as_json: AsJson = False) -> None:
    """Lists the signed checkpoints, by number."""
    run(_checkpoints(store, after, limit, as_json))


@app.command()
def prove(decision_id: DecisionId, out: Out, store: StoreUrl = None) -> None:
    """Writes a file that proves to anybody, without this store, that a decision stands in the signed log."""
    import json

    from storage.errors import InvalidInput

    proof = run(_proof(store, decision_id))
    try:
        out.write_text(json.dumps(proof, indent=2) + "\n", encoding="utf-8")
    except OSError as exc:
        raise InvalidInput(f"The proof cannot be written to {str(out)!r}: {exc.strerror or exc}.", field="out") from exc
    say(f"{out}: {len(proof['path'])} hashes lead from event {proof['event']['position']} to a signed root.")
    say(f"Anybody can check it: antroute audit verify-proof {out}")


@app.command("verify-proof")
def verify_proof(file: ProofFile, public_key: PublicKey = None, as_json: AsJson = False) -> None:
    """Checks a proof file, offline. Exit code 0: proven; 1: not, and why."""
    raise typer.Exit(_verify_proof(file, public_key, as_json))


@app.command()
def consistency(first: First, second: Second, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Shows that a later checkpoint's log begins with an earlier one's. Exit code 0: so it is; 1: it is not."""
    raise typer.Exit(run(_consistency(store, first, second, as_json)))


@app.command("rotate-key")
def rotate_key(store: StoreUrl = None, lost: Lost = False, as_json: AsJson = False) -> None:
    """Makes a new signing key, which the old one endorses. Checkpoints of both stay verifiable."""
    run(_rotate(store, lost, as_json))


@asynccontextmanager
async def _opened(
    store: str | None, *, outside: str | None = None, trusted: tuple[str, ...] = ()
) -> AsyncGenerator[AuditDesk, None]:
    """The key's file speaks of the settings' own store alone."""
    from orchestrator.audit_keys import KeyFile
    from orchestrator.audit_places import opened_outside
    from orchestrator.audit_service import AuditDesk
    from orchestrator.settings import load_settings

    settings = load_settings()
    url = store or settings.store_url
    place = settings.audit.outside if outside is None else outside
    async with opened_stores(url) as stores:
        yield AuditDesk(
            stores=stores,
            key_file=KeyFile.of(settings),
            outside=opened_outside(place, store_url=url),
            trusted_keys=(*settings.audit.trusted_keys, *trusted),
            has_own_key=url == settings.store_url,
        )


async def _verify(store: str | None, outside: str | None, trusted: tuple[str, ...], as_json: bool) -> Verification:
    from orchestrator.views import plain

    async with _opened(store, outside=outside, trusted=trusted) as desk:
        total = await desk.stores.audit.last_position()
        with progress_bar() as on_progress:

            def tell(done: int) -> None:
                on_progress(done, total, "events")

            found = await desk.verify(on_progress=tell if total >= LONG_LOG else None)
    if as_json:
        say_json(plain(found))
    else:
        _say_found(found, desk)
    return found


def _checked_key(text: str) -> str:
    """Raises InvalidInput for what is no public key."""
    from storage.errors import InvalidInput

    if not KEY.fullmatch(text):
        raise InvalidInput(f"{text!r} is no public key; one is 64 hexadecimal digits.", field="trust-key")
    return text.lower()


def _say_found(found: Verification, desk: AuditDesk) -> None:
    bad, bad_checkpoint = found.first_bad_event, found.first_bad_checkpoint
    if bad is not None:
        what = printable(f"(writer {bad.writer}, seq {bad.seq}): {bad.kind} {bad.subject_id}") if bad.writer else ""
        say(f"BROKEN at event {bad.position} {what}".rstrip())
        say(f"  {printable(bad.reason)}")
    if bad_checkpoint is not None:
        where = f"at checkpoint {bad_checkpoint.number}" if bad_checkpoint.number else "in the checkpoints' keys"
        say(f"BROKEN {where}")
        say(f"  {printable(bad_checkpoint.reason)}")
    if found.is_whole:
        say(f"Whole: {found.events_checked} events, {found.writers} writers, {found.erased_payloads} texts erased.")
        _say_signed(found, desk)


def _say_signed(found: Verification, desk: AuditDesk) -> None:
    if not found.checkpoints:
        say("No checkpoint is signed: a log rewritten as a whole would look like this one.")
        return
    say(f"Signed: {found.checkpoints} checkpoints, the last one over {found.sealed_events} events.")
    if found.outside_checkpoints:
        place = printable(desk.outside.place) if desk.outside is not None else ""
        say(f"Outside: {found.outside_checkpoints} of them stand the same in {place}")
    else:
        note("note: no copy outside was compared; who can write to the database and has the key could make all anew")


async def _checkpoints(store: str | None, after: int, limit: int, as_json: bool) -> None:
    from orchestrator.views import plain

    async with _opened(store) as desk:
        found = await desk.checkpoints(after_number=after, limit=limit)
    if as_json:
        say_json([plain(each) for each in found])
        return
    rows = [
        (str(each.number), str(each.tree_size), each.signed_at.isoformat(), each.key_id, each.root_hash)
        for each in found
    ]
    say_table(("number", "events", "signed at", "key", "root"), rows)


async def _proof(store: str | None, decision_id: str) -> dict[str, Any]:
    async with _opened(store) as desk:
        return await desk.proof(decision_id)


def _verify_proof(file: Path, public_key: str | None, as_json: bool) -> int:
    from dataclasses import asdict

    from storage.checkpoint_proof import check_proof
    from storage.errors import InvalidInput

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"The file {str(file)!r} cannot be read: {exc}", field="file") from exc
    found = check_proof(text, public_key=public_key)
    if as_json:
        say_json(asdict(found))
        return 0 if found.is_proven else 1
    say("PROVEN" if found.is_proven else "NOT PROVEN")
    _say_lines("", found.said, say)
    if found.public_keys:
        say(f"  public key, from the first to the one that signed: {', '.join(map(printable, found.public_keys))}")
        say("Not proven:")
        _say_lines("- ", found.not_proven, say)
    return 0 if found.is_proven else 1


def _say_lines(mark: str, lines: tuple[str, ...], to: Callable[[str], None]) -> None:
    for line in lines:
        to(f"  {mark}{printable(line)}")


async def _consistency(store: str | None, first: int, second: int, as_json: bool) -> int:
    from orchestrator.views import plain

    async with _opened(store) as desk:
        found = await desk.consistency(first, second)
    if as_json:
        say_json(plain(found))
    else:
        verdict = "begins with" if found.is_consistent else "does NOT begin with"
        sizes = (found.second_size, found.first_size)
        say(f"Checkpoint {second} ({sizes[0]} events) {verdict} checkpoint {first} ({sizes[1]} events).")
        say(f"  root {first}: {found.first_root}")
        say(f"  root {second}: {found.second_root}")
        say(f"  proof: {len(found.path)} hashes (--json shows them)")
    return 0 if found.is_consistent else 1


async def _rotate(store: str | None, lost: bool, as_json: bool) -> None:
    from orchestrator.views import plain

    async with _opened(store) as desk:
        made = await desk.key_file.rotate(desk.stores.checkpoints, is_lost=lost)
    if as_json:
        say_json(plain(made))
        return
    say(f"Key {made.key_id} signs from now on, in the place of {made.previous_key_id or 'none'}.")
    say(f"  public key: {made.public_key}")
    say("Tell it to those who verify. Services that are open take it up by themselves where they share the file.")
    if lost:
        note("note: nobody endorsed it: put it into `audit.trusted_keys`, or give --trust-key, when you verify")
