"""An index is built with the ranker and encoder of the settings, and opened with those that built it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.index_files import IndexFiles
from orchestrator.settings import SkillSettings
from routing.encoders.hashing import HashingEncoder
from skills.encoder import Encoder
from skills.errors import IndexRefused, RankerRefused
from skills.progress import no_progress
from tests.orchestrator.skill_doubles import text_skill

SKILLS = [text_skill("chart a table"), text_skill("fill a form")]


class OtherEncoder(HashingEncoder):
    """The same vectors under another name."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "other"


def files(tmp_path: Path, shared: Encoder | None = None, **settings: Any) -> IndexFiles:
    chosen = SkillSettings(**{"ranker": "none", **settings})
    return IndexFiles(chosen, encoder=shared or HashingEncoder(), encoder_dir=tmp_path / "encoders")


def test_what_was_built_is_held_by_digest_and_updated(tmp_path: Path) -> None:
    own, folder = files(tmp_path), tmp_path / "index"
    assert own.held(folder) is None
    assert own.build(folder, SKILLS, no_progress).startswith("2 added, 0 updated")
    held = own.held(folder)
    assert held is not None
    assert sorted(held) == ["pool/chart a table", "pool/fill a form"]
    assert own.update(folder, [text_skill("knit socks")], ["pool/fill a form"], no_progress).startswith("1 added")
    opening = own.open(folder)
    assert opening.notice == ""
    found = {hit.skill_id for hit in opening.index.search(["knit a chart form"], top=9)[0].hits}
    assert found == {"pool/chart a table", "pool/knit socks"}


def test_an_index_is_opened_with_the_encoder_that_built_it_and_built_with_the_settings_one(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    files(tmp_path).build(folder, SKILLS, no_progress)
    elsewhere = files(tmp_path, OtherEncoder(), encoder="hashing")
    assert elsewhere.open(folder).index.encoder_name == HashingEncoder().name
    assert elsewhere.encoder.name == HashingEncoder().name
    with pytest.raises(IndexRefused, match="was built with encoder 'hashing"):
        files(tmp_path, OtherEncoder()).open(folder)
    assert files(tmp_path, OtherEncoder()).held(folder) is None


def test_an_index_of_a_folders_encoder_that_is_gone_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    files(tmp_path).build(folder, SKILLS, no_progress)
    gone = files(tmp_path, OtherEncoder(), encoder=f"tuned:{tmp_path / 'gone'}")
    with pytest.raises(IndexRefused, match="which is not here"):
        gone.open(folder)


def test_a_ranker_that_is_not_there_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(RankerRefused, match="There is no ranker in"):
        files(tmp_path, ranker=tmp_path / "gone").held(tmp_path / "index")


def give_broken_ranker(folder: Path) -> None:
    generation = folder / (folder / "CURRENT").read_text().strip()
    (generation / "ranker").mkdir()
    (generation / "ranker" / "manifest.json").write_text("{}")
    manifest = json.loads((generation / "manifest.json").read_text())
    manifest["ranker"] = {"sha256": "0" * 64, "files": {"manifest.json": {"size": 2, "sha256": "0" * 64}}}
    (generation / "manifest.json").write_text(json.dumps(manifest))


def test_a_ranker_that_cannot_be_used_is_told_and_retrieval_serves_alone(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    files(tmp_path).build(folder, SKILLS, no_progress)
    give_broken_ranker(folder)
    opening = files(tmp_path).open(folder)
    assert "the ranker of skills cannot be used" in opening.notice
    [search] = opening.index.search(["chart a table"], top=1)
    assert (search.hits[0].skill_id, search.hits[0].rerank) == ("pool/chart a table", None)
    assert files(tmp_path).held(folder) is None


def test_a_ranker_that_went_with_its_generation_is_no_reason_to_serve_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    files(tmp_path).build(folder, SKILLS, no_progress)
    give_broken_ranker(folder)

    def refused_once_gone(place: Path, *, encoder: str) -> None:
        """While it is being read, another build takes its generation away."""
        files(tmp_path).build(folder, [*SKILLS, text_skill("knit socks")], no_progress)
        raise RankerRefused(f"{place.name} of {encoder} is gone: {place.exists()}")

    monkeypatch.setattr("skills.ranking.ranker.load_ranker", refused_once_gone)
    opening = files(tmp_path).open(folder)
    assert opening.notice == ""
    assert len(opening.index.search(["knit"], top=9)[0].hits) == 3
