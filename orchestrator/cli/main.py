"""The `antroute` command."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import typer

from orchestrator.cli import (
    audit,
    budgets,
    console,
    data,
    doctor,
    evaluate,
    jobs,
    keys,
    memory,
    models,
    offline,
    payloads,
    plans,
    replay,
    routers,
    serve,
    skills,
    traces,
    verifiers,
    work,
)
from storage.errors import InvalidInput, ServiceError

app = typer.Typer(
    name="antroute",
    help="Routes every query to the right model, agent and skills; never over budget, and provable afterwards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("demo")(work.demo)
app.command("ask")(work.ask)
app.command("route")(work.route)
app.command("train")(offline.train)
app.command("evaluate")(evaluate.evaluate)
app.command("replay")(replay.replay)
app.command("serve")(serve.serve)
app.command("console")(console.console)
app.command("doctor")(doctor.doctor)
app.add_typer(traces.app, name="traces")
app.add_typer(audit.app, name="audit")
app.add_typer(payloads.app, name="payloads")
app.add_typer(budgets.app, name="budgets")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(keys.tenants, name="tenants")
app.add_typer(models.app, name="models")
routers.app.command("adapt")(offline.adapt)
routers.app.command("compare")(replay.compare)
app.add_typer(routers.app, name="routers")
app.add_typer(data.app, name="data")
app.add_typer(skills.app, name="skills")
app.add_typer(verifiers.app, name="verifiers")
app.add_typer(plans.app, name="plans")
app.add_typer(memory.app, name="memory")


def main() -> None:
    """Errors of the service are told in words, with the fix; exit code 2 for wrong input, 1 for the rest."""
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal that is not UTF-8, a text with half a character
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _run()
    except ServiceError as error:
        sys.stderr.write(f"Error: {error}\n")
        if error.hint:
            sys.stderr.write(f"Hint: {error.hint}\n")
        sys.exit(2 if isinstance(error, InvalidInput) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader had enough: `antroute traces list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still flushes at its end
        sys.exit(141)


def _run() -> None:
    try:
        app()
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    main()
