"""`antroute skills`: everything about skills, put together from the files beside this one."""

from __future__ import annotations

import typer

from orchestrator.cli import skill_catalog, skill_health, skill_labels, skill_ranking

app = typer.Typer(help="Skills: add, look at, judge, group, learn to find.", no_args_is_help=True)
app.command("add")(skill_catalog.add)
app.command("update")(skill_catalog.update)
app.command("list")(skill_catalog.list_skills)
app.command("show")(skill_catalog.show)
app.command("scan")(skill_health.scan)
app.command("allow")(skill_catalog.allow)
app.command("remove")(skill_catalog.remove)
app.command("copies")(skill_health.copies)
app.command("groups")(skill_health.groups)
app.command("doctor")(skill_health.doctor)
app.command("labels")(skill_labels.labels)
app.command("train")(skill_ranking.train)
app.command("index")(skill_ranking.index)
app.command("search")(skill_ranking.search)
