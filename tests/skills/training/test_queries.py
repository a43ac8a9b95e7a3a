"""Queries with known answers, as they are read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from skills.training.queries import kinds_of, read_queries
from storage.errors import InvalidInput
from tests.skills.training.small_pool import write_lines

RIGHT = {"query_id": "q1", "text": "draw it", "gold": [["a", "b"], ["c"]], "kind": "use_case", "split": "train"}


def test_needs_and_their_equals_are_read(tmp_path: Path) -> None:
    read = read_queries(write_lines(tmp_path / "q.jsonl", [RIGHT]), known={"a", "b", "c"})
    assert read.queries[0].gold == (("a", "b"), ("c",))
    assert (read.queries[0].kind, read.unknown_gold, read.dropped, read.lines) == ("use_case", 0, 0, 1)


def test_plain_ids_are_one_need_each(tmp_path: Path) -> None:
    read = read_queries(write_lines(tmp_path / "q.jsonl", [{**RIGHT, "gold": ["a", "c"]}]), known={"a", "c"})
    assert read.queries[0].gold == (("a",), ("c",))


def test_unknown_gold_is_counted_and_queries_without_any_are_dropped(tmp_path: Path) -> None:
    rows = [RIGHT, {**RIGHT, "query_id": "q2", "gold": [["x"]]}, {**RIGHT, "query_id": "q3", "gold": ["a", "y"]}]
    read = read_queries(write_lines(tmp_path / "q.jsonl", rows), known={"a", "b", "c"})
    assert [query.query_id for query in read.queries] == ["q1", "q3"]
    assert (read.unknown_gold, read.dropped) == (2, 1)
    assert dict(kinds_of(read.queries)) == {"use_case": 2}


def test_packed_file_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl.gz").write_bytes(gzip.compress(json.dumps(RIGHT).encode()))
    plain = read_queries(write_lines(tmp_path / "q.jsonl", [RIGHT]), known={"a"})
    assert read_queries(tmp_path / "q.jsonl.gz", known={"a"}).queries == plain.queries


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "q.jsonl:2: not JSON"),
        ("[1]", "q.jsonl:2: .* is no object"),
        ('{"query_id": "q2", "text": " ", "gold": ["a"]}', "q.jsonl:2: text is ' '"),
        ('{"query_id": 7, "text": "t", "gold": ["a"]}', "q.jsonl:2: query_id is 7"),
        ('{"query_id": "q2", "text": "t", "gold": "a"}', "q.jsonl:2: gold is 'a'"),
        ('{"query_id": "q2", "text": "t", "gold": [[]]}', r"q.jsonl:2: gold is \[\[\]\]"),
        ('{"query_id": "q1", "text": "t", "gold": ["a"]}', "q.jsonl:2: query_id 'q1' stands in line 1 too"),
    ],
)
def test_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(RIGHT) + "\n" + line + "\n")
    with pytest.raises(InvalidInput, match=message):
        read_queries(path, known={"a"})


def test_file_that_is_not_there_empty_or_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_queries(tmp_path / "no.jsonl", known=set())
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InvalidInput, match="holds no queries"):
        read_queries(tmp_path / "empty.jsonl", known=set())
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(RIGHT).encode() * 99)[:60])
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_queries(tmp_path / "cut.jsonl.gz", known={"a"})


def test_query_that_nothing_is_known_to_answer_is_counted_and_left_out(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text(
        '{"query_id": "good", "text": "t", "gold": [["a"]], "kind": "outcome", "weight": 0.5, "negatives": []}\n'
        '{"query_id": "bad", "text": "t", "gold": [], "kind": "outcome", "weight": 0.5, "negatives": ["a"]}\n'
    )
    read = read_queries(file, known={"a"})
    assert ([query.query_id for query in read.queries], read.dropped) == (["good"], 1)
