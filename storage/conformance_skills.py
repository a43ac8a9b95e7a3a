"""What every catalogue of skills owes; part of the suite in storage.conformance."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

import pytest

from storage.audit import verify
from storage.errors import InvalidInput, RecordNotFound
from storage.skill_forms import MOST_BODY_BYTES, MOST_KEY_BYTES, MOST_RECORD_BYTES
from storage.skill_records import Finding, SkillVersion
from storage.stores import SkillFilter, Stores

HOSTILE_TEXTS = {
    "nul": "before \x00 after",
    "lone surrogates": "\ud800 and \udfff, and a pair of lone ones: \ud83d\udc02",
    "bidi and invisible": "\u202eesrever\u202c \u200b\u2066\ufeff\u00ad",
    "no character": "\uffff\ufffe\U0010ffff\x7f\x1b[2J",
    "as SQL and JSON": "'; DROP TABLE skills; -- \\u0000 \\\\ \" {}",
    "line ends": "\r\n\n\r\u2028\u2029\t ",
}
STUFFED = Finding(rule="keyword_stuffing", where="body", excerpt="best best best", severity="quarantine", offset=7)
NOTED = Finding(rule="long_line", where="body", excerpt="…", severity="note")


def a_skill(skill_id: str = "pdf-forms", text: str = "Fill in the form.", **changes: object) -> SkillVersion:
    """A skill whose digest follows from its text; change the rest by name."""
    skill = SkillVersion(
        skill_id=skill_id,
        name="PDF forms",
        description="Fills in forms.",
        sha256=sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        source=f"library@0f3a:{skill_id}/SKILL.md",
        library="https://git.example/library",
        kind="tool",
        body=text,
        parameters={"type": "object", "properties": {"π": {"maximum": 1e-9, "enum": [1, 1.5, None, True, 2**70]}}},
        license="Apache-2.0",
        resources=("scripts/fill.py", "form.pdf"),
        findings=(NOTED,),
    )
    return replace(skill, **changes)  # type: ignore[arg-type]  # fields by name, checked by use


async def added(stores: Stores, *skills: SkillVersion) -> list[SkillVersion]:
    """As they are stored."""
    return [change.skill for change in await stores.skills.put(skills)]


async def changed_how(stores: Stores, *skills: SkillVersion) -> list[str]:
    return [change.what for change in await stores.skills.put(skills)]


async def ids_of(stores: Stores, wanted: SkillFilter) -> list[str]:
    return [skill.skill_id for skill in await stores.skills.find(wanted)]


async def events_of_skills(stores: Stores) -> list[str]:
    return [event.kind for event in await stores.audit.events() if event.kind.startswith("skill_")]


class SkillVersionConformance:
    """A skill is read back as it came, whatever its text; no version is lost."""

    async def test_a_skill_is_read_back_as_it_was_added(self, stores: Stores) -> None:
        given = a_skill()
        [change] = await stores.skills.put([given])
        assert (change.what, change.skill) == ("added", replace(given, changed_at=given.added_at))
        assert await stores.skills.get("pdf-forms") == change.skill
        assert await stores.skills.get("pdf-forms", version=1) == change.skill
        assert await stores.skills.versions_of("pdf-forms") == [change.skill]
        assert await stores.skills.find(SkillFilter()) == [change.skill]
        assert await stores.skills.digests() == {"pdf-forms": given.sha256}
        assert await stores.skills.moves_of("pdf-forms") == []

    async def test_another_digest_is_the_next_version_and_the_same_changes_nothing(self, stores: Stores) -> None:
        first, other = a_skill(), a_skill("other")
        assert await changed_how(stores, first, other) == ["added", "added"]
        assert await changed_how(stores, other, a_skill(text="New text.")) == ["unchanged", "updated"]
        assert await changed_how(stores, a_skill(text="New text.", name="Unread")) == ["unchanged"]
        assert [(each.version, each.body) for each in await stores.skills.versions_of("pdf-forms")] == [
            (1, "Fill in the form."),
            (2, "New text."),
        ]
        assert (await stores.skills.get("pdf-forms")).version == 2
        assert (await stores.skills.get("pdf-forms", version=1)).body == "Fill in the form."
        assert (await added(stores, first))[0].version == 3  # a text of before is a version of its own

    async def test_what_is_not_there_is_told(self, stores: Stores) -> None:
        await added(stores, a_skill())
        for version in (0, -1, 2):
            with pytest.raises(RecordNotFound, match=f"No version {version} of skill 'pdf-forms'"):
                await stores.skills.get("pdf-forms", version=version)
        for asked in (
            stores.skills.get("nobody"),
            stores.skills.versions_of("nobody"),
            stores.skills.moves_of("nobody"),
            stores.skills.move(["pdf-forms", "nobody"], "removed", reason="", by="local"),
        ):
            with pytest.raises(RecordNotFound, match="No skill 'nobody'"):
                await asked
        assert (await stores.skills.get("pdf-forms")).state == "active"

    @pytest.mark.parametrize("hostile", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
    async def test_hostile_text_comes_back_unchanged(self, stores: Stores, hostile: str) -> None:
        finding = replace(NOTED, excerpt=hostile)
        parameters = {"type": "object", "description": hostile}
        texts = dict.fromkeys(("name", "description", "source", "license", "reason"), hostile)
        given = a_skill(text=hostile, parameters=parameters, findings=(finding,), resources=(hostile,), **texts)
        [stored] = await added(stores, given)
        assert await stores.skills.get("pdf-forms") == stored == replace(given, changed_at=given.added_at)
        assert await ids_of(stores, SkillFilter(name_contains=hostile)) == ["pdf-forms"]
        await stores.skills.move(["pdf-forms"], "quarantined", reason=hostile, by=hostile)
        [move] = await stores.skills.moves_of("pdf-forms")
        assert (move.reason, move.by) == (hostile, hostile)
        assert (await verify(stores)).is_whole

    async def test_a_body_of_a_megabyte_is_kept(self, stores: Stores) -> None:
        given = a_skill(text="\x00\u202e🦊x" * 2**17)
        await added(stores, given)
        assert (await stores.skills.get("pdf-forms")).body == given.body
        assert max(len(event.canonical) for event in await stores.audit.events()) < 2000

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"skill_id": ""}, "no `skill_id`"),
            ({"sha256": ""}, "no `sha256`"),
            ({"skill_id": "a\x00"}, "NUL"),
            ({"skill_id": "a\ud800"}, "lone surrogate"),
            ({"library": "a\x00"}, "NUL"),
            ({"skill_id": "é" * MOST_KEY_BYTES}, "at most"),
            ({"library": "a" * (MOST_KEY_BYTES + 1)}, "at most"),
            ({"kind": "virus"}, "kind 'virus' is none"),
            ({"state": "approved"}, "state 'approved' is none"),
            ({"state": "removed"}, "cannot be added as removed"),
            ({"body": "x" * (MOST_BODY_BYTES + 1)}, "body of skill"),
            ({"description": "x" * MOST_RECORD_BYTES}, "record of skill"),
            ({"parameters": {"a": float("nan")}}, "no JSON form"),
            ({"parameters": {"a": object()}}, "no JSON form"),
            ({"parameters": {"a": 10**5000}}, "no JSON form"),
            ({"parameters": {1: "a"}}, "keys must be text"),
            ({"parameters": json.loads('{"a":' * 300 + "1" + "}" * 300)}, "no JSON form"),
            ({"added_at": datetime(2026, 1, 1)}, "no time zone"),
        ],
        ids=lambda value: "" if isinstance(value, dict) else value,
    )
    async def test_what_no_store_could_give_back_is_refused(
        self, stores: Stores, changes: dict[str, object], said: str
    ) -> None:
        with pytest.raises(InvalidInput, match=said):
            await stores.skills.put([a_skill("good"), replace(a_skill(), **changes)])  # type: ignore[arg-type]  # as above
        assert await stores.skills.find(SkillFilter()) == []
        assert await events_of_skills(stores) == []

    async def test_the_longest_id_and_library_are_taken(self, stores: Stores) -> None:
        skill_id, library = "".join(chr(0x4E00 + each) for each in range(333)), "a" * MOST_KEY_BYTES
        await added(stores, a_skill(skill_id, library=library))
        assert await ids_of(stores, SkillFilter(library=library, state="active")) == [skill_id]

    async def test_an_id_may_stand_once_in_a_call(self, stores: Stores) -> None:
        with pytest.raises(InvalidInput, match="'a' stands 2 times"):
            await stores.skills.put([a_skill("a"), a_skill("b"), a_skill("a", text="other")])
        assert await stores.skills.digests() == {}
        assert await stores.skills.put([]) == []

    async def test_of_two_writers_of_one_id_each_text_is_one_version(self, stores: Stores) -> None:
        texts = [f"text {index % 5}" for index in range(10)]
        changes = await asyncio.gather(*(stores.skills.put([a_skill(text=text), a_skill("same")]) for text in texts))
        versions = await stores.skills.versions_of("pdf-forms")
        made = [first for first, _ in changes if first.what != "unchanged"]
        assert [each.version for each in versions] == list(range(1, len(made) + 1))
        assert sorted(change.skill.version for change in made) == [each.version for each in versions]
        assert {each.body for each in versions} == set(texts)
        assert [second.what for _, second in changes].count("added") == 1
        assert len(await stores.skills.versions_of("same")) == 1
        assert (await verify(stores)).is_whole


class SkillStateConformance:
    """What a scan quarantines stays so until an operator allows that very text."""

    async def test_findings_quarantine_whatever_the_state_says(self, stores: Stores) -> None:
        harmless, stuffed = await added(stores, a_skill("a"), a_skill("b", findings=(NOTED, STUFFED), state="active"))
        assert (harmless.state, harmless.reason) == ("active", "")
        assert (stuffed.state, stuffed.reason) == ("quarantined", "found: keyword_stuffing")
        assert await stores.skills.digests() == {"a": harmless.sha256}
        assert await stores.skills.digests(state="quarantined") == {"b": stuffed.sha256}
        assert (await added(stores, a_skill("c", state="quarantined", reason="by hand")))[0].state == "quarantined"

    async def test_a_good_skill_that_turns_bad_is_quarantined_and_its_good_version_kept(self, stores: Stores) -> None:
        await added(stores, a_skill())
        await added(stores, a_skill(text="best best best", findings=(STUFFED,)))
        assert [each.state for each in await stores.skills.versions_of("pdf-forms")] == ["active", "quarantined"]
        assert await stores.skills.digests() == {}

    async def test_a_text_that_an_operator_allowed_stays_allowed_and_another_does_not(self, stores: Stores) -> None:
        bad, worse = a_skill(findings=(STUFFED,)), a_skill(text="worse", findings=(STUFFED,))
        await added(stores, bad)
        [allowed] = await stores.skills.move(["pdf-forms"], "active", reason="read it: harmless", by="alice")
        assert (allowed.state, allowed.reason) == ("active", "read it: harmless")
        assert await stores.skills.get("pdf-forms") == allowed
        assert await changed_how(stores, bad) == ["unchanged"]
        assert [(each.state, each.version) for each in await added(stores, worse)] == [("quarantined", 2)]
        assert [(each.state, each.version) for each in await added(stores, bad)] == [("active", 3)]
        assert (await added(stores, replace(bad, skill_id="copy")))[0].state == "quarantined"

    async def test_a_removed_skill_is_restored_when_it_is_added_again(self, stores: Stores) -> None:
        given = a_skill()
        await added(stores, given)
        [removed] = await stores.skills.move(["pdf-forms"], "removed", reason="not needed", by="alice")
        assert (removed.state, await stores.skills.digests()) == ("removed", {})
        [change] = await stores.skills.put([given])
        assert (change.what, change.skill.state, change.skill.version) == ("restored", "active", 1)
        assert await stores.skills.get("pdf-forms") == change.skill
        moves = await stores.skills.moves_of("pdf-forms")
        assert [(each.from_state, each.to_state, each.by) for each in moves] == [
            ("active", "removed", "alice"),
            ("removed", "active", "scan"),
        ]
        assert {(each.version, each.sha256) for each in moves} == {(1, given.sha256)}

    async def test_removing_and_adding_is_no_way_out_of_quarantine(self, stores: Stores) -> None:
        found, by_hand, newly = a_skill("found", findings=(STUFFED,)), a_skill("by_hand"), a_skill("newly")
        await added(stores, found, by_hand, newly)
        await stores.skills.move(["by_hand"], "quarantined", reason="I know the author", by="alice")
        await stores.skills.move(["found", "by_hand", "newly"], "removed", reason="", by="bob")
        again = [replace(found, findings=()), by_hand, replace(newly, findings=(STUFFED,))]
        assert [each.state for each in await added(stores, *again)] == ["quarantined"] * 3
        assert (await stores.skills.get("by_hand")).reason == "I know the author"
        [next_version] = await added(stores, a_skill("by_hand", text="cleaned"))
        assert next_version.state == "active"
        assert (await added(stores, by_hand))[0].state == "quarantined"

    async def test_a_new_text_of_a_removed_skill_is_an_update(self, stores: Stores) -> None:
        await added(stores, a_skill())
        await stores.skills.move(["pdf-forms"], "removed", reason="", by="alice")
        [change] = await stores.skills.put([a_skill(text="new")])
        assert (change.what, change.skill.state) == ("updated", "active")
        assert [each.state for each in await stores.skills.versions_of("pdf-forms")] == ["removed", "active"]

    async def test_moves_are_of_all_or_none_and_to_where_it_is_already_is_none(self, stores: Stores) -> None:
        await added(stores, a_skill("a"), a_skill("b"))
        moved = await stores.skills.move(["b", "a", "b"], "removed", reason="all", by="alice")
        assert [(each.skill_id, each.state) for each in moved] == [("b", "removed"), ("a", "removed"), ("b", "removed")]
        assert await stores.skills.move(["a"], "removed", reason="again", by="bob") == [moved[1]]
        assert len(await stores.skills.moves_of("a")) == len(await stores.skills.moves_of("b")) == 1
        with pytest.raises(InvalidInput, match="state 'gone' is none"):
            await stores.skills.move(["a"], "gone", reason="", by="")  # type: ignore[arg-type]  # a wrong word is the test
        assert await stores.skills.move([], "active", reason="", by="alice") == []

    async def test_every_change_is_an_event_that_quotes_the_body_and_does_not_hold_it(self, stores: Stores) -> None:
        given = a_skill(text="A text that the log must not hold.", findings=(STUFFED,))
        await added(stores, given)
        await added(stores, given)
        await stores.skills.move(["pdf-forms"], "active", reason="harmless", by="alice")
        assert await events_of_skills(stores) == ["skill_versioned", "skill_moved"]
        versioned, moved = (await stores.audit.events())[-2:]
        said = json.loads(versioned.canonical)
        assert versioned.subject_id == "pdf-forms@1"
        assert given.body not in versioned.canonical
        assert (said["sha256"], said["body_sha256"]) == (given.sha256, sha256(given.body.encode()).hexdigest())
        assert (said["state"], said["findings"][0]["rule"]) == ("quarantined", "keyword_stuffing")
        assert json.loads(moved.canonical)["by"] == "alice"
        assert (await verify(stores)).is_whole


class SkillFindingConformance:
    """Pages follow each other in the order of the ids, without gaps and alike over all stores."""

    async def test_pages_follow_by_key_in_the_order_of_code_points(self, stores: Stores) -> None:
        ids = ["a-b", "a b", "Z", "a", "B", "ab", "é", "e", "漢", "🦊", "\uffee", "1", "10", "2", "_", "~", "A"]
        await added(stores, *(a_skill(skill_id) for skill_id in ids))
        seen: list[str] = []
        while page := await ids_of(stores, SkillFilter(after_id=seen[-1] if seen else None, limit=4)):
            assert len(page) <= 4
            seen += page
        assert seen == sorted(ids)
        assert list(await stores.skills.digests()) == sorted(ids)
        assert await ids_of(stores, SkillFilter(limit=0)) == await ids_of(stores, SkillFilter(limit=-1)) == []

    async def test_skills_are_found_by_library_state_and_name(self, stores: Stores) -> None:
        await added(
            stores,
            a_skill("a", name="Straße 100%", library="one"),
            a_skill("b", name="STRASSE_100", library="one"),
            a_skill("c", name="Öl", library="two"),
            a_skill("d", name="öl", library="one", findings=(STUFFED,)),
        )
        await stores.skills.move(["b"], "removed", reason="", by="alice")
        wanted: Sequence[tuple[SkillFilter, list[str]]] = [
            (SkillFilter(library="one"), ["a", "b", "d"]),
            (SkillFilter(library="one", state="active"), ["a"]),
            (SkillFilter(library="one", state="removed", after_id="a"), ["b"]),
            (SkillFilter(state="quarantined"), ["d"]),
            (SkillFilter(name_contains="strasse"), ["a", "b"]),
            (SkillFilter(name_contains="ÖL"), ["c", "d"]),
            (SkillFilter(name_contains="%"), ["a"]),
            (SkillFilter(name_contains="_"), ["b"]),
            (SkillFilter(name_contains=""), ["a", "b", "c", "d"]),
            (SkillFilter(library="three"), []),
        ]
        for filter_, ids in wanted:
            assert await ids_of(stores, filter_) == ids, filter_

    async def test_many_are_read_at_once_and_names_without_their_texts(self, stores: Stores) -> None:
        ids = [f"skill {index}" for index in range(1000)]
        await added(stores, *(a_skill(skill_id, name=f"Name of {skill_id} \ud800") for skill_id in ids))
        await stores.skills.move(["skill 7"], "removed", reason="", by="alice")
        found = await stores.skills.get_many(["nobody", *reversed(ids), "skill 3"])
        assert list(found) == list(reversed(ids))
        assert (found["skill 7"].state, found["skill 8"]) == ("removed", await stores.skills.get("skill 8"))
        assert await stores.skills.get_many([]) == {}
        names = await stores.skills.names()
        assert list(names) == sorted(set(ids) - {"skill 7"})
        assert names["skill 8"] == "Name of skill 8 \ud800"
        assert await stores.skills.names(state="removed") == {"skill 7": "Name of skill 7 \ud800"}
        with pytest.raises(InvalidInput):
            await stores.skills.get_many(["\x00"])
        with pytest.raises(InvalidInput, match="state 'gone' is none"):
            await stores.skills.names(state="gone")  # type: ignore[arg-type]  # a wrong word is the test

    async def test_only_the_latest_version_is_found(self, stores: Stores) -> None:
        await added(stores, a_skill(name="old", library="one"))
        await added(stores, a_skill(name="new", library="two", text="new"))
        assert await ids_of(stores, SkillFilter(name_contains="old")) == []
        assert await ids_of(stores, SkillFilter(library="one")) == []
        [found] = await stores.skills.find(SkillFilter(library="two"))
        assert (found.name, found.version) == ("new", 2)

    async def test_a_filter_that_no_database_can_ask_is_refused(self, stores: Stores) -> None:
        for wanted in (SkillFilter(library="\x00"), SkillFilter(after_id="\ud800"), SkillFilter(after_id="x" * 1001)):
            with pytest.raises(InvalidInput):
                await stores.skills.find(wanted)
        with pytest.raises(InvalidInput, match="state 'gone' is none"):
            await stores.skills.digests(state="gone")  # type: ignore[arg-type]  # a wrong word is the test

    async def test_thousands_are_put_moved_and_counted(self, stores: Stores) -> None:
        skills = [a_skill(f"skill {index:04}", text=f"text {index}") for index in range(2000)]
        assert await changed_how(stores, *skills) == ["added"] * 2000
        assert len(await stores.skills.digests()) == 2000
        ids = [skill.skill_id for skill in skills]
        moved = await stores.skills.move(ids, "removed", reason="the library is gone", by="alice")
        assert [each.skill_id for each in moved] == ids
        assert len(await stores.skills.digests(state="removed")) == 2000
        assert await changed_how(stores, *skills) == ["restored"] * 2000


class SkillConformance(SkillVersionConformance, SkillStateConformance, SkillFindingConformance):
    """All of it."""
