"""The served index: opened when needed, exchanged while queries go on, and the old one goes on where the new is bad."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from orchestrator.skill_index import Opening, ServedIndex
from skills.errors import IndexRefused
from tests.orchestrator.skill_doubles import ListedSearcher, text_skill


class Opener:
    """Gives the searchers in turn; an error among them is raised. Waits for `gate` after the first one."""

    def __init__(self, *found: ListedSearcher | Exception) -> None:
        self.found = list(found)
        self.opened = 0
        self.notice = ""
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, folder: Path) -> Opening:
        if self.opened:
            assert self.gate.wait(10)
        self.opened += 1
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return Opening(index=found, notice=self.notice)


def searcher(name: str) -> ListedSearcher:
    return ListedSearcher(offered=[text_skill(name)], sha256=name)


async def test_it_is_opened_once_however_many_ask_at_once(tmp_path: Path) -> None:
    opener = Opener(searcher("a"))
    index = ServedIndex(tmp_path, opener)
    found = await asyncio.gather(*(index.current() for _ in range(8)))
    assert {each.sha256 for each in found} == {"a"}
    assert opener.opened == 1


async def test_the_old_one_answers_until_the_new_one_is_open(tmp_path: Path) -> None:
    old = searcher("old")
    opener = Opener(old, searcher("new"))
    index = ServedIndex(tmp_path, opener, look_seconds=0)
    await index.current()
    opener.gate.clear()
    old.is_newest = False
    assert (await index.current()).sha256 == "old"
    assert (await index.current()).sha256 == "old"
    opener.gate.set()
    await index.close()
    assert (await index.current()).sha256 == "new"
    assert opener.opened == 2


async def test_a_new_one_that_cannot_be_opened_is_told_and_the_old_one_goes_on(tmp_path: Path) -> None:
    old = searcher("old")
    opener = Opener(old, IndexRefused("It is half written."), searcher("new"))
    index = ServedIndex(tmp_path, opener, look_seconds=0)
    await index.current()
    old.is_newest = False
    await index.exchanged()
    [notice] = index.notices()
    assert "the older one serves: It is half written." in notice
    assert (await index.current()).sha256 == "old"
    await index.close()
    assert (await index.current()).sha256 == "new"
    assert index.notices() == ()


async def test_without_a_folder_it_says_how_to_build_one_and_opens_it_once_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index = ServedIndex(folder, Opener(searcher("a")))
    with pytest.raises(IndexRefused, match="There is no index of skills in") as raised:
        await index.current()
    assert raised.value.hint == "Build it: antroute skills add SOURCE"
    assert "no skills can be found" in index.notices()[0]
    folder.mkdir()
    assert (await index.current()).sha256 == "a"
    assert index.notices() == ()


async def test_what_is_missing_from_an_index_that_serves_is_told(tmp_path: Path) -> None:
    opener = Opener(searcher("a"))
    opener.notice = "the ranker of skills cannot be used"
    index = ServedIndex(tmp_path, opener)
    assert index.notices() == ()
    await index.current()
    assert index.notices() == ("the ranker of skills cannot be used",)


async def test_an_index_that_cannot_say_whether_it_is_current_is_opened_anew(tmp_path: Path) -> None:
    class Broken(ListedSearcher):
        def is_current(self) -> bool:
            raise IndexRefused("CURRENT cannot be read.")

    index = ServedIndex(tmp_path, Opener(Broken(offered=[], sha256="old"), searcher("new")), look_seconds=0)
    assert (await index.current()).sha256 == "old"
    assert (await index.current()).sha256 == "old"
    await index.close()
    assert (await index.current()).sha256 == "new"
