"""`antroute skills train|index|search`: learns a ranker, makes an index of a pool, and searches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.artifacts import check_target
from orchestrator.cli.offline import LARGEST_SEED, EncoderName
from orchestrator.cli.skill_catalog import line_of
from orchestrator.terminal import AsJson, note, progress_bar, say, say_json, say_table
from storage.errors import InvalidInput

if TYPE_CHECKING:
    from orchestrator.index_files import IndexFiles
    from skills.base import Skill, SkillSearch
    from skills.encoder import Encoder
    from skills.index.building import IndexChange
    from skills.progress import Progress
    from skills.training.queries import QueryFile
    from skills.training.train import TrainedRanker
    from skills.tuned_layers import TunedLayers

MOST_HITS = 1_000
TOLD_REFUSED = 5  # lines of a pool, by name; the rest is counted

Pool = Annotated[Path, typer.Option("--pool", help="Skills, one a line: a .jsonl or .jsonl.gz file.")]
Index = Annotated[Path, typer.Option("--index", help="A folder made by `skills index`.")]


def train(
    pool: Pool,
    queries: Annotated[Path, typer.Option("--queries", help="Lines of query_id, text, gold and kind.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to make, for the trained ranker.")],
    encoder: EncoderName = "auto",
    tune: Annotated[
        bool, typer.Option("--tune", help="Tune the encoder's last layers first, with half of the queries.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED)] = 0,
    as_json: AsJson = False,
) -> None:
    """Trains a ranker of skills on a pool and queries with known answers, and judges it on skills it did not see.

    The encoder `auto` is the one that the shipped ranker carries, tuned for skills, where there is one.
    """
    from orchestrator.settings import load_settings
    from skills.training.train import TrainingSettings
    from skills.training.train import train as trained_on

    check_target(out)
    cache_dir = load_settings().cache_dir / "embeddings"
    with progress_bar() as on_progress:
        skills = read_skills(pool)
        read = _queries(queries, skills)
        chosen, layers = _encoder(encoder)
        if tune:
            chosen, layers = _tuned(chosen, skills, read, seed=seed, cache_dir=cache_dir, on_progress=on_progress)
        trained = trained_on(
            skills,
            read,
            chosen,
            cache_dir=cache_dir,
            settings=TrainingSettings.seeded(seed),
            layers=layers,
            on_progress=on_progress,
        )
    sha256 = trained.save(out)
    if as_json:
        say_json({"sha256": sha256, "out": str(out), **trained.report})
        return
    _tell_trained(trained)
    say(f"Ranker {sha256[:12]} is in {out}")
    say(f"Next: antroute skills index --pool {pool} --ranker {out} --out INDEX")


def index(
    pool: Pool,
    out: Annotated[Path, typer.Option("--out", help="The folder of the index; made, or brought up to date.")],
    ranker: Annotated[str, typer.Option("--ranker", help="A folder made by `skills train`, default, or none.")] = (
        "default"
    ),
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="Default: the ranker's own, where it carries one, else routing's.")
    ] = None,
    unscanned: Annotated[
        bool, typer.Option("--unscanned", help="Take in the skills that the scan would quarantine, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Builds an index of a pool's skills; of one that is there what did not change is taken over.

    Skills that the scan would quarantine are left out and told; `antroute skills scan POOL` says why.
    """
    from orchestrator.settings import load_settings
    from skills.index.building import build_index

    files = _files(ranker=ranker, encoder=encoder)
    with progress_bar() as on_progress:
        skills = read_skills(pool)
        kept = skills if unscanned else _harmless(skills, pool, on_progress)
        change = build_index(
            kept,
            out,
            encoder=files.encoder,
            ranker=_checked(files),
            cache_dir=load_settings().cache_dir / "embeddings",  # where `train` has kept those of the same pool
            on_progress=on_progress,
        )
    if as_json:
        say_json({**_index_summary(change, out), "quarantined": len(skills) - len(kept), "scanned": not unscanned})
        return
    standing = "" if change.is_new else "; it was up to date"
    say(f"{change.manifest.skills} skills are in {out} ({change.generation}){standing}: {change.added} added,")
    say(f"{change.updated} changed, {change.removed} removed, {change.unchanged} as before")
    named = change.manifest.ranker
    say(f"Ranker: {'none' if named is None else named.sha256[:12]}; encoder: {change.manifest.encoder}")
    if unscanned:
        say(f"Its texts were not scanned; what is wrong with them is told by: antroute skills scan {pool}")


def search(
    index: Index,
    source: Annotated[Path | None, typer.Option("--input", help="Lines of query_id and text.")] = None,
    target: Annotated[Path | None, typer.Option("--output", help="The file to make: query_id and hits a line.")] = None,
    query: Annotated[str | None, typer.Option("--query", help="One query, for people.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=MOST_HITS)] = 50,
    as_json: AsJson = False,
) -> None:
    """Searches an index: for a file of queries, or for one that is shown with both stages' scores."""
    from orchestrator.skill_search_file import search_file, search_line

    if (query is None) == (source is None) or (source is None) != (target is None):
        raise InvalidInput("Give either --query TEXT, or --input FILE and --output FILE.", field="query")
    if target is not None and source is not None and target.resolve() == source.resolve():
        raise InvalidInput(f"{str(target)!r} holds the queries; name another file for what is found.", field="output")
    opening = _files().open(index)
    if opening.notice:
        note(f"note: {opening.notice}")
    if query is not None:
        found = opening.index.search([query], top=top)[0]
        if as_json:
            say_json(search_line("", found))
        else:
            _tell_search(found)
    elif source is not None and target is not None:
        with progress_bar() as on_progress:
            count = search_file(opening.index, source, target, top=top, on_progress=on_progress)
        summary = {"queries": count, "output": str(target), "index": opening.index.sha256}
        say_json(summary) if as_json else say(f"{count} queries searched; written to {target}")


def read_skills(pool: Path) -> list[Skill]:
    """Those of the file that can be read; the others are told. Raises SkillError, and InvalidInput where none can."""
    from skills.base import Skill
    from skills.libraries.pool import read_pool

    skills: list[Skill] = []
    refused: list[str] = []
    for item in read_pool(pool):
        if isinstance(item, Skill):
            skills.append(item)
        else:
            refused.append(f"{item.where}: {item.reason}")
    for line in refused[:TOLD_REFUSED]:
        note(f"left out: {line_of(line)}")
    if len(refused) > TOLD_REFUSED:
        note(f"left out: {len(refused) - TOLD_REFUSED} more")
    if not skills:
        raise InvalidInput(f"{str(pool)!r} holds no skill that can be read.", field="pool")
    return skills


def _harmless(skills: Sequence[Skill], pool: Path, on_progress: Progress) -> list[Skill]:
    """Without those that the scan would quarantine; they are told. Raises InvalidInput where nothing is left."""
    from skills.safety.scanning import is_quarantined, scan

    kept: list[Skill] = []
    bad: list[Skill] = []
    for place, skill in enumerate(skills, start=1):
        (bad if is_quarantined(scan(skill)) else kept).append(skill)
        on_progress(place, len(skills), "scanning skills")
    for skill in bad[:TOLD_REFUSED]:
        note(f"left out, hostile by the scan: {line_of(skill.skill_id)}")
    if bad:
        more = f"{len(bad)} left out in all; " if len(bad) > TOLD_REFUSED else ""
        note(f"note: {more}why: antroute skills scan {pool}; to take them in: --unscanned")
    if not kept:
        raise InvalidInput(
            f"The scan would quarantine every skill of {str(pool)!r}.", field="pool", hint="--unscanned takes them in."
        )
    return kept


def _queries(path: Path, skills: Sequence[Skill]) -> QueryFile:
    from skills.training.queries import read_queries

    read = read_queries(path, known={skill.skill_id for skill in skills})
    if read.unknown_gold:
        note(f"note: {read.unknown_gold} ids that queries need are not in the pool.")
    if read.dropped:
        note(f"note: {read.dropped} of {read.lines} queries need nothing that the pool has; they are left out.")
    return read


def _encoder(name: str) -> tuple[Encoder, TunedLayers | None]:
    from orchestrator.index_files import default_ranker
    from orchestrator.settings import load_settings
    from routing.registry import TUNED_PREFIX, choose_encoder
    from skills.tuned_layers import read_tuned_layers

    shipped = default_ranker()
    if name == "auto" and shipped is not None and read_tuned_layers(shipped) is not None:
        name = f"{TUNED_PREFIX}{shipped}"
    choice = choose_encoder(name, cache_dir=load_settings().encoder_dir)
    if choice.fallback_reason:
        note(f"note: no sentence encoder, learning from hashed words: {choice.fallback_reason}")
    is_tuned = name.startswith(TUNED_PREFIX)
    return choice.encoder, read_tuned_layers(Path(name.removeprefix(TUNED_PREFIX))) if is_tuned else None


def _tuned(
    encoder: Encoder, skills: Sequence[Skill], read: QueryFile, *, seed: int, cache_dir: Path, on_progress: Progress
) -> tuple[Encoder, TunedLayers]:
    from orchestrator.settings import load_settings
    from routing.encoders.tuned import TunedMiniLM
    from skills.training.encoder_tuning import TuningSettings, tune_for
    from skills.training.encoder_tuning_pairs import tuning_half
    from skills.tuned_layers import TunableEncoder

    if not isinstance(encoder, TunableEncoder):
        raise InvalidInput(f"The encoder {encoder.name!r} cannot be tuned; minilm can.", field="encoder")
    own, _ = tuning_half(read.queries, seed=seed)
    layers = tune_for(
        skills,
        [query for query in read.queries if query.query_id in own],
        encoder=encoder,
        settings=TuningSettings(seed=seed),
        cache_dir=cache_dir,
        on_progress=on_progress,
    )
    return TunedMiniLM(layers, cache_dir=load_settings().encoder_dir), layers


def _files(*, ranker: str | None = None, encoder: str | None = None) -> IndexFiles:
    from orchestrator.index_files import IndexFiles
    from orchestrator.settings import load_settings
    from routing.registry import choose_encoder

    settings = load_settings()
    chosen = settings.skills
    if ranker is not None:
        chosen = chosen.model_copy(update={"ranker": ranker if ranker in ("default", "none") else Path(ranker)})
    if encoder is not None:
        chosen = chosen.model_copy(update={"encoder": encoder})
    shared = choose_encoder(settings.encoder, cache_dir=settings.encoder_dir).encoder
    return IndexFiles(chosen, encoder=shared, encoder_dir=settings.encoder_dir)


def _checked(files: IndexFiles) -> Path | None:
    """The ranker's folder, once it has answered: before the work. Raises RankerRefused."""
    from skills.ranking.ranker import load_ranker

    if files.ranker is not None:
        load_ranker(files.ranker, encoder=files.encoder.name)
    return files.ranker


def _index_summary(change: IndexChange, out: Path) -> dict[str, object]:
    named = change.manifest.ranker
    return {
        "out": str(out),
        "generation": change.generation,
        "skills": change.manifest.skills,
        "added": change.added,
        "updated": change.updated,
        "removed": change.removed,
        "unchanged": change.unchanged,
        "encoder": change.manifest.encoder,
        "ranker_sha256": None if named is None else named.sha256,
        "seconds": dict(change.manifest.seconds),
    }


def _tell_trained(trained: TrainedRanker) -> None:
    for name, title in (
        ("text", "By texts alone, on skills whose queries were held out"),
        ("memory", "With the memory of past queries, on queries that were held out"),
    ):
        metrics = trained.report["metrics"][name]
        if metrics is not None:
            say_table(
                ["queries of kind", "queries", "hit@1", "recall@50", "nDCG@10", "complete@10"],
                [row for kind in metrics["ranker"] for row in _measure_rows(kind, metrics)],
                title=f"{title}: first stage → ranker",
            )


def _measure_rows(kind: str, metrics: Mapping[str, Any]) -> list[list[str]]:
    before, after = metrics["first_stage"][kind], metrics["ranker"][kind]
    names = ("hit_at_1", "recall_at_50", "ndcg_at_10", "complete_at_10")
    return [[kind, str(after["queries"]), *(f"{before[name]:.3f} → {after[name]:.3f}" for name in names)]]


def _tell_search(found: SkillSearch) -> None:
    if not found.hits:
        say("Nothing found.")
        return
    rows = [
        [
            str(hit.rank),
            line_of(hit.skill_id),
            line_of(hit.name),
            f"{hit.retrieval:.4f}",
            "" if hit.rerank is None else f"{hit.rerank:.4f}",
        ]
        for hit in found.hits
    ]
    say_table(["rank", "skill", "name", "retrieval", "rerank"], rows)
    if found.fit_probability is not None:
        say(f"The first one fits with a probability of {found.fit_probability:.2f}")
