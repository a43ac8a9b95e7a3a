"""Encoder, scorer and search by an actor: the same results as here, and this process does it when the actor is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from orchestrator.cluster.encoders import DOES, EncoderActor, EncoderFacts, RemoteEncoder, remote_encoder
from orchestrator.cluster.links import ActorLink
from orchestrator.cluster.scorers import KEPT, RemotePredictor, ScorerActor
from orchestrator.cluster.skill_searches import RemoteSkillIndex, SkillActor
from routing.artifacts import loads, read_files
from routing.encoders.hashing import HashingEncoder
from routing.errors import EncoderUnavailable
from routing.features import excerpt
from routing.forecasts import Inputs
from skills.errors import IndexRefused
from tests.orchestrator.cluster.actor_doubles import Handle
from tests.orchestrator.skill_doubles import DoubleIndex, ListedSearcher, text_skill
from tests.routing.trained import trained_files

TEXTS = ["What is 17 × 3?", "Write a poem.", "…"]

Running = Callable[[object], Handle]


@pytest.fixture
def running() -> Iterator[Running]:
    """Makes actors of this process; all end with the test."""
    handles: list[Handle] = []

    def run(actor: object) -> Handle:
        handles.append(Handle(actor))
        return handles[-1]

    yield run
    for handle in handles:
        handle.kill()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_an_actors_encoder_is_the_one_here_in_name_and_vectors(running: Running, tmp_path: Path) -> None:
    handle = running(EncoderActor("hashing", tmp_path, most=4))
    choice = remote_encoder(ActorLink(DOES, handle), "hashing", tmp_path)
    own = HashingEncoder()
    assert (choice.encoder.name, choice.encoder.dimension) == (own.name, own.dimension)
    found = await asyncio.gather(*(asyncio.to_thread(choice.encoder.encode, TEXTS) for _ in range(4)))
    assert all(np.array_equal(vectors, own.encode(TEXTS)) for vectors in found)
    assert choice.encoder.encode([]).shape == (0, own.dimension)
    assert handle.calls.count("encode") == 4


def test_when_the_encoders_actor_is_gone_this_process_encodes_and_says_so(running: Running, tmp_path: Path) -> None:
    clock, handle = Clock(), running(EncoderActor("hashing", tmp_path, most=4))
    link = ActorLink(DOES, handle, clock=clock)
    encoder = remote_encoder(link, "hashing", tmp_path).encoder
    assert link.notices() == ()
    handle.kill()
    assert np.array_equal(encoder.encode(TEXTS), HashingEncoder().encode(TEXTS))
    assert link.notices() == (
        "the actor that encodes texts does not answer (ActorDiedError): it is done in this process",
    )
    calls = len(handle.calls)
    encoder.encode(TEXTS)
    assert len(handle.calls) == calls  # it is left alone for a while
    clock.now = 60.0
    encoder.encode(TEXTS)
    assert len(handle.calls) == calls + 1


def test_an_encoder_with_another_name_never_stands_in(running: Running) -> None:
    facts = EncoderFacts(name="another", dimension=3, fallback_reason=None, larger_reason=None)
    handle = running(object())
    handle.kill()
    encoder = RemoteEncoder(ActorLink(DOES, handle), facts, HashingEncoder)
    with pytest.raises(EncoderUnavailable, match="'another' is gone, and the one here is"):
        encoder.encode(TEXTS)


def test_an_error_of_the_actors_own_is_raised_as_it_is_and_the_actor_is_not_gone(running: Running) -> None:
    link = ActorLink("scores", running(ScorerActor(most=4)))
    with pytest.raises(IndexError):
        link.call("predict", "v", inputs_of([]).take([5]))
    assert link.notices() == ()


async def test_forecasts_by_the_scorer_are_those_made_here(running: Running, tmp_path: Path) -> None:
    files = read_files_of(tmp_path)
    own, scorer = loads(files).predictor, ScorerActor(most=16)
    handle = running(scorer)
    link = ActorLink("scores", handle)
    link.call("receive", "v1", files)
    remote = RemotePredictor(link, "v1", own)
    there = await asyncio.gather(*(asyncio.to_thread(remote.predict, inputs_of(TEXTS)) for _ in range(3)))
    here = own.predict(inputs_of(TEXTS))
    for forecast in there:
        assert np.allclose(forecast.quality, here.quality)
        assert np.allclose(forecast.cost_usd, here.cost_usd)
        assert (forecast.energy_joules is None) == (here.energy_joules is None)
    assert remote.candidates == own.candidates
    assert handle.calls.count("predict") == 3


def test_a_scorer_that_is_gone_or_does_not_know_the_version_costs_no_forecast(running: Running, tmp_path: Path) -> None:
    own = loads(read_files_of(tmp_path)).predictor
    handle = running(ScorerActor(most=16))
    remote = RemotePredictor(ActorLink("scores", handle), "v1", own)
    here = own.predict(inputs_of(TEXTS))
    assert np.array_equal(remote.predict(inputs_of(TEXTS)).quality, here.quality)  # it does not know v1
    handle.kill()
    assert np.array_equal(remote.predict(inputs_of(TEXTS)).quality, here.quality)


async def test_the_scorer_keeps_the_versions_it_was_given_last(tmp_path: Path) -> None:
    files, scorer = read_files_of(tmp_path), ScorerActor(most=16)
    for number in range(KEPT + 2):
        await scorer.receive(f"v{number}", files)
    assert await scorer.versions() == tuple(f"v{number}" for number in range(2, KEPT + 2))


async def test_the_actors_search_gives_what_the_index_gives(running: Running) -> None:
    searcher = ListedSearcher(offered=[text_skill("one"), text_skill("two")])
    handle = running(SkillActor(lambda: DoubleIndex(searcher=searcher), most=8))
    remote = await RemoteSkillIndex(
        ActorLink("searches", handle), DoubleIndex(searcher=ListedSearcher(offered=[]))
    ).current()
    assert (remote.sha256, remote.encoder_name) == (searcher.sha256, searcher.encoder_name)
    found = await asyncio.to_thread(remote.search, ["a", "b"], top=2)
    assert found == searcher.search(["a", "b"], top=2)
    ids = [hit.skill_id for hit in found[0].hits]
    assert await asyncio.to_thread(remote.skills, ids) == searcher.skills(ids)


async def test_when_the_search_is_gone_this_process_opens_the_index(running: Running) -> None:
    searcher = ListedSearcher(offered=[text_skill("one")])
    handle = running(SkillActor(lambda: DoubleIndex(searcher=searcher), most=8))
    link = ActorLink("searches", handle)
    index = RemoteSkillIndex(link, DoubleIndex(searcher=ListedSearcher(offered=[text_skill("one")])))
    remote = await index.current()
    handle.kill()
    assert len((await asyncio.to_thread(remote.search, ["a"], top=1))[0].hits) == 1  # a search under way goes on here
    assert (await index.current()).search(["a"], top=1)
    assert "does not answer" in index.notices()[0]


async def test_a_search_under_way_is_refused_by_another_index_than_it_began_with(running: Running) -> None:
    handle = running(SkillActor(lambda: DoubleIndex(searcher=ListedSearcher(offered=[text_skill("one")])), most=8))
    other = ListedSearcher(offered=[text_skill("one")])
    other.sha256 = "another"
    index = RemoteSkillIndex(ActorLink("searches", handle), DoubleIndex(searcher=other))
    remote = await index.current()
    handle.kill()
    with pytest.raises(IndexRefused, match="another one; ask again"):
        await asyncio.to_thread(remote.search, ["a"], top=1)


def read_files_of(folder: Path) -> dict[str, bytes]:
    trained_files(folder / "router")
    return dict(read_files(folder / "router"))


def inputs_of(texts: list[str]) -> Inputs:
    embeddings = HashingEncoder().encode([excerpt(text) for text in texts])
    return Inputs(texts=tuple(texts), embeddings=embeddings, tasks=(None,) * len(texts))
