"""A local model answers with the text of a skill that was found among all skills of a pool.

python examples/skills_agent.py                                # twelve skills of examples/skills
python examples/skills_agent.py --pool pool.jsonl.gz --ask "…" # a pool of your own; read and indexed once, then kept
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from orchestrator import Orchestrator, Run
from orchestrator.explain_trace import trace_lines
from orchestrator.settings import load_settings

OWN_SKILLS = Path(__file__).parent / "skills"
QUESTION = "Nobody can log in at Alder Quay. Which level of incident is that, and how fast must somebody answer?"


async def main(chosen: argparse.Namespace) -> None:
    kept = chosen.keep or load_settings().cache_dir / "skills_agent"
    kept.mkdir(parents=True, exist_ok=True)
    model = {"provider": "local", "file": fetched(chosen.model), "timeout_seconds": 600}
    settings = {
        "store_url": f"sqlite:///{kept / 'antroute.db'}",
        "skills": {"index": str(kept / "index"), "ranker": chosen.ranker, "least_fit": chosen.least_fit},
        "models": {"local": model},
        "candidates": [
            {"agent": "skilled", "model": "local", "found_skills": chosen.shown},
            {"agent": "single_turn", "model": "local"},
        ],
        "model_threads": chosen.threads,
        "budget": {"run_timeout_seconds": 600},
    }
    async with Orchestrator(load_settings(**settings)) as antroute:
        for pool in chosen.pool or [OWN_SKILLS]:
            await read(antroute, pool, kept)
        for question in chosen.ask or [QUESTION]:
            run = await asked(antroute, question, "skilled/local+found")
            print(*trace_lines(await antroute.trace(run.run_id)), sep="\n")
            if chosen.compare:
                await asked(antroute, question, "single_turn/local")


async def read(antroute: Orchestrator, pool: Path, kept: Path) -> None:
    """Into catalogue and index, unless it is there: a second time, it is not even opened."""
    from skills.registry import make_source, source_kind

    options = {"folder": {"folder": pool}, "pool": {"path": pool}}
    kind = source_kind(str(pool))
    source = make_source(kind, **options[kind])
    mark = kept / f"{source.name}.read"
    if is_read(mark, pool):
        return
    started = time.monotonic()
    change = await antroute.skills.add(source, on_progress=progress)
    mark.write_text(state_of(pool))
    print(
        f"\nRead {pool}: {len(change.added)} skills added, {len(change.quarantined)} of them quarantined,"
        f" {len(change.refused)} refused; index: {change.index}; {time.monotonic() - started:.1f} s"
    )


def is_read(mark: Path, pool: Path) -> bool:
    """Whether all of the pool was read, as it is now."""
    return mark.exists() and mark.read_text() == state_of(pool)


def state_of(pool: Path) -> str:
    return str(pool.stat().st_mtime_ns)


async def asked(antroute: Orchestrator, question: str, candidate: str) -> Run:
    run = await antroute.run(question, candidate=candidate)
    print(f"\nQ  {question}\nA  {run.answer}\n   by {candidate}\n")
    return run


def fetched(model: str) -> str:
    """The file of the model, fetched where it is not here yet."""
    from agents.model_files import MODEL_FILES, fetch

    return str(fetch(model, load_settings().model_dir, on_progress=progress)) if model in MODEL_FILES else model


def progress(done: int, total: int, what: str) -> None:
    """On a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{what}: {done:,}" + (f" of {total:,}" if total else "") + " " * 12, end="", file=sys.stderr)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pool", type=Path, action="append", help="a .jsonl or .jsonl.gz pool, or a folder of SKILL.md"
    )
    parser.add_argument("--ask", action="append", help="a question; several may be given")
    parser.add_argument("--model", default="qwen2.5-coder-1.5b", help="of `antroute models list`, or a .gguf file")
    parser.add_argument("--shown", type=int, default=1, help="skills that the model reads (at most 2)")
    parser.add_argument("--ranker", default="default", help="default, none, or a folder of `antroute skills train`")
    parser.add_argument("--least-fit", type=float, help="below this probability that one fits, none is shown")
    parser.add_argument("--keep", type=Path, help="folder for catalogue and index; default: in the cache")
    parser.add_argument("--threads", type=int, default=1, help="of the model")
    parser.add_argument("--compare", action="store_true", help="ask the same model without any skill, too")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
