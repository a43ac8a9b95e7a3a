"""Takes the pictures of docs/inspect.md: a month of made-up traffic, then some of today, looked at in a real browser.

    OMP_NUM_THREADS=1 python -m benchmarks.screenshots --out docs/images

Everything runs on this machine: models that answer by rule, a store of `benchmarks/decision_log.py`, routers trained on
small made-up data, `antroute serve` and chromium. The same seed gives the same figures; times are those of the run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.decision_log import SELLERS, made
from routing.dataset import MEASURES, Dataset
from tests.browser.chromium import chromium
from tests.browser.commands import done
from tests.browser.questions import EXPECTED, QUESTION_TO_ANSWER, QUESTIONS, VERIFIED
from tests.browser.served import REVIEW, write_skills
from tests.browser.traffic import Caller
from tests.browser.upstream import WAITING, Upstream, upstream
from tests.browser.visitor import NARROW, WIDE, visiting
from tests.e2e.antroute import Home, Server
from tests.routing.small_data import small_dataset, write_dataset

COLOURS = 200  # of a picture's palette: text stays sharp, and the file small
LONGEST = 1700  # pixels that are kept of a page, from its top
POLICIES = ("graph", "linucb", "pheromone", "table", "uniform")
ROUNDS = 5  # in which today's questions are asked
OUTPUTS = 4000  # usual calls of the made-up month that a million output tokens are worth
SECONDS = {"qwen-0.5b": 0.09, "qwen-1.5b": 0.16, "smol-1.7b": 0.18, "mini": 0.2, "large": 0.35}
SKILLED = "skilled/mini"
TRAIN_SECONDS = 600.0
Act = Callable[[Page], None]


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the site and its questions were given to: for `Caller`."""

    home: Home
    server: Server
    upstream: Upstream

    @property
    def address(self) -> str:
        return self.server.address


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture. `act`: what is done on the page before it is taken."""

    name: str
    path: str
    act: Act | None = None
    size: tuple[int, int] = WIDE
    theme: str = "light"
    longest: int = LONGEST


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--decisions", type=int, default=6000, help="of the month before today")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="+", help="names of pictures; default: all")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), chosen.decisions, chosen.seed) as place:
        caller = Caller(place)
        day(caller)
        with chromium() as browser:
            for shot in shots(caller):
                if chosen.only is None or shot.name in chosen.only:
                    size = taken(browser, place.address, shot, chosen.out / f"{shot.name}.png")
                    print(f"{shot.name}.png {size / 1000:.0f} kB", flush=True)
        caller.http.close()
    return 0


@contextmanager
def served(folder: Path, decisions: int, seed: int) -> Iterator[Place]:
    """The service over a month of decisions, with routers, skills and budgets, and nothing asked today."""
    with upstream(QUESTION_TO_ANSWER) as found:
        found.weak, found.model_to_seconds = frozenset({"qwen-0.5b"}), dict(SECONDS)
        home = Home(folder, settings_over(found.address, folder, seed))
        home.store_path.parent.mkdir(parents=True)
        asyncio.run(made(f"sqlite:///{home.store_path}", decisions, seed=seed))
        prepared(home, folder, seed)
        with home.served() as server:
            yield Place(home=home, server=server, upstream=found)


def settings_over(address: str, folder: Path, seed: int) -> dict[str, Any]:
    """The candidates of the made-up month, and one with skills."""
    dearest_first = sorted(SELLERS, key=lambda seller: -seller.price_usd)  # of a model's two agents the cheaper counts
    prices = {seller.id.partition("/")[2]: seller.price_usd * OUTPUTS for seller in dearest_first}
    models = {
        name: {
            "provider": "openai",
            "base_url": f"{address}/v1",
            "price_input_usd_per_mtok": round(price / 4, 4),
            "price_output_usd_per_mtok": round(price, 4),
            "seconds_p50": SECONDS[name],
        }
        for name, price in prices.items()
    }
    candidates: list[dict[str, Any]] = [
        {"id": seller.id, "agent": seller.id.partition("/")[0], "model": seller.id.partition("/")[2]}
        for seller in SELLERS
    ]
    candidates.append({"id": SKILLED, "agent": "skilled", "model": "mini", "found_skills": 1})
    return {
        "models": models,
        "candidates": candidates,
        "skills": {"index": str(folder / "skills-index"), "ranker": "none"},
        "seed": seed,
        "workflows": {"review": REVIEW},
        "budget": {"account_limit_usd": 0.02, "run_limit_usd": 0.05},
        "jobs": {"poll_seconds": 0.1},
    }


def prepared(home: Home, folder: Path, seed: int) -> None:
    """Two routers trained on small made-up data, one of them active; skills; accounts with limits."""
    write_dataset(outcomes(seed), folder / "outcomes")
    write_skills(folder, is_hostile=False)
    trained = {"april": "ridge", "may": "table", "june": "knn"}
    done(home, *(train(folder, name, kind) for name, kind in trained.items()), seconds=TRAIN_SECONDS)
    done(
        home,
        ("routers", "promote", str(folder / "may"), "--force", "--reason", "best on the questions of May"),
        ("routers", "shadow", str(folder / "april")),
        ("routers", "register", str(folder / "june")),
        ("skills", "add", str(folder / "desk")),
        ("skills", "add", str(folder / "strangers")),
        ("budgets", "set", "support", "--usd", "25", "--tokens", "2000000"),
        ("budgets", "set", "research", "--usd", "4"),
    )


def outcomes(seed: int) -> Dataset:
    """Small made-up data of our candidates: the dearer, the better at most tasks."""
    by_price = [seller.id for seller in sorted(SELLERS, key=lambda seller: seller.price_usd)]
    data = small_dataset(queries=240, candidates=len(by_price) + 1, seed=seed)
    return Dataset.canonical(
        cards=[
            replace(card, id=id) for card, id in zip(data.cards, [*by_price[:-1], SKILLED, by_price[-1]], strict=True)
        ],
        query_ids=data.query_ids,
        texts=data.texts,
        tasks=data.tasks,
        splits=data.splits,
        measures={name: getattr(data, name) for name in MEASURES},
    )


def train(folder: Path, name: str, kind: str) -> tuple[str, ...]:
    return ("train", "--data", str(folder / "outcomes"), "--router", kind, "--out", str(folder / name), "--json")


def day(caller: Caller) -> None:
    """Today's questions, most of them judged; one of each kind that is worth a picture; jobs."""
    for number, question in enumerate(QUESTIONS * ROUNDS):
        found = caller.ask(question, model=f"auto:{POLICIES[number % len(POLICIES)]}")
        if number % 4:
            caller.judge(found["decision_id"], float(found["answer"] == QUESTION_TO_ANSWER[question]))
    caller.ask(VERIFIED, name="cascade", plan="cascade", verifier={"kind": "numeric", "expected": EXPECTED})
    caller.ask("May a customer have the money back after 20 days?", name="skilled", model=SKILLED)
    review = caller.submit("review", "The moon is cheese.", name="succeeded", metadata={"order": "7"})
    caller.await_job(review, "succeeded")
    caller.submit("review", "Not yet.", name="queued", not_before="2100-01-01T00:00:00Z")
    running = caller.submit("review", f"{WAITING}Anna", name="running")
    caller.await_job(running, "running")
    caller.ask(QUESTIONS[10], name="why", model="auto:graph", budget_usd=0.004, weights={"quality": 1, "cost": 0.1})


def shots(caller: Caller) -> Iterator[Shot]:
    decision = {name: f"/console/decisions/{id}" for name, id in caller.made.decisions.items()}
    routers = caller.http.get("/v1/routers").json()["routers"]
    active = next(each["id"] for each in routers if each["state"] == "active")
    yield Shot(name="overview", path="/console?period=30d")
    yield Shot(name="overview-dark", path="/console?period=30d", theme="dark", longest=WIDE[1])
    yield Shot(name="overview-phone", path="/console?period=30d", size=NARROW, longest=1500)
    yield Shot(name="decisions", path="/console/decisions", longest=WIDE[1])
    yield Shot(name="decisions-filtered", path="/console/decisions?task=code&close=yes&judged=yes", longest=560)
    yield Shot(name="decisions-phone", path="/console/decisions", size=NARROW, longest=1100)
    yield Shot(name="decision", path=decision["why"], act=checked)
    yield Shot(name="why", path=decision["why"], longest=1030)
    yield Shot(name="decision-dark", path=decision["why"], theme="dark", longest=WIDE[1])
    yield Shot(name="decision-phone", path=decision["why"], size=NARROW, longest=1700)
    yield Shot(name="decision-cascade", path=decision["cascade"], longest=900)
    yield Shot(name="try", path="/console/try", act=tried, longest=1100)
    yield Shot(name="compare", path="/console/compare", act=compared, longest=1300)
    yield Shot(name="jobs", path="/console/jobs", longest=560)
    yield Shot(name="job", path=f"/console/jobs/{caller.made.jobs['succeeded']}", longest=1000)
    yield Shot(name="routers", path="/console/routers", longest=WIDE[1])
    yield Shot(name="router", path=f"/console/routers/{active}", longest=1100)
    yield Shot(name="memory", path="/console/memory?memory=pheromone", longest=1100)
    yield Shot(name="skills", path="/console/skills", act=searched, longest=1100)
    yield Shot(name="budgets", path="/console/budgets", longest=WIDE[1])


def checked(page: Page) -> None:
    page.get_by_role("button", name="Verify").click()
    page.locator("#checks .badge").first.wait_for()


def tried(page: Page) -> None:
    page.get_by_label("Text", exact=True).fill(QUESTIONS[4])
    page.get_by_role("button", name="Decide").click()
    page.locator("#tried #why").wait_for()


def compared(page: Page) -> None:
    page.get_by_label("First").select_option("logged")
    page.get_by_label("Second").select_option("linucb")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("heading", name="Side by side").wait_for(timeout=120_000)


def searched(page: Page) -> None:
    page.get_by_label("A query").fill("How are postcodes written?")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("row").filter(has_text="postcode-check").first.wait_for()


def taken(browser: Browser, address: str, shot: Shot, path: Path) -> int:
    """The file's size in bytes. Raises SystemExit where the page is not whole."""
    with visiting(browser, address, size=shot.size, theme=shot.theme) as visitor:
        visitor.go(shot.path)
        if shot.act is not None:
            shot.act(visitor.page)
            visitor.settle()
        visitor.page.evaluate("() => scrollTo(0, 0)")
        visitor.look()
        if visitor.faults:
            raise SystemExit(f"{shot.name}: {json.dumps(visitor.faults, indent=1)}")
        height = visitor.page.evaluate("() => document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": shot.size[0], "height": min(height, shot.longest)}
        picture = visitor.page.screenshot(full_page=True, clip=clip)
    return written(picture, path)


def written(picture: bytes, path: Path) -> int:
    """As a PNG with a palette."""
    from PIL import Image

    with Image.open(BytesIO(picture)) as image:
        plain = image.convert("RGB")
        small = plain.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
