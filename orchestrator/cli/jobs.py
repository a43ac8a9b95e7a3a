"""`antroute jobs`: durable jobs, in the store of this machine or on a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.terminal import AsJson, StoreUrl, note, run, say, say_answer, say_json, say_table

if TYPE_CHECKING:
    from orchestrator.cli.job_places import Place
    from orchestrator.cli.job_wishes import JobWish
    from orchestrator.jobs.request import JobResult
    from storage.job_records import Job

app = typer.Typer(help="Durable jobs: submit, look, follow, cancel, fetch.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="The job's id.")]
Url = Annotated[str | None, typer.Option("--url", help="A server's; default: the store of this machine.")]
Key = Annotated[str | None, typer.Option("--key", help="The server's key; others on this machine may see it.")]
KeyFile = Annotated[Path | None, typer.Option("--key-file", help="A file that holds the server's key.")]
Follow = Annotated[bool, typer.Option("--follow", help="Wait for the end and print the answer.")]
Pairs = Annotated[list[str] | None, typer.Option("--input", help="NAME=TEXT, or NAME=@FILE; once for each input.")]
Metadata = Annotated[list[str] | None, typer.Option("--metadata", help="NAME=TEXT; kept with the job, and sent along.")]
Named = Annotated[str, typer.Option("--workflow", help="A name of the settings, or a YAML or JSON file.")]
State = Annotated[str | None, typer.Option("--state", help="queued, running, succeeded, failed or cancelled.")]
OfWorkflow = Annotated[str | None, typer.Option("--workflow", help="Only this workflow's.")]


@app.command()
def submit(
    text: Annotated[str | None, typer.Argument(help="What to ask; left out with --workflow.")] = None,
    workflow: Named = "ask",
    inputs: Pairs = None,
    budget: Annotated[float | None, typer.Option("--budget", min=0, help="Most that it may cost, in USD.")] = None,
    priority: Annotated[int, typer.Option("--priority", min=-100, max=100, help="Higher ones run first.")] = 0,
    within: Annotated[
        float | None, typer.Option("--within", min=0, help="It fails when it has not ended after so many seconds.")
    ] = None,
    metadata: Metadata = None,
    webhook_url: Annotated[str | None, typer.Option("--webhook-url", help="Is told when the job has ended.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key and job again give the same job.")
    ] = None,
    follow: Follow = False,
    url: Url = None,
    key: Key = None,
    key_file: KeyFile = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Stores a job; it runs where a server runs over this store, or here and now with --follow."""
    from orchestrator.cli.job_places import place_of
    from orchestrator.cli.job_wishes import JobWish

    wish = JobWish(
        text=text,
        workflow=workflow,
        inputs=tuple(inputs or ()),
        budget_usd=budget,
        priority=priority,
        within_seconds=within,
        metadata=tuple(metadata or ()),
        webhook_url=webhook_url,
        idempotency_key=idempotency_key,
    )
    raise typer.Exit(run(_submit(wish, place_of(url, key, key_file, store), follow, as_json)))


@app.command("list")
def list_jobs(
    state: State = None,
    workflow: OfWorkflow = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many, newest first.")] = 20,
    cursor: Annotated[int | None, typer.Option("--cursor", min=0, help="Where the page before ended.")] = None,
    url: Url = None,
    key: Key = None,
    key_file: KeyFile = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """The newest jobs, one a line."""
    from orchestrator.cli.job_places import place_of

    run(_list(place_of(url, key, key_file, store), state, workflow, cursor, limit, as_json))


@app.command()
def show(
    job: JobId, url: Url = None, key: Key = None, key_file: KeyFile = None, store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Where one job stands."""
    from orchestrator.cli.job_places import place_of

    run(_show(job, place_of(url, key, key_file, store), as_json))


@app.command()
def watch(
    job: JobId,
    after: Annotated[int, typer.Option("--after", min=0, help="Only events after this number.")] = 0,
    url: Url = None,
    key: Key = None,
    key_file: KeyFile = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """What happens to a job until it ends, one event a line; exit code 0 where it succeeded, else 1."""
    from orchestrator.cli.job_places import place_of

    raise typer.Exit(run(_watch(job, after, place_of(url, key, key_file, store), as_json)))


@app.command()
def cancel(
    job: JobId, url: Url = None, key: Key = None, key_file: KeyFile = None, store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """A queued job never runs; a running one stops within seconds."""
    from orchestrator.cli.job_places import place_of

    run(_cancel(job, place_of(url, key, key_file, store), as_json))


@app.command()
def result(
    job: JobId, url: Url = None, key: Key = None, key_file: KeyFile = None, store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """What a job answered."""
    from orchestrator.cli.job_places import place_of

    run(_result(job, place_of(url, key, key_file, store), as_json))


async def _submit(wish: JobWish, place: Place, follow: bool, as_json: bool) -> int:
    from orchestrator.cli.job_places import working
    from orchestrator.cli.job_progress import progress_line
    from orchestrator.job_views import job_view, result_view

    request = wish.request()
    async with working(place) as verbs:
        job = await verbs.submitted(request)
        if not follow:
            say_json(job_view(job)) if as_json else _say_submitted(job, place)
            return 0
        note(f"{job.id} ({place.hint('jobs watch', job.id)})")
        with progress_line() as heard:
            async for event in verbs.events(job.id):
                heard(event)
        job = await verbs.job(job.id)
        answer = await verbs.result(job.id) if job.state == "succeeded" or not as_json else None
    if as_json:
        say_json({"job": job_view(job), "result": None if answer is None else result_view(answer)})
    elif answer is not None:
        _say_result(answer)
    return 0 if job.state == "succeeded" else 1


async def _list(
    place: Place, state: str | None, workflow: str | None, cursor: int | None, limit: int, as_json: bool
) -> None:
    from orchestrator.cli.job_places import checked_state, looking
    from orchestrator.job_views import job_view

    wanted = checked_state(state)
    async with looking(place) as verbs:
        page = await verbs.jobs(state=wanted, workflow=workflow, cursor=cursor, limit=limit)
    if as_json:
        say_json({"jobs": [job_view(job) for job in page.jobs], "next_cursor": page.next_cursor})
        return
    if not page.jobs:
        say('No such jobs. Submit one: antroute jobs submit "What is 17% of 2340?"')
        return
    say_table(["created", "job", "state", "workflow", "priority", "seconds", "error"], [_row(job) for job in page.jobs])
    if page.next_cursor is not None:
        note(f"More: --cursor {page.next_cursor}")


async def _show(job_id: str, place: Place, as_json: bool) -> None:
    from orchestrator.cli.job_places import looking
    from orchestrator.job_views import job_view

    async with looking(place) as verbs:
        job = await verbs.job(job_id)
    if as_json:
        say_json(job_view(job))
        return
    view = {name: value for name, value in job_view(job).items() if value is not None and value is not False}
    view["budget"] = ", ".join(f"{name} {value}" for name, value in view["budget"].items() if value is not None)
    for name in ("metadata", "error"):
        if name in view:
            view[name] = ", ".join(f"{key}: {value}" for key, value in view[name].items() if value is not None)
    say_table(["field", "value"], [[name, str(value)] for name, value in view.items() if value != ""])


async def _watch(job_id: str, after: int, place: Place, as_json: bool) -> int:
    import json

    from orchestrator.cli.job_places import working
    from orchestrator.cli.job_progress import line_of
    from orchestrator.job_views import event_view

    async with working(place) as verbs:
        async for event in verbs.events(job_id, after=after):
            say(json.dumps(event_view(event), ensure_ascii=False) if as_json else line_of(event))
        job = await verbs.job(job_id)
    return 0 if job.state == "succeeded" else 1


async def _cancel(job_id: str, place: Place, as_json: bool) -> None:
    from orchestrator.cli.job_places import looking
    from orchestrator.job_views import job_view

    async with looking(place) as verbs:
        job = await verbs.cancel(job_id)
    if as_json:
        say_json(job_view(job))
    elif job.state == "running":
        say(f"{job.id} is asked to stop; see it end: {place.hint('jobs watch', job.id)}")
    else:
        say(f"{job.id} is {job.state}.")


async def _result(job_id: str, place: Place, as_json: bool) -> None:
    from orchestrator.cli.job_places import looking
    from orchestrator.job_views import result_view

    async with looking(place) as verbs:
        found = await verbs.result(job_id)
    if as_json:
        say_json(result_view(found))
    else:
        _say_result(found)


def _say_submitted(job: Job, place: Place) -> None:
    say(f"{job.id} is {job.state}. Follow it: {place.hint('jobs watch', job.id)}")
    if place.url is None and job.state == "queued":
        note("It runs as soon as `antroute serve` runs over this store, or while you watch it.")


def _say_result(found: JobResult) -> None:
    say_answer(found.answer)
    note(f"[${found.cost_usd:f}; why: antroute traces show {found.run_id}]")


def _row(job: Job) -> list[str]:
    end = job.ended_at
    return [
        job.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        job.id,
        job.state,
        job.workflow,
        str(job.priority),
        f"{(end - job.started_at).total_seconds():.2f}" if end is not None and job.started_at is not None else "-",
        job.error_code or "",
    ]
