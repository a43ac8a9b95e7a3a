"""Texts that arrive together are encoded together, and one caller's trouble is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray

from routing.batching import MAX_BATCH, ContextBatcher
from routing.encoders.cached import CachedEncoder
from routing.errors import EncoderUnavailable
from routing.features import TaskCatalog, TaskFeaturizer
from tests.routing.doubles import RecordingEncoder

CATALOG = TaskCatalog(task_to_examples={"sums": ["add 3 and 4"]})


class GatedEncoder(RecordingEncoder):
    """Encodes when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = Event()
        self.may_go_on = Event()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.entered.set()
        assert self.may_go_on.wait(10)
        return super().encode(texts)


class BrokenEncoder(RecordingEncoder):
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise EncoderUnavailable("the file is gone")


def a_batcher(encoder: RecordingEncoder) -> ContextBatcher:
    return ContextBatcher(TaskFeaturizer(CachedEncoder(encoder), CATALOG))


async def entered(encoder: GatedEncoder) -> None:
    assert await asyncio.to_thread(encoder.entered.wait, 10)


async def test_texts_that_arrive_meanwhile_share_the_next_batch() -> None:
    encoder = GatedEncoder()
    batcher = a_batcher(encoder)
    first = asyncio.create_task(batcher.context("first"))
    await entered(encoder)
    others = [asyncio.create_task(batcher.context(f"other {number}")) for number in range(5)]
    await asyncio.sleep(0)  # one turn of the loop: all five are in
    encoder.may_go_on.set()
    contexts = await asyncio.gather(first, *others)
    assert encoder.batches[0] == ["first"]
    assert [f"other {number}" for number in range(5)] in encoder.batches
    alone = TaskFeaturizer(CachedEncoder(RecordingEncoder()), CATALOG)
    for context, text in zip(contexts, ["first", *(f"other {n}" for n in range(5))], strict=True):
        np.testing.assert_array_equal(context.vector, alone.contexts([text])[0].vector)


async def test_a_batch_has_an_upper_size() -> None:
    encoder = RecordingEncoder()
    batcher = a_batcher(encoder)
    await asyncio.gather(*(batcher.context(f"text {number}") for number in range(2 * MAX_BATCH + 1)))
    assert max(map(len, encoder.batches)) == MAX_BATCH


async def test_a_caller_that_gives_up_does_not_stop_the_others() -> None:
    encoder = GatedEncoder()
    batcher = a_batcher(encoder)
    first = asyncio.create_task(batcher.context("first"))
    await entered(encoder)
    leaving, staying = (asyncio.create_task(batcher.context(text)) for text in ("leaving", "staying"))
    await asyncio.sleep(0)  # one turn of the loop: both are in the same batch
    leaving.cancel()
    encoder.may_go_on.set()
    await first
    assert (await staying).task == "sums"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_every_caller_of_a_failed_batch_hears_why_and_the_next_one_is_tried() -> None:
    batcher = a_batcher(BrokenEncoder())
    for _ in range(2):
        results = await asyncio.gather(*(batcher.context(f"t{n}") for n in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == ["the file is gone"] * 3


async def test_a_remembered_text_needs_no_batch() -> None:
    encoder = RecordingEncoder()
    batcher = a_batcher(encoder)
    await batcher.context("again")
    count = len(encoder.batches)
    await batcher.context("again")
    assert len(encoder.batches) == count


def test_one_batcher_serves_one_event_loop_after_another() -> None:
    batcher = a_batcher(RecordingEncoder())
    tasks = [asyncio.run(batcher.context(f"loop {number}")).task for number in range(3)]
    assert tasks == ["sums"] * 3
