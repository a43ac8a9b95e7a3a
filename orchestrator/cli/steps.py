"""`antroute train` and `antroute evaluate` with `--kind steps`: step policies on trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.terminal import note, progress_bar, say, say_json, say_table
from storage.errors import InvalidInput

if TYPE_CHECKING:
    from routing.dataset import Split
    from routing.steps.artifact import StepArtifact
    from routing.steps.episodes import CheckedTrajectories, Trajectories
    from routing.steps.evaluation import StepReport
    from routing.steps.training import StepInputs
    from skills.encoder import Encoder
    from skills.progress import Progress

ALL = "all"  # as the list of candidates: whoever has prices
NO_VECTORS = "none"  # as the encoder: texts are seen by cheap signals alone
TOLD_SHARES = (0.05, 0.1, 0.25, 0.5, 0.6, 0.75, 1.0)
PICTURE = "frontier.png"
JSON_REPORT = "report.json"


def train_steps(
    *,
    data: Path,
    out: Path,
    router: str,
    small: str | None,
    large: str | None,
    candidates: str | None,
    encoder: str,
    seed: int,
    as_json: bool,
) -> None:
    """Trains a step policy; `auto` is the default one. Raises InvalidInput, UnknownRouter."""
    from orchestrator.cli.artifacts import check_target
    from routing.steps.artifact import save
    from routing.steps.episodes import chosen_candidates, read_trajectories
    from routing.steps.training import DEFAULT, StepOptions, check_router, train

    name = DEFAULT if router == "auto" else router
    check_router(name)
    pair = _pair(small, large)
    check_target(out)
    with progress_bar() as on_progress:
        trajectories = read_trajectories(data, on_progress=on_progress)
        chosen_candidates(trajectories, pair)
        among, left_out = chosen_candidates(trajectories, _named(candidates, pair))
        if left_out:
            note(f"note: left out, for their episodes have no prices: {_listed(left_out)}")
        inputs = _inputs(trajectories, encoder, on_progress)
        options = StepOptions(small=pair[0], large=pair[1], candidates=among, seed=seed)
        artifact = save(out, train(name, inputs, options, on_progress=on_progress))
    if as_json:
        say_json(_summary(artifact, out))
    else:
        _tell(artifact, data, out)


def evaluate_steps(
    *,
    data: Path,
    router: str,
    small: str | None,
    large: str | None,
    split: Split,
    report: Path | None,
    as_json: bool,
) -> None:
    """Judges step policies beside every baseline. Raises InvalidInput, ArtifactRefused."""
    from routing.steps.artifact import load
    from routing.steps.episodes import chosen_candidates, read_trajectories
    from routing.steps.evaluation import evaluate

    pair = _pair(small, large)
    folders = [Path(part.strip()) for part in router.split(",") if part.strip()]
    if not folders:
        raise InvalidInput(
            f"--router {router!r} names no folder made by `antroute train --kind steps`.", field="router"
        )
    artifacts = {_shown(folder, folders): load(folder) for folder in dict.fromkeys(folders)}
    with progress_bar() as on_progress:
        trajectories = read_trajectories(data, on_progress=on_progress)
        chosen_candidates(trajectories, pair)
        inputs = _inputs_for(artifacts, trajectories, on_progress)
        found = evaluate(artifacts, inputs, small=pair[0], large=pair[1], split=split, on_progress=on_progress)
    for name, artifact in artifacts.items():
        if artifact.manifest.data_digest != trajectories.digest:
            note(f"note: {name} was trained on other data (digest {artifact.manifest.data_digest[:12]}…).")
    if report is not None:
        _write_report(found, report)
    if as_json:
        say_json(found.plain())
        return
    _tell_report(found)
    if report is not None:
        say(f"Picture: {report / PICTURE}; all settings: {report / JSON_REPORT}")


def validate_steps(folder: Path, on_progress: Progress) -> CheckedTrajectories:
    """For `antroute data validate`."""
    from routing.steps.episodes import check_trajectories

    return check_trajectories(folder, on_progress=on_progress)


def trajectories_view(data: Trajectories) -> dict[str, Any]:
    """What a folder of trajectories holds, as `antroute data validate` tells it."""
    splits = [task.split for task in data.tasks]
    return {
        "tasks": len(splits),
        "splits": {split: splits.count(split) for split in ("train", "dev", "test")},
        "candidates": len(data.candidates),
        "priced_candidates": list(data.priced),
        "episodes": len(data.episodes),
        "digest": data.digest,
    }


def _pair(small: str | None, large: str | None) -> tuple[str, str]:
    if not small or not large:
        raise InvalidInput(
            "--kind steps needs --small and --large: the cheap candidate and the strong one.",
            field="large" if small else "small",
            hint="The candidates are those of the folder's candidates.json.",
        )
    return small, large


def _named(candidates: str | None, pair: tuple[str, str]) -> list[str] | None:
    if candidates is None:
        return list(pair)
    if candidates.strip() == ALL:
        return None
    return [part.strip() for part in candidates.split(",") if part.strip()]


def _inputs(trajectories: Trajectories, encoder: str, on_progress: Progress) -> StepInputs:
    from orchestrator.settings import load_settings
    from routing.registry import choose_encoder
    from routing.steps.training import StepInputs

    if encoder == NO_VECTORS:
        return StepInputs(data=trajectories)
    chosen = choose_encoder(encoder, cache_dir=load_settings().encoder_dir)
    if chosen.fallback_reason:
        note(f"note: no sentence encoder, texts are hashed words: {chosen.fallback_reason}")
    return _embedded(trajectories, chosen.encoder, on_progress)


def _inputs_for(artifacts: dict[str, StepArtifact], trajectories: Trajectories, on_progress: Progress) -> StepInputs:
    """With the vectors that the policies were trained with. Raises ArtifactRefused where these differ."""
    from orchestrator.cli.artifacts import encoder_named
    from routing.errors import ArtifactRefused
    from routing.steps.training import StepInputs

    names = {artifact.manifest.encoder for artifact in artifacts.values() if artifact.manifest.encoder}
    if not names:
        return StepInputs(data=trajectories)
    wanted = sorted(names)[0]
    encoder = encoder_named(wanted)
    if encoder.name != wanted or len(names) > 1:
        raise ArtifactRefused(
            f"The step policies were trained with the encoders {sorted(names)}; here is {encoder.name!r}.",
            hint="Judge those of one encoder at a time, or train again with this one.",
        )
    return _embedded(trajectories, encoder, on_progress)


def _embedded(trajectories: Trajectories, encoder: Encoder, on_progress: Progress) -> StepInputs:
    from orchestrator.settings import load_settings
    from routing.features import excerpt
    from routing.steps.training import StepInputs
    from skills.embedding import embed

    texts = [excerpt(task.text) for task in trajectories.tasks]
    vectors = embed(texts, encoder, cache_dir=load_settings().cache_dir / "embeddings", on_progress=on_progress)
    return StepInputs(
        data=trajectories,
        vectors=dict(zip((task.id for task in trajectories.tasks), vectors, strict=True)),
        encoder=encoder.name,
    )


def _shown(folder: Path, folders: Sequence[Path]) -> str:
    """The folder's name, or its path where another one has the same name."""
    return str(folder) if [each.name for each in folders].count(folder.name) > 1 else folder.name or str(folder)


def _summary(artifact: StepArtifact, out: Path) -> dict[str, Any]:
    manifest = artifact.manifest
    return {
        "router": manifest.kind,
        "sha256": artifact.sha256,
        "out": str(out),
        "candidates": list(manifest.candidates),
        "order": [manifest.candidates[place] for place in manifest.order],
        "unit_usd": manifest.unit_usd,
        "least_usd": artifact.mask.cheapest_completion * manifest.unit_usd,
        "tasks": dict(manifest.task_counts),
        "metrics": dict(manifest.metrics),
    }


def _tell(artifact: StepArtifact, data: Path, out: Path) -> None:
    manifest = artifact.manifest
    rows = [
        [
            f"{row['weight']:g}", f"{row['success']:.3f}", f"{row['cost_units']:.3f}",
            f"{row['cheapest_step_share']:.0%}", "" if row["hard_success"] is None else f"{row['hard_success']:.3f}",
        ]
        for row in manifest.metrics["on_train"]
    ]  # fmt: skip
    columns = ["weight of cost", "success", "cost (large = 1)", "steps of the cheapest", "success where small fails"]
    say_table(columns, rows, title=f"On the {manifest.task_counts['train']} tasks it learned from")
    if manifest.metrics["is_collapsed"]:
        say("Warning: it hardly takes anything but the cheapest candidate, even where cost weighs little.")
    say(f"Step policy {manifest.kind} {artifact.sha256[:12]} over {_listed(manifest.candidates)} is in {out}")
    say(
        f"Next: antroute evaluate --kind steps --data {data} --router {out}"
        f" --small {manifest.small} --large {manifest.large}"
    )


def _tell_report(report: StepReport) -> None:
    import numpy as np

    from routing.steps.frontier import success_at

    rows = []
    for name, settings in {**report.routers, **report.baselines}.items():
        points = report.frontier(settings)
        costs = np.array([point.cost_share for point in points])
        successes = np.array([point.success for point in points])
        dearest = float(costs.max())
        cells = [f"{success_at(costs, successes, share):.3f}" for share in TOLD_SHARES]
        best = points[int(successes.argmax())]
        rows.append([name, *cells, f"{best.success:.3f} at {best.cost_share:.2f}", f"{dearest:.2f}"])
    say_table(
        ["policy", *(f"at {share:g}" for share in TOLD_SHARES), "best", "dearest"],
        rows,
        title=(
            f"Success on {report.tasks} {report.split} tasks at a cost, in shares of always-large"
            f" (${report.large_usd.mean():.4f} a task); between settings: mixed at random"
        ),
    )
    if report.left_out:
        say(f"Left out: {report.left_out} tasks that one of the candidates has no episode of.")


def _write_report(report: StepReport, folder: Path) -> None:
    """Raises InvalidInput where the folder cannot be written."""
    import json

    from routing.evaluation.plots import share_frontier

    lines = {
        name: [(point.cost_share, point.success) for point in report.frontier(settings)]
        for name, settings in {**report.routers, **report.baselines}.items()
        if name != "random-escalation"  # a cloud of its own
    }
    picture = share_frontier(lines, bold=list(report.routers))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PICTURE).write_bytes(picture)
        (folder / JSON_REPORT).write_text(json.dumps(report.plain(), indent=1) + "\n", encoding="utf-8")
    except OSError as exc:
        raise InvalidInput(f"{str(folder)!r} cannot be written: {exc}; name another folder.", field="report") from exc


def _listed(names: Sequence[str]) -> str:
    some = ", ".join(names[:8])
    return some if len(names) <= 8 else f"{some} and {len(names) - 8} more"
