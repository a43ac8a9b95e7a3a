"""Broken data folders: every problem is told, by file, line and field."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from routing.training.checks import Expectations, check, problems
from routing.training.files import read_dataset
from routing.training.problems import MOST_ALIKE, MOST_SHOWN, Problem
from storage.errors import InvalidInput

CARDS = [{"id": "a"}, {"id": "b"}]
QUERIES = [
    {"query_id": "q1", "text": "one", "task": "t", "split": "train"},
    {"query_id": "q2", "text": "two", "split": "train"},
    {"query_id": "q3", "text": "three", "split": "dev"},
]
HEADER = "query_id,candidate,quality,cost_usd"
OUTCOMES = ["q1,a,1,0.1", "q1,b,0,0.2", "q2,a,0.5,0.1", "q3,b,1,0.2"]

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a folder that is in order but for what is given: text, or bytes."""

    def written(
        *,
        cards: object = CARDS,
        queries: str | bytes | None = None,
        outcomes: str | bytes | None = None,
        names: tuple[str, str] = ("queries.jsonl", "outcomes.csv"),
    ) -> Path:
        queries = "\n".join(map(json.dumps, QUERIES)) if queries is None else queries
        outcomes = "\n".join([HEADER, *OUTCOMES]) if outcomes is None else outcomes
        contents = {
            "candidates.json": cards if isinstance(cards, str | bytes) else json.dumps(cards, indent=1),
            names[0]: queries,
            names[1]: outcomes,
        }
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return tmp_path

    return written


def with_query(**changes: object) -> str:
    """The queries, the second of them changed; None takes a field away."""
    changed = {name: value for name, value in {**QUERIES[1], **changes}.items() if value is not None}
    return "\n".join(map(json.dumps, [QUERIES[0], changed, QUERIES[2]]))


def with_line(line: str, *, header: str = HEADER) -> str:
    return "\n".join([header, *OUTCOMES[:2], line, OUTCOMES[3]])


def only(found: list[Problem], severity: str = "error") -> Problem:
    (problem,) = [problem for problem in found if problem.severity == severity]
    return problem


def test_folder_in_order_has_no_problem(write: Write) -> None:
    assert problems(write()) == []


@pytest.mark.parametrize(
    ("line", "field", "words"),
    [
        ("q2,a,1.4,0", "quality", "'1.4' is outside 0 to 1"),
        ("q2,a,-0.1,0", "quality", "outside 0 to 1"),
        ("q2,a,nan,0", "quality", "'nan' is not a finite number"),
        ("q2,a,good,0", "quality", "'good' is not a finite number"),
        ("q2,a,1,inf", "cost_usd", "'inf' is not a finite number. Leave the cell empty"),
        ("q2,a,1,-1", "cost_usd", "'-1' is outside 0 to 1e"),
        ("q2,c,1,0", "candidate", "'c' is not listed in candidates.json"),
        ("q9,a,1,0", "query_id", "'q9' is not listed in the queries file"),
        ("q2\x00,a,1,0", "query_id", "is not listed"),
        ("q1,a,1,0", "query_id, candidate", "('q1', 'a') stands in line 2 already"),
        ("q2,a,1", "", "3 cells; the header has 4"),
        ('q2,"a"x,1,0', "", "not CSV"),
        (f"q2,{'x' * 1_000_000},1,0", "candidate", "is not listed"),
    ],
)
def test_wrong_outcome_is_told_by_line_and_field(write: Write, line: str, field: str, words: str) -> None:
    problem = only(problems(write(outcomes=with_line(line))))
    assert (problem.file, problem.line, problem.field) == ("outcomes.csv", 4, field)
    assert words in problem.message
    assert len(str(problem)) < 300


def test_amount_in_a_wrong_unit_is_an_error(write: Write) -> None:
    problem = only(problems(write(outcomes=with_line("q2,a,1,2e9"))))
    assert problem.field == "cost_usd"
    assert "is the unit right?" in problem.message


def test_outcomes_that_all_lack_quality_are_an_error(write: Write) -> None:
    found = problems(write(outcomes=f"{HEADER}\nq1,a,,0.1\nq2,b,,0.1"))
    assert [problem.message for problem in found if problem.severity == "error"] == [
        "no query of the train split has an outcome."
    ]


def test_propensity_of_zero_is_an_error(write: Write) -> None:
    lines = [f"{HEADER},propensity", *(f"{line},0.5" for line in OUTCOMES[:3]), f"{OUTCOMES[3]},0"]
    problem = only(problems(write(outcomes="\n".join(lines))))
    assert (problem.line, problem.field) == (5, "propensity")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"text": 5}, "text", "5 is not a text"),
        ({"text": None}, "text", "is missing"),
        ({"task": ["x"]}, "task", "is not a text"),
        ({"split": "validation"}, "split", "is not one of train, dev, test; is dev meant?"),
        ({"split": 3}, "split", "3 is not one of train, dev, test."),
        ({"split": None}, "split", "is missing here"),
        ({"query_id": "q1"}, "query_id", "'q1' stands in line 1 already"),
    ],
)
def test_wrong_query_is_told_by_line_and_field(
    write: Write, changes: dict[str, object], field: str, words: str
) -> None:
    found = problems(write(queries=with_query(**changes)))
    (problem,) = [p for p in found if p.severity == "error" and p.file == "queries.jsonl"]
    assert (problem.line, problem.field) == (2, field)
    assert words in problem.message


@pytest.mark.parametrize("line", ['{"query_id": "q2", ', "[1]", "7", "\x00", '{"text": "\\ud800"}', "[" * 100_000])
def test_line_that_is_no_json_object_is_told_and_reading_goes_on(write: Write, line: str) -> None:
    queries = [json.dumps(QUERIES[0]), line, json.dumps({**QUERIES[2], "split": "wrong"})]
    found = [p for p in problems(write(queries="\n".join(queries))) if p.file == "queries.jsonl"]
    assert [p.line for p in found if p.severity == "error"] == [2, 3]


def test_long_line_is_read(write: Write) -> None:
    assert problems(write(queries=with_query(text="x" * 1_000_000))) == []


def test_text_that_is_not_utf8_is_told_by_line(write: Write) -> None:
    problem = only(problems(write(queries=with_query(text="café").replace("\\u00e9", "é").encode("latin-1"))))
    assert (problem.line, problem.message[:9]) == (2, "not UTF-8")


def test_byte_order_mark_and_windows_line_ends_are_taken(write: Write) -> None:
    outcomes = b"\xef\xbb\xbf" + "\r\n".join([HEADER, *OUTCOMES, ""]).encode()
    queries = b"\xef\xbb\xbf" + "\r\n".join(map(json.dumps, QUERIES)).encode()
    assert problems(write(outcomes=outcomes, queries=queries)) == []


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "breaks off"),
        (b"\x1f\x8b" + b"\xff" * 30, "cannot be read"),
        (b"", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
    ],
)
@pytest.mark.parametrize("which", ["queries", "outcomes"])
def test_broken_file_is_told(write: Write, which: str, packed: bytes, words: str) -> None:
    names = {"names": ("queries.jsonl.gz", "outcomes.csv.gz")}
    problem = only(problems(write(**names, **{which: packed})))  # type: ignore[arg-type]  # of a fixture that takes both
    assert problem.file.startswith(which)
    assert words in problem.message


@pytest.mark.parametrize(
    ("cards", "line", "words"),
    [
        ("[", 1, "not JSON"),
        ("{}", None, "must be a list"),
        ("[]", None, "must be a list of at least one"),
        ('[\n{"id": "a"},\n{"id": "b", "size_b": "big"}]', 3, "`size_b` is 'big'"),
        ('[\n{"id": "a"},\n{"id": "b", "size_b": NaN}]', 3, "not JSON"),
        ('[\n{"id": "a"},\n7,{"id": "b"}]', 3, "an object with an `id`"),
        ('[\n{"id": "a"},\n{"id": ""}, {"id": "b"}]', 3, "`id` is ''"),
        ('[\n{"id": "a"},\n{"id": "a"}, {"id": "b"}]', 3, "'a' is there already"),
    ],
)
def test_wrong_candidate_is_told_by_line(write: Write, cards: str, line: int | None, words: str) -> None:
    found = [p for p in problems(write(cards=cards)) if p.file == "candidates.json" and p.severity == "error"]
    assert [p.line for p in found] == [line]
    assert words in found[0].message


@pytest.mark.parametrize(
    ("header", "field", "words"),
    [
        ("query_id,model,quality,cost_usd", "candidate", "the column is missing; found: 'query_id', 'model'"),
        ("query_id;candidate;quality;cost_usd", "quality", "parted by ';'; commas are expected"),
        ("query_id,candidate,quality,quality", "quality", "more than once"),
    ],
)
def test_wrong_header_is_told(write: Write, header: str, field: str, words: str) -> None:
    found = problems(write(outcomes="\n".join([header, *OUTCOMES])))
    (problem,) = [p for p in found if p.field == field]
    assert (problem.line, problem.severity) == (1, "error")
    assert words in problem.message


def test_missing_files_and_two_forms_of_one_are_told(write: Write, tmp_path: Path) -> None:
    assert "no such folder" in only(problems(tmp_path / "nowhere")).message
    folder = write()
    (folder / "outcomes.csv.gz").write_bytes(b"x")
    assert "keep one of them" in only(problems(folder)).message
    for name in ("outcomes.csv", "outcomes.csv.gz", "queries.jsonl"):
        (folder / name).unlink()
    assert [p.file for p in problems(folder)] == ["queries.jsonl", "outcomes.csv"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cards": [*CARDS, {"id": "c"}]}, "'c' has no outcome"),
        ({"cards": CARDS[:1], "outcomes": f"{HEADER}\nq1,a,1,1\nq2,a,0,1\nq3,a,0,1"}, "only one candidate"),
        ({"outcomes": "\n".join([HEADER, *OUTCOMES[:3]])}, "queries without an outcome"),
        ({"outcomes": "query_id,candidate,quality\nq1,a,1\nq1,b,0\nq2,a,1\nq3,a,0"}, "no cost is known"),
        ({"outcomes": f"{HEADER}\nq1,a,1,1\nq1,b,1,0\nq2,a,1,0\nq3,a,1,0"}, "every outcome is 1"),
        ({"outcomes": with_line("q2,a,,0.3") + "\nq2,b,1,1"}, "outcomes without quality are left out: 1"),
        ({"outcomes": f"{HEADER},note\n" + "\n".join(f"{line},x" for line in OUTCOMES)}, "this column is not read"),
        ({"queries": with_query(source="web")}, "this field is not read"),
        ({"queries": with_query(text="three")}, "1 texts stand in two splits"),
        ({"queries": with_query(text=" ")}, "says nothing"),
        ({"queries": "\n".join(json.dumps({**q, "split": "train"}) for q in QUERIES)}, "no query is in dev"),
    ],
)
def test_what_teaches_little_is_a_warning(write: Write, given: dict[str, object], words: str) -> None:
    folder = write(**given)
    assert words in only(problems(folder), "warning").message
    assert check(folder).data is not None


def test_one_query_is_a_warning(write: Write) -> None:
    found = problems(write(queries=json.dumps(QUERIES[0]), outcomes="\n".join([HEADER, *OUTCOMES[:2]])))
    assert any("only one query" in problem.message for problem in found)
    assert {problem.severity for problem in found} == {"warning"}


def test_data_without_training_queries_is_an_error_unless_none_are_needed(write: Write) -> None:
    folder = write(queries="\n".join(json.dumps({**query, "split": "dev"}) for query in QUERIES))
    assert "nothing to learn from" in only(problems(folder)).message
    data = check(folder, Expectations(needs_train=False)).data
    assert data is not None
    assert set(data.splits) == {"dev"}


def test_training_queries_without_outcomes_are_an_error(write: Write) -> None:
    problem = only(problems(write(outcomes=f"{HEADER}\nq3,a,1,1\nq3,b,0,1")))
    assert "no query of the train split has an outcome" in problem.message


def test_data_without_any_split_tells_how_to_get_one(write: Write) -> None:
    bare = [{name: value for name, value in query.items() if name != "split"} for query in QUERIES]
    folder = write(queries="\n".join(map(json.dumps, bare)))
    problem = only(problems(folder))
    assert problem.field == "split"
    assert "antroute data import" in problem.message
    data = check(folder, Expectations(needs_train=False, dev_share=0.5)).data
    assert data is not None
    assert set(data.splits) <= {"train", "dev"}


def test_like_errors_are_counted_and_only_the_first_are_kept(write: Write) -> None:
    lines = [f"q{place},a,1,0" for place in range(10, 500)]
    found = check(write(outcomes="\n".join([HEADER, *OUTCOMES, *lines]))).findings
    assert found.error_count == len(lines)
    assert len(found.shown()) == MOST_ALIKE <= MOST_SHOWN
    assert [problem.line for problem in found.shown()] == list(range(6, 6 + MOST_ALIKE))


def test_reading_refuses_errors_with_the_first_of_them(write: Write) -> None:
    folder = write(outcomes=with_line("q2,a,7,-1"))
    with pytest.raises(InvalidInput, match=r"outcomes\.csv:4: quality: '7' is outside") as refused:
        read_dataset(folder)
    assert "outcomes.csv:4: cost_usd: '-1' is outside 0 to 1e" in str(refused.value)
    assert refused.value.hint == f"All of it: antroute data validate {folder}"


def test_reading_tells_warnings(write: Write) -> None:
    told: list[Problem] = []
    read_dataset(write(cards=[*CARDS, {"id": "c"}]), on_warning=told.append)
    assert ["'c' has no outcome" in problem.message for problem in told] == [True]


def test_wrong_parquet_is_told_by_row(write: Write) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = write()
    (folder / "outcomes.csv").unlink()
    (folder / "outcomes.parquet").write_bytes(b"PAR1 and nothing")
    assert "cannot be read as Parquet" in only(problems(folder)).message
    columns = {"query_id": ["q1", "q1", "q2", "q3"], "candidate": ["a", "b", "a", "b"]}
    pq.write_table(pa.table({**columns, "quality": [1.0, 0.0, float("nan"), 0.5]}), folder / "outcomes.parquet")
    problem = only(problems(folder))
    assert (problem.line, problem.field) == (3, "quality")
    pq.write_table(pa.table({**columns, "quality": [True, False, True, False]}), folder / "outcomes.parquet")
    assert check(folder).findings.error_count == 4
    pq.write_table(pa.table({**columns, "quality": [[1.0]] * 4}), folder / "outcomes.parquet")
    assert check(folder).findings.error_count == 4
    pq.write_table(pa.table(columns), folder / "outcomes.parquet")
    assert only(problems(folder)).field == "quality"
