"""`antroute train`, and `antroute route --router`: trained routers on files, without a service."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.artifacts import check_target, encoder_named
from orchestrator.terminal import AsJson, note, progress_bar, say, say_json

if TYPE_CHECKING:
    from routing.training.fits import FitAll
    from routing.training.fitting import Trained

LARGEST_SEED = 2**31 - 1  # of a seed, so that every library takes it and what is drawn from it
MOST_FOLDS = 20


class Kind(StrEnum):
    """What is learned from: outcomes of whole queries, or trajectories step by step."""

    OUTCOMES = "outcomes"
    STEPS = "steps"


KindName = Annotated[Kind, typer.Option("--kind", help="Learn from outcomes of queries, or from steps of episodes.")]
SmallName = Annotated[str | None, typer.Option("--small", help="With --kind steps: the cheap candidate.")]
LargeName = Annotated[str | None, typer.Option("--large", help="With --kind steps: the strong candidate.")]
EncoderName = Annotated[str, typer.Option("--encoder", help="minilm, hashing, hub:ORG/NAME, tuned:DIR, auto.")]


def route_queries(
    *,
    router: Path,
    candidates: Path | None,
    source: Path,
    target: Path,
    weights: str,
    explore: float,
    seed: int,
    as_json: bool,
) -> None:
    """Routes a file of queries with a trained router."""
    from routing.artifacts import load, read_manifest
    from routing.offline import Exploration, OfflineRouter, parse_weights, route_file
    from routing.training.listings import cards_of

    wanted = parse_weights(weights)
    cards = cards_of(candidates) if candidates else None
    encoder = encoder_named(read_manifest(router)[0].encoder)
    artifact = load(router, encoder=encoder.name)
    routing = OfflineRouter(
        artifact,
        encoder,
        candidates=[card.id for card in cards] if cards else None,
        weights=wanted,
        exploration=Exploration(share=explore, seed=seed),
    )
    with progress_bar() as on_progress:
        counts = route_file(routing, source, target, on_progress=on_progress)
    if as_json:
        say_json({"router": artifact.sha256, "output": str(target), "share": counts})
        return
    total = sum(counts.values())
    say(f"{total} queries routed by {artifact.manifest.kind} {artifact.sha256[:12]}; written to {target}")
    for candidate, count in sorted(counts.items(), key=lambda item: -item[1]):
        say(f"  {count / total:6.1%}  {candidate}")


def train(
    data: Annotated[Path, typer.Option("--data", help="A folder of training data; check it: antroute data validate.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to make, for the trained router.")],
    router: Annotated[str, typer.Option("--router", help="A router's name, or auto: the best one found.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED)] = 0,
    folds: Annotated[
        int, typer.Option("--folds", min=0, max=MOST_FOLDS, help="Of cross-validation on train; 0: judge on dev only.")
    ] = 3,
    encoder: EncoderName = "auto",
    ray: Annotated[str | None, typer.Option("--ray", help="Fit side by side on Ray: local, or an address.")] = None,
    kind: KindName = Kind.OUTCOMES,
    small: SmallName = None,
    large: LargeName = None,
    candidates: Annotated[
        str | None, typer.Option("--candidates", help="With --kind steps: A,B,… beside small and large, or all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trains a router on a folder of outcomes, judged on its dev queries; or a step policy on trajectories."""
    if kind is Kind.STEPS:
        from orchestrator.cli.steps import train_steps

        return train_steps(
            data=data, out=out, router=router, small=small, large=large, candidates=candidates, encoder=encoder,
            seed=seed, as_json=as_json,
        )  # fmt: skip
    _train_router(data=data, out=out, router=router, seed=seed, folds=folds, encoder=encoder, ray=ray, as_json=as_json)


def _train_router(
    *, data: Path, out: Path, router: str, seed: int, folds: int, encoder: str, ray: str | None, as_json: bool
) -> None:
    from orchestrator.settings import load_settings
    from routing.artifacts import save
    from routing.registry import choose_encoder
    from routing.training.embedding import inputs_of
    from routing.training.files import read_dataset
    from routing.training.fits import fit_in_turn
    from routing.training.fitting import TrainingOptions
    from routing.training.fitting import train as trained_on
    from routing.training.registry import AUTO, trainer

    if router != AUTO:
        trainer(router)
    check_target(out)
    settings = load_settings()
    with progress_bar() as on_progress, ExitStack() as cluster:
        dataset = read_dataset(data, on_progress=on_progress)
        chosen = choose_encoder(encoder, cache_dir=settings.encoder_dir)
        if chosen.fallback_reason:
            note(f"note: no sentence encoder, learning from hashed words: {chosen.fallback_reason}")
        inputs = inputs_of(
            dataset, chosen.encoder, cache_dir=settings.cache_dir / "embeddings", on_progress=on_progress
        )
        fit_all: FitAll = fit_in_turn
        if ray is not None:
            from routing.training.distributed import fit_on_ray, ray_cluster

            cluster.enter_context(ray_cluster(ray))
            fit_all = fit_on_ray
        options = TrainingOptions(seed=seed, folds=folds, fit_all=fit_all, on_progress=on_progress)
        trained = trained_on(router, dataset, inputs, chosen.encoder, options)
    artifact = save(out, trained.predictor, trained.manifest, memory=trained.memory)
    summary = _summary(trained, artifact.sha256, out)
    if as_json:
        say_json(summary)
        return
    _tell(trained, artifact.sha256, out)


def adapt(
    router: Annotated[Path, typer.Option("--router", help="A trained router's folder.")],
    candidates: Annotated[Path, typer.Option("--candidates", help="The newcomers' cards: a candidates.json.")],
    outcomes: Annotated[Path, typer.Option("--outcomes", help="A few outcomes of theirs; 64 each are plenty.")],
    queries: Annotated[Path, typer.Option("--queries", help="The queries of these outcomes, JSONL.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to make, for the router that knows them.")],
    as_json: AsJson = False,
) -> None:
    """Teaches a trained router new candidates from a few outcomes; takes seconds and trains nothing again."""
    from routing.artifacts import load, read_manifest, save
    from routing.features import excerpt
    from routing.forecasts import Inputs
    from routing.training.adapting import adapt as taught
    from routing.training.adapting import read_probes

    check_target(out)
    encoder = encoder_named(read_manifest(router)[0].encoder)
    artifact = load(router, encoder=encoder.name)
    probes = read_probes(artifact.predictor.candidates, candidates, outcomes, queries)
    inputs = Inputs(
        texts=probes.texts, embeddings=encoder.encode([excerpt(text) for text in probes.texts]), tasks=probes.tasks
    )
    predictor, manifest = taught(artifact, probes, inputs)
    saved = save(out, predictor, manifest, memory=artifact.memory)
    counts = manifest.metrics["probes"]
    if as_json:
        say_json({"out": str(out), "sha256": saved.sha256, "parent_sha256": artifact.sha256, "probes": counts})
        return
    for candidate, count in counts.items():
        say(f"{candidate}: learned from {count} outcomes")
    say(f"Router {saved.sha256[:12]} over {len(predictor.candidates)} candidates is in {out}")


def _summary(trained: Trained, sha256: str, out: Path) -> dict[str, object]:
    views = {} if trained.report is None else {"text_only": trained.report.text_only}
    areas = {
        name: standing.scores.utility_area
        for view in views.values()
        if view is not None
        for name, standing in view.standings.items()
    }
    return {
        "router": trained.name,
        "sha256": sha256,
        "out": str(out),
        "candidates": list(trained.predictor.candidates),
        "fit_seconds": {name: round(fitted.seconds, 2) for name, fitted in trained.fitted.items()},
        "dev_utility_area": areas,
        "metrics": trained.manifest.metrics,
    }


def _tell(trained: Trained, sha256: str, out: Path) -> None:
    from orchestrator.terminal import say_table

    report = trained.report
    if report is not None and report.text_only is not None:
        rows = [
            [
                f"{name}{' (kept)' if name == trained.name else ''}",
                f"{standing.scores.utility_area:.4f}",
                _cross_validated(trained, name),
                f"{standing.scores.quality:.4f}",
                "" if standing.scores.cost_share is None else f"{standing.scores.cost_share:.2f}",
                f"{trained.fitted[name].seconds:.1f}" if name in trained.fitted else "",
            ]
            for name, standing in sorted(
                report.text_only.standings.items(), key=lambda item: -item[1].scores.utility_area
            )
        ]
        say(f"Utility areas, text only; on {report.data.queries} dev queries also quality and cost (of best single's)")
        say("where cost weighs nothing.")
        say_table(["router", "area on dev", "cross-validated", "quality", "cost share", "fit seconds"], rows)
    say(f"Router {trained.name} {sha256[:12]} over {len(trained.predictor.candidates)} candidates is in {out}")
    gate = trained.manifest.metrics.get("gate")
    if isinstance(gate, Mapping):
        say(f"Gate: {gate['reason']}")
    say(f"Next: antroute evaluate --data DATA --router {out} --report REPORT; antroute routers promote {out}")


def _cross_validated(trained: Trained, name: str) -> str:
    areas = {} if trained.evidence is None else trained.evidence.cross_validated
    return f"{areas[name].mean():.4f}" if len(areas.get(name, ())) else ""
