"""What a process could learn, read from the log of several: its beginning, its lessons, and nobody's twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.bootstrap import bootstrap
from orchestrator.replay.lessons import Lesson
from orchestrator.replay.log_walk import Anchor, beginning_of, event_at, steps_of
from storage.errors import LogCorrupt
from storage.registry import open_stores
from storage.stores import Stores
from tests.conftest import scripted_settings
from tests.orchestrator.replay.replay_doubles import asked


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """A process of six decisions; then two at once, of four each in turns, with two verdicts on an old one."""
    settings = scripted_settings(store_url=f"sqlite:///{tmp_path / 'log.db'}")
    first = await bootstrap(settings)
    [_, old, *_] = await asked(first, 6)
    await first.close()
    one, other = await bootstrap(settings), await bootstrap(settings)
    for service in (one, other, one, other):
        await asked(service, 2)
    await one.feedback(old, quality=0.1)
    await other.feedback(old, quality=0.9)
    for service in (one, other):
        await service.close()
    opened = await open_stores(settings.store_url)
    yield opened
    await opened.close()


async def test_each_process_has_its_opening_its_base_and_its_own_lessons(stores: Stores) -> None:
    last = await stores.audit.last_position()
    openings = [event for event in await stores.audit.events() if event.kind == "writer_opened"]
    assert len(openings) == 3
    for opening, own_count in zip(openings, (4, 2, 2), strict=True):  # of two in a row, the second one is judged
        event = next(e for e in reversed(await stores.audit.events()) if e.writer == opening.writer)
        begun = await beginning_of(stores, event, relearn_limit=100)
        assert begun.opened_at == opening.position
        lessons, anchors = list[Lesson](), list[Anchor]()
        async for steps in steps_of(stores, opening.writer, begun, until=last):
            lessons += [step for step in steps if isinstance(step, Lesson)]
            anchors += [step for step in steps if isinstance(step, Anchor)]
        known = [*begun.base, *begun.late, *lessons]
        assert len({lesson.decision.id for lesson in known}) == len(known)  # nobody's twice
        assert sum(lesson.writer == opening.writer for lesson in lessons) == own_count
        assert all(anchor.event.writer == opening.writer and len(anchor.sha256) == 64 for anchor in anchors)


async def test_what_others_at_work_wrote_before_the_first_event_may_have_come_late(stores: Stores) -> None:
    *_, third = (event for event in await stores.audit.events() if event.kind == "writer_opened")
    begun = await beginning_of(stores, third, relearn_limit=100)
    assert (len(begun.base), len(begun.late)) == (4, 1)
    few = await beginning_of(stores, third, relearn_limit=2)
    assert len(few.base) + len(few.late) == 2


async def test_place_that_the_log_does_not_have_is_told(stores: Stores) -> None:
    with pytest.raises(LogCorrupt, match="no event at position 100000"):
        await event_at(stores, 100_000)
