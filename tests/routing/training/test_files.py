"""Data folders, written and read again."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pytest

from routing.dataset import MEASURES, Dataset
from routing.training.checks import check
from routing.training.files import read_dataset, write_dataset
from storage.errors import InvalidInput
from tests.routing.small_data import small_dataset

SHARED = Path(__file__).parents[4] / "shared" / "data" / "routing"
SETS = ("bfcl", "mmlupro", "zeroeval", "llmrouter", "twomodel")
MOST_CPU_SECONDS = 12.0  # for 200,000 outcomes: 2 are usual


def assert_same(one: Dataset, other: Dataset) -> None:
    assert (one.cards, one.query_ids, one.texts) == (other.cards, other.query_ids, other.texts)
    assert (one.tasks, one.splits) == (other.tasks, other.splits)
    for name in MEASURES:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-11)


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_what_is_written_is_read_again(tmp_path: Path, missing: float) -> None:
    data = small_dataset(queries=60, missing=missing)
    write_dataset(data, tmp_path / "new" / "data")
    assert_same(read_dataset(tmp_path / "new" / "data"), data)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["data"]


def test_order_in_files_changes_nothing(tmp_path: Path) -> None:
    write_dataset(small_dataset(queries=20), tmp_path / "one")
    one = tmp_path / "one"
    other = tmp_path / "other"
    other.mkdir()
    (other / "candidates.json").write_bytes((one / "candidates.json").read_bytes())
    for name in ("queries.jsonl", "outcomes.csv"):
        lines = gzip.decompress((one / f"{name}.gz").read_bytes()).decode().splitlines()
        header, rows = (lines[:1], lines[1:]) if name.endswith("csv") else ([], lines)
        (other / name).write_text("\n".join([*header, *reversed(rows)]))
    assert read_dataset(one).digest == read_dataset(other).digest


def test_writing_the_same_again_changes_nothing_and_other_content_is_refused(tmp_path: Path) -> None:
    write_dataset(small_dataset(queries=20), tmp_path / "data")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (tmp_path / "data").iterdir()}
    write_dataset(small_dataset(queries=20), tmp_path / "data")
    with pytest.raises(InvalidInput, match="holds something else; name a new folder"):
        write_dataset(small_dataset(queries=21), tmp_path / "data")
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (tmp_path / "data").iterdir()}


def test_foreign_file_or_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "letter.txt").write_text("mine")
    for name in ("file", "folder"):
        with pytest.raises(InvalidInput, match="name a new folder"):
            write_dataset(small_dataset(queries=20), tmp_path / name)
    assert (tmp_path / "folder" / "letter.txt").read_text() == "mine"


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_dataset(small_dataset(8), tmp_path / "file" / "data")


def test_write_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InvalidInput, match="No space"):
        write_dataset(small_dataset(queries=20), tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_parquet_outcomes_are_read(tmp_path: Path) -> None:
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    data = small_dataset(queries=40, missing=0.3)
    write_dataset(data, tmp_path / "data")
    packed = tmp_path / "data" / "outcomes.csv.gz"
    parquet.write_table(arrow_csv.read_csv(packed), tmp_path / "data" / "outcomes.parquet")
    packed.unlink()
    assert_same(read_dataset(tmp_path / "data"), data)


def test_progress_is_told_to_its_end(tmp_path: Path) -> None:
    write_dataset(small_dataset(queries=20), tmp_path / "data")
    told: list[tuple[int, int, str]] = []
    read_dataset(tmp_path / "data", on_progress=lambda *state: told.append(state))
    assert told[-1] == (3, 3, "reading data")


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the research data is not at {SHARED}")
@pytest.mark.parametrize("name", SETS)
def test_research_data_has_no_error_and_is_read_fast(name: str) -> None:
    started = time.process_time()
    checked = check(SHARED / name)
    assert time.process_time() - started < MOST_CPU_SECONDS
    assert checked.findings.shown() == []
    assert checked.data is not None
    assert np.isfinite(checked.data.split("train").reference.cost_usd)
