"""Pools: every line is a skill or is refused by its number; no file fills the memory."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from hashlib import sha256
from pathlib import Path

import pytest

from skills.base import Skill
from skills.errors import SkillError
from skills.libraries.pool import MAX_REFUSED, PoolSource, read_pool
from skills.libraries.source import Refused

DATA = Path(__file__).parents[4] / "shared" / "data" / "skills"


def row(id: object = "a", **others: object) -> dict[str, object]:
    fields = {"name": "tidy", "description": "Tidies up.", "body": "Step 1.", "license": "MIT", "source": "o/r@1:x"}
    return {"skill_id": id, **fields, **others}


def pool(tmp_path: Path, *lines: object) -> Path:
    """A pool file; lines that are no text or bytes are written as JSON."""
    plain = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path = tmp_path / "pool.jsonl"
    path.write_bytes(b"\n".join(plain) + b"\n")
    return path


def only_refusal(path: Path) -> Refused:
    (refused,) = [item for item in read_pool(path) if isinstance(item, Refused)]
    return refused


@pytest.mark.parametrize("is_packed", [True, False])
async def test_line_becomes_a_skill_with_provenance(tmp_path: Path, is_packed: bool) -> None:
    path = pool(tmp_path, row(description="Räumt\nauf."), {"skill_id": "b", "name": "x", "body": "y"})
    if is_packed:
        packed = tmp_path / "pool.jsonl.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    source = PoolSource(path=path)
    reading = await source.read()
    first, second = reading.skills
    assert (source.name, reading.refused) == ("pool", ())
    assert (first.id, first.name, first.description, first.body) == ("a", "tidy", "Räumt\nauf.", "Step 1.")
    assert first.kind == "text"
    assert (first.provenance.source, first.provenance.license) == ("o/r@1:x", "MIT")
    assert first.provenance.sha256 == sha256(json.dumps(row(description="Räumt\nauf.")).encode()).hexdigest()
    assert second.provenance.source == f"{path.name} line 2"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[1, 2]", "not an object with skill_id, name"),
        (b"[" * 100_000, "not JSON"),
        (b'{"skill_id": "a", "name": "x", "body": "\\ud800"}', "not JSON"),
        ({"name": "x", "body": "y"}, "skill_id is missing"),
        (row(7), "skill_id is of type int"),
        (row(" "), "skill_id is empty"),
        (row("x" * 401), "skill_id has 401 characters; 400"),
        (row(name=None), "name is missing"),
        (row(name="two\nlines"), "line break or control character"),
        (row(body=["a"]), "body is of type list"),
        (row(body="a\0b"), "NUL"),
        (row(body="x" * 10_000_000), "more than 4194304 bytes"),
        (row(body="x" * 300_000), "more than 262144 bytes"),
        (row(body="", description=" "), "neither a description nor a body"),
        (row(license={"a": 1}), "license is of type dict"),
        (row(source="x" * 1001), "source has 1001 characters"),
    ],
)
def test_broken_line_is_refused_by_its_number_beside_good_ones(tmp_path: Path, line: object, reason: str) -> None:
    path = pool(tmp_path, row("first"), b"", line, row("last"))
    items = list(read_pool(path))
    assert [item.id for item in items if isinstance(item, Skill)] == ["first", "last"]
    (refused,) = [item for item in items if isinstance(item, Refused)]
    assert refused.where == "pool.jsonl line 3"
    assert reason in refused.reason


def test_id_that_stands_twice_is_refused_naming_both_lines(tmp_path: Path) -> None:
    refused = only_refusal(pool(tmp_path, row("a"), row("b"), row("a", name="other")))
    assert refused == Refused(where="pool.jsonl line 3", reason="The id 'a' stands in line 1 already; ids are unique.")


def test_small_file_that_unpacks_to_very_much_stops_at_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row()).encode() + b"\n" + b"0" * 60_000_000))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        skill, refused = read_pool(path, max_bytes=20_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(skill, Skill)
    assert isinstance(refused, Refused)
    assert "more than 20000000 bytes" in refused.reason
    assert peak < 20_000_000


def test_broken_gzip_stream_keeps_what_came_before(tmp_path: Path) -> None:
    rows = b"".join(json.dumps(row(f"s{n}", body=sha256(b"%d" % n).hexdigest())).encode() + b"\n" for n in range(5000))
    path = tmp_path / "pool.jsonl.gz"
    path.write_bytes(gzip.compress(rows)[:-2000])
    items = list(read_pool(path))
    assert sum(isinstance(item, Skill) for item in items) > 3000
    assert isinstance(items[-1], Refused)
    assert "cannot be read on" in items[-1].reason
    assert items[-1].ends
    path.write_bytes(b"no gzip at all")
    assert only_refusal(path).where == "pool.jsonl.gz line 1"


def test_file_of_something_else_is_given_up(tmp_path: Path) -> None:
    items = list(read_pool(pool(tmp_path, *[b"nonsense"] * (MAX_REFUSED + 500))))
    assert len(items) == MAX_REFUSED + 1
    assert isinstance(items[-1], Refused)
    assert "the rest was not read" in items[-1].reason
    assert [item.ends for item in items if isinstance(item, Refused)] == [*[False] * MAX_REFUSED, True]


def test_empty_pool_has_no_skills_and_missing_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    assert list(read_pool(tmp_path / "empty.jsonl")) == []
    with pytest.raises(SkillError, match=r"No file '.*missing.jsonl'"):
        list(read_pool(tmp_path / "missing.jsonl"))


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.is_dir(), reason="the research data is not beside this checkout")
@pytest.mark.parametrize(("folder", "count"), [("store", 18_362), ("metatool", 199), ("toollens", 464)])
def test_public_pools_are_read_whole_and_quickly(folder: str, count: int) -> None:
    started = time.process_time()
    items = list(read_pool(DATA / folder / "pool.jsonl.gz"))
    assert all(isinstance(item, Skill) for item in items)
    assert len(items) == count
    assert time.process_time() - started < 5  # measured: 0.9 s for the largest
