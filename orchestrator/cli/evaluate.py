"""`antroute evaluate`: judges trained routers, and names that are fitted first, on held-out queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.artifacts import encoder_named
from orchestrator.cli.offline import LARGEST_SEED, EncoderName, Kind, KindName, LargeName, SmallName
from orchestrator.terminal import AsJson, note, progress_bar, say, say_json, say_table
from storage.errors import InvalidInput, ServiceError

if TYPE_CHECKING:
    from routing.dataset import Dataset
    from routing.evaluation.log_report import LogReport
    from routing.evaluation.results import Report, View
    from routing.forecasts import Inputs, Predictor
    from skills.encoder import Encoder
    from skills.progress import Progress

NOTHING_JUDGED = 1  # exit code


class HeldOut(StrEnum):
    """Splits that may be judged on."""

    DEV = "dev"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What `--router` names: folders of trained routers by the name they are shown under, and routers to be fitted."""

    folders: Mapping[str, Path]
    names: tuple[str, ...]
    references: tuple[str, ...]  # which are reported anyway

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.folders, *self.names)


def evaluate(
    data: Annotated[Path, typer.Option("--data", help="A folder of training data; check it: antroute data validate.")],
    router: Annotated[
        str, typer.Option("--router", help="Folders made by train, and names to fit first, with commas between.")
    ],
    report: Annotated[
        Path | None, typer.Option("--report", help="The folder for report.html, report.json and pictures.")
    ] = None,
    split: Annotated[HeldOut, typer.Option("--split", help="The queries to judge on.")] = HeldOut.DEV,
    with_labels: Annotated[
        bool, typer.Option("--with-labels", help="Put the routers' figures with task labels first.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Of fitting and resampling.")] = 0,
    encoder: EncoderName = "auto",
    kind: KindName = Kind.OUTCOMES,
    small: SmallName = None,
    large: LargeName = None,
    as_json: AsJson = False,
) -> None:
    """Judges routers beside random, cheapest, best single, task table, kNN and an oracle; writes a report.

    With --kind steps: step policies (folders) beside fixed schedules and an oracle; --report is optional.
    """
    if kind is Kind.STEPS:
        from orchestrator.cli.steps import evaluate_steps

        return evaluate_steps(
            data=data, router=router, small=small, large=large, split=split.value, report=report, as_json=as_json
        )
    if report is None:
        raise InvalidInput("--report is needed: the folder for the report and its pictures.", field="report")
    _evaluate_routers(
        data=data, router=router, report=report, split=split, with_labels=with_labels, seed=seed, encoder=encoder,
        as_json=as_json,
    )  # fmt: skip


def _evaluate_routers(
    *,
    data: Path,
    router: str,
    report: Path,
    split: HeldOut,
    with_labels: bool,
    seed: int,
    encoder: str,
    as_json: bool,
) -> None:
    from routing.evaluation.report import write_report
    from routing.evaluation.results import plain

    with progress_bar() as on_progress:
        asked = _asked(router)
        found = _judged(asked, data, split, seed=seed, encoder=encoder, on_progress=on_progress)
        found = replace(found, asked=asked.all, headline="with_labels" if with_labels else "text_only")
        on_progress(0, 1, "writing the report")
        files = write_report(found, report)
        on_progress(1, 1, "writing the report")
    for line in found.notes:
        note(f"note: {line}")
    if as_json:
        say_json(plain(found))
    else:
        _tell(found)
        say(f"Report: {files.page}")
    if asked.all and all(name in found.failures for name in asked.all):
        raise typer.Exit(NOTHING_JUDGED)


def _asked(text: str) -> Asked:
    """Raises InvalidInput, and UnknownRouter, which names the nearest."""
    from routing.artifacts import MANIFEST_FILE
    from routing.evaluation.references import REFERENCES
    from routing.training.fitting import AUTO_ROUTERS
    from routing.training.registry import AUTO, trainer

    parts = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise InvalidInput(
            f"--router {text!r} names no router; name folders or names, such as graph,knn.", field="router"
        )
    folders: dict[str, Path] = {}
    names: list[str] = []
    for part in parts:
        path = Path(part)
        if "/" in part or (path / MANIFEST_FILE).is_file():
            is_taken = path.name in (*folders, *names, *REFERENCES, "") or path.name in parts
            folders[str(path) if is_taken else path.name] = path
        elif part == AUTO:
            names += AUTO_ROUTERS
        else:
            if part not in REFERENCES:
                trainer(part)
            names.append(part)
    return Asked(
        folders=folders,
        names=tuple(name for name in dict.fromkeys(names) if name not in REFERENCES),
        references=tuple(name for name in names if name in REFERENCES),
    )


def _judged(asked: Asked, folder: Path, split: HeldOut, *, seed: int, encoder: str, on_progress: Progress) -> Report:
    from orchestrator.settings import load_settings
    from routing.evaluation.evaluate import check_candidates
    from routing.evaluation.evaluate import evaluate as judge
    from routing.training.embedding import inputs_of
    from routing.training.files import read_dataset

    chosen, notes = _encoder(asked, encoder)
    loaded, others = _loaded(asked.folders, chosen)
    data = read_dataset(folder, on_progress=on_progress)
    for name, router in loaded.items():
        check_candidates(name, router, data.candidates)  # before the work
    inputs = inputs_of(data, chosen, cache_dir=load_settings().cache_dir / "embeddings", on_progress=on_progress)
    train, dev = data.places_of("train"), data.places_of("test" if split == HeldOut.TEST else "dev")
    if not len(dev):
        raise InvalidInput(f"{str(folder)!r} has no queries of split {split.value!r} to judge on.", field="split")
    fitted, failures = _fitted(asked.names, data.rows(train), inputs.take(train), seed=seed, on_progress=on_progress)
    report = judge(
        {**loaded, **fitted}, data.rows(train), data.rows(dev), inputs.take(dev), seed=seed, on_progress=on_progress
    )
    notes += [
        f"{name} was trained on other data (digest {digest[:12]}…; here {data.digest[:12]}…)."
        for name, digest in others.items()
        if digest != data.digest
    ]
    return replace(
        report,
        encoder=chosen.name,
        failures={**failures, **report.failures},
        notes=(*report.notes, *notes),
    )


def _encoder(asked: Asked, name: str) -> tuple[Encoder, list[str]]:
    """That of the first folder unless another is named; and what is to be told of it."""
    from orchestrator.settings import load_settings
    from routing.artifacts import read_manifest
    from routing.registry import AUTO, choose_encoder

    if name == AUTO and asked.folders:
        return encoder_named(read_manifest(next(iter(asked.folders.values())))[0].encoder), []
    choice = choose_encoder(name, cache_dir=load_settings().encoder_dir)
    if choice.fallback_reason is None:
        return choice.encoder, []
    return choice.encoder, [f"No sentence encoder, so texts are hashed words: {choice.fallback_reason}"]


def _loaded(folders: Mapping[str, Path], encoder: Encoder) -> tuple[dict[str, Predictor], dict[str, str]]:
    """Name to router, and to the digest of the data it was trained on. Raises ArtifactRefused."""
    from routing.artifacts import load

    artifacts = {name: load(folder, encoder=encoder.name) for name, folder in folders.items()}
    return (
        {name: artifact.predictor for name, artifact in artifacts.items()},
        {name: artifact.manifest.data_digest for name, artifact in artifacts.items()},
    )


def _fitted(
    names: Sequence[str], train: Dataset, inputs: Inputs, *, seed: int, on_progress: Progress
) -> tuple[dict[str, Predictor], dict[str, str]]:
    """kNN is fitted in any case, as a rival; and the reason why, of each that could not be fitted."""
    from routing.evaluation.gate import KNN
    from routing.training.fits import fit_one

    fitted: dict[str, Predictor] = {}
    failures: dict[str, str] = {}
    wanted = tuple(dict.fromkeys((*names, KNN)))
    for done, name in enumerate(wanted):
        on_progress(done, len(wanted), "routers fitted")
        try:
            fitted[name] = fit_one(name, train, inputs, seed=seed, on_progress=on_progress).predictor
        except ServiceError as error:  # one that cannot learn from this data must not keep the others away
            failures[name] = f"It could not be fitted: {error}"
    on_progress(len(wanted), len(wanted), "routers fitted")
    return fitted, failures


def _tell(report: Report) -> None:
    from routing.evaluation.headline import headline

    if report.log is not None:
        _tell_log(report.log)
    elif report.main_view is not None:
        _tell_view(report, report.main_view)
    for name, reason in report.failures.items():
        say(f"not judged: {name}: {reason}")
    for sentence in headline(report):
        say(sentence)


def _tell_view(report: Report, view: View) -> None:
    from routing.evaluation.references import TABLE

    rows = []
    for name, standing in sorted(view.standings.items(), key=lambda item: -item[1].scores.utility_area):
        scores, beside = standing.scores, standing.comparisons.get(TABLE)
        thrift, errors = standing.thrift, standing.calibration_of_all
        rows.append(
            [
                name,
                f"{scores.utility_area:.4f}",
                f"{beside.utility_area.mean:+.4f}" if beside else "",
                f"{scores.quality:.4f}",
                _share(scores.cost_share),
                "not reached" if thrift is None else _share(thrift.point.cost_share),
                f"{scores.regret:.4f}",
                f"{errors.ece:.3f}" if errors else "",
                "" if standing.gate is None else "passed" if standing.gate.is_passed else "not passed",
            ]
        )
    sight = "with task labels" if view.shows_labels else "text only"
    queries = f"{report.data.queries} {report.data.split} queries, {sight}"
    say_table(
        ["router", "utility area", "vs table", "quality", "spend", "spend at best's quality", "regret", "ECE", "gate"],
        rows,
        title=f"{queries}; quality and spend (of best single's) at λ = 0",
    )


def _tell_log(log: LogReport) -> None:
    from routing.evaluation.off_policy import Refusal

    rows = []
    for name, standing in log.routers.items():
        found = standing.quality
        if isinstance(found, Refusal):
            figures = ["refused", "", ""]
        else:
            figures = ["" if each is None else f"{each.value:.4f}" for each in (found.ips, found.snips, found.dr)]
        rows.append([name, *figures, f"{found.support.effective_sample_size:.0f}"])
    say_table(
        ["router", "IPS", "SNIPS", "doubly robust", "worth decisions"],
        rows,
        title=f"Quality at λ = 0, estimated from {log.decisions} logged decisions",
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
