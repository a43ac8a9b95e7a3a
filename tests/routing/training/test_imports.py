"""Tables of one's own become training data; what cannot be taken is counted and told."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from routing.dataset import Dataset
from routing.training.assembly import Imported, SplitRule, text_id
from routing.training.checks import Expectations, check
from routing.training.files import read_dataset, write_dataset
from routing.training.imports import TableSource, import_data, parse_columns
from routing.training.splits import stable_split
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset

LONG = """prompt,model,score,cost,part
What is 2+2?,gpt,1,0.01,
What is 2+2?,llama,0,0.001,
What is 2+2?,llama,1,0.003,
"Hi, there",gpt,true,0.01,validation
"Hi, there",llama,,0.01,validation
Bye,llama,7,0.01,
,llama,1,0.01,
x,llama,1,-1,test
y,llama,1,1,foo
z,llama
"""
COLUMNS = {"text": "prompt", "candidate": "model", "quality": "score", "cost_usd": "cost", "split": "part"}
COLUMNS_OF_THREE = {"text": "prompt", "candidate": "model", "quality": "score"}
WIDE_COLUMNS = {"text": "prompt", "task": "set", "quality": "{candidate}", "cost_usd": "{candidate}|cost"}
WIDE = [
    {"prompt": "a b c", "gpt": 1, "gpt|cost": 0.5, "mix": 0.25, "mix|cost": 0.1, "best": "mix", "set": "maths"},
    {"prompt": "a b d", "gpt": 0, "gpt|cost": 0.5, "mix": 0.5, "mix|cost": 0.1, "best": "mix", "set": "code"},
]


def imported(path: Path, content: str | bytes, columns: dict[str, str] = COLUMNS, **more: object) -> Imported:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_data(TableSource(path=path, field_to_column=columns, **more))  # type: ignore[arg-type]  # of tests


def cell(data: Dataset, text: str, candidate: str, measure: str = "quality") -> float:
    return float(getattr(data, measure)[data.texts.index(text), data.candidates.index(candidate)])


def test_long_table_is_taken_and_what_cannot_be_is_counted(tmp_path: Path) -> None:
    found = imported(tmp_path / "long.csv", LONG)
    assert (found.taken, found.merged) == (4, 1)
    assert found.data.candidates == ("gpt", "llama")
    assert cell(found.data, "What is 2+2?", "llama") == 0.5
    assert cell(found.data, "What is 2+2?", "llama", "cost_usd") == pytest.approx(0.002)
    assert np.isnan(cell(found.data, "Hi, there", "llama"))
    assert found.data.splits[found.data.texts.index("Hi, there")] == "dev"
    assert found.data.query_ids[found.data.texts.index("Hi, there")] == text_id("Hi, there")
    assert found.left_out.reason_to_first == {
        "2 cells; the header has 5.": "long.csv:11",
        "no quality, or one that is not a number": "long.csv:6",
        "a quality outside 0 to 1 (divide by the best mark there is)": "long.csv:7",
        "no text": "long.csv:8",
        "an amount outside 0 to 1e+09, or a propensity not above 0 or beyond 1": "long.csv:9",
        "the split 'foo' is not one of train, dev, test": "long.csv:10",
    }
    assert set(found.left_out.reason_to_count.values()) == {1}


@pytest.mark.parametrize(("measure", "value"), [("propensity", "2"), ("propensity", "0"), ("cost_usd", "1e12")])
def test_row_that_a_check_of_the_folder_would_refuse_is_left_out(tmp_path: Path, measure: str, value: str) -> None:
    table = f"text,candidate,quality,{measure}\na,gpt,1,{value}\nb,gpt,1,0.5\nc,gpt,1,\n"
    found = imported(tmp_path / "table.csv", table, {})
    assert found.data.texts == ("b", "c") or found.data.texts == ("c", "b")
    write_dataset(found.data, tmp_path / "data")
    assert check(tmp_path / "data", Expectations(needs_train=False)).findings.error_count == 0


def test_wide_table_has_columns_for_each_candidate(tmp_path: Path) -> None:
    content = "\n".join([*map(json.dumps, WIDE), "[3]"])
    found = imported(tmp_path / "wide.jsonl", content, WIDE_COLUMNS)
    assert found.data.candidates == ("gpt", "mix")
    assert found.data.tasks == ("maths", "code") or found.data.tasks == ("code", "maths")
    assert cell(found.data, "a b d", "mix") == 0.5
    assert cell(found.data, "a b c", "mix", "cost_usd") == 0.1
    assert found.left_out.reason_to_count["the line is not a JSON object"] == 1


def test_same_table_gives_the_same_data_in_every_form(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"prompt": ["a", "a", "b"], "model": ["m", "n", "m"], "score": [1.0, 0.0, 0.5], "id": ["q1", "q1", "q2"]}
    named = {"text": "prompt", "candidate": "model", "quality": "score", "query_id": "id"}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    text = "\n".join([",".join(columns), *(",".join(map(str, row.values())) for row in rows)])
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    digests = {
        imported(tmp_path / "t.csv", text, named).data.digest,
        imported(tmp_path / "t.csv.gz", gzip.compress(text.encode()), named).data.digest,
        imported(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows)), named).data.digest,
        import_data(TableSource(path=tmp_path / "t.parquet", field_to_column=named)).data.digest,
    }
    assert len(digests) == 1


def test_cards_say_who_counts(tmp_path: Path) -> None:
    cards = tmp_path / "cards.json"
    cards.write_text(json.dumps([{"id": "gpt", "price_input_usd_per_mtok": 3}]))
    found = imported(tmp_path / "long.csv", LONG, candidates=cards)
    assert [card.price_input_usd_per_mtok for card in found.data.cards] == [3.0]
    assert found.left_out.reason_to_count["the candidate 'llama' has no card"] == 2
    cards.write_text(json.dumps([{"id": "mix"}]))
    wide = imported(tmp_path / "wide.jsonl", "\n".join(map(json.dumps, WIDE)), WIDE_COLUMNS, candidates=cards)
    assert (wide.data.candidates, wide.left_out.reason_to_count.total()) == (("mix",), 0)
    cards.write_text('[{"id": 3}]')
    with pytest.raises(InvalidInput, match=r"cards\.json:1: id"):
        imported(tmp_path / "long.csv", LONG, candidates=cards)


def test_split_is_stable_and_of_the_share_asked_for() -> None:
    texts = [f"text {place}" for place in range(4000)]
    splits = [stable_split(text, dev_share=0.2, seed=3) for text in texts]
    assert splits.count("dev") / len(splits) == pytest.approx(0.2, abs=0.02)
    assert splits == [stable_split(f" {text}\n", dev_share=0.2, seed=3) for text in texts]
    assert splits != [stable_split(text, dev_share=0.2, seed=4) for text in texts]
    grown = [stable_split(text, dev_share=0.3, seed=3) for text in texts]
    assert all(new == "dev" for old, new in zip(splits, grown, strict=True) if old == "dev")


def test_folder_without_splits_gets_them(tmp_path: Path) -> None:
    data = small_dataset(queries=200)
    write_dataset(data, tmp_path / "full")
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("candidates.json", "outcomes.csv.gz"):
        (bare / name).write_bytes((tmp_path / "full" / name).read_bytes())
    lines = gzip.decompress((tmp_path / "full" / "queries.jsonl.gz").read_bytes()).decode().splitlines()
    rows = [{name: value for name, value in json.loads(line).items() if name != "split"} for line in lines]
    (bare / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = import_data(TableSource(path=bare, rule=SplitRule(dev_share=0.3)))
    assert found.taken == data.quality.size
    assert 30 <= found.data.splits.count("dev") <= 90
    write_dataset(found.data, tmp_path / "out")
    assert read_dataset(tmp_path / "out").digest == found.data.digest


def test_every_row_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    content = "\n".join(["text,candidate,quality", "one,a,1", *["two,a"] * 50])
    found = imported(tmp_path / "t.csv", content, {})
    assert (found.taken, found.left_out.reason_to_count.total()) == (1, 50)


def test_cell_longer_than_pythons_limit_is_taken(tmp_path: Path) -> None:
    found = imported(tmp_path / "long.csv", f"prompt,model,score\n{'x' * 1_000_000},gpt,1\n", COLUMNS_OF_THREE)
    assert [len(text) for text in found.data.texts] == [1_000_000]


@pytest.mark.parametrize(
    ("name", "content", "columns", "words"),
    [
        ("t.csv", LONG, {}, "no column 'text'; it has: 'prompt', 'model'"),
        ("t.csv", LONG, {**COLUMNS_OF_THREE, "task": "kind"}, "no column 'kind'"),
        ("t.csv", LONG, {"text": "prompt", "quality": "{candidate}|score"}, "No column of t.csv fits"),
        ("t.csv", LONG, {"text": "{candidate}", "quality": "score"}, "belongs into the column name of quality"),
        ("t.csv", "prompt,model,score\na,b,9\n", COLUMNS_OF_THREE, "1 left out: a quality outside 0 to 1"),
        ("t.csv", "prompt,model,score\n", COLUMNS_OF_THREE, "No outcome could be taken; there is none"),
        ("t.csv", "", COLUMNS_OF_THREE, "the file is empty"),
        ("t.csv.gz", gzip.compress(LONG.encode(), mtime=0)[:-20], COLUMNS_OF_THREE, "breaks off"),
        ("t.txt", LONG, COLUMNS_OF_THREE, "is no table that can be read"),
        ("t.parquet", LONG, COLUMNS_OF_THREE, "cannot be read as Parquet"),
    ],
)
def test_table_of_which_nothing_can_be_made_is_refused(
    tmp_path: Path, name: str, content: str | bytes, columns: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        imported(tmp_path / name, content, columns)


def test_query_id_with_two_texts_is_left_out(tmp_path: Path) -> None:
    content = "query_id,text,candidate,quality\nq,one,a,1\nq,two,b,1\n"
    found = imported(tmp_path / "t.csv", content, {})
    assert found.data.texts == ("one",)
    assert found.left_out.reason_to_first == {"its query id came with another text before": "t.csv:3"}


def test_column_names_are_parsed_or_refused() -> None:
    assert parse_columns(["text=a=b", "quality={candidate}"]) == {"text": "a=b", "quality": "{candidate}"}
    for wrong in ("text", "prompt=text", "text="):
        with pytest.raises(InvalidInput, match="is not FIELD=COLUMN with a field of: query_id, text"):
            parse_columns([wrong])
