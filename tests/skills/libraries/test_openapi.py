"""OpenAPI documents: which operations become skills, and what goes over the wire when one is called."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from skills.errors import SkillError, SkillFailed, SkillNotFound, SkillRefused, SkillUnavailable, ToolError
from skills.libraries.openapi import OpenApiLibrary
from skills.registry import make_library
from skills.results import RESULT_CHARACTERS

PET = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "example": "Rex"},
        "parent": {"$ref": "#/components/schemas/Pet"},
        "kind": {"$ref": "#/components/schemas/a~1b%20c"},
    },
}
PATHS = {
    "/pets/{id}": {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "get": {
            "operationId": "getPet",
            "summary": "Look a pet up",
            "description": "By its\n id.",
            "parameters": [
                {"name": "fields", "in": "query", "schema": {"type": "array"}},
                {"name": "tags", "in": "query", "explode": False, "schema": {"type": "array"}},
                {"name": "where", "in": "query", "style": "deepObject", "explode": True, "schema": {"type": "object"}},
                {"name": "X-Trace", "in": "header", "description": "For the log", "schema": {"type": "string"}},
                {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                {"name": "Host", "in": "header", "required": True, "schema": {"type": "string"}},
            ],
        },
        "put": {
            "operationId": "put/pet !",
            "requestBody": {
                "required": True,
                "content": {"application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/Pet"}}},
            },
        },
    },
    "/pets": {"post": {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {}}}}}},
}
COMPONENTS = {"schemas": {"Pet": PET, "a/b c": {"type": "string", "enum": ["cat", "dog"]}}}


def document(**others: object) -> dict[str, object]:
    info = {"title": "Pets", "version": "1", "license": {"name": "MIT"}}
    return {"openapi": "3.1.0", "info": info, "paths": PATHS, "components": COMPONENTS, **others}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "pets.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


class Handler(BaseHTTPRequestHandler):
    """Tells what it was sent, unless its path says otherwise."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        told = {
            "line": self.requestline,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "body": self.rfile.read(length).decode(),
        }
        self.seen.append(self.requestline)
        name = urlsplit(self.path).path.rpartition("/")[2]
        status = int(name) if name.isdigit() else 200
        content, kind = json.dumps(told).encode(), "application/json"
        if name == "big":
            content = b"x" * 5_000_000
        if name == "image":
            content, kind = b"\x89PNG", "image/png"
        if name == "document":
            content = json.dumps(document(servers=[{"url": "/v1"}])).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status >= 400:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(content)))
        if status == 302:
            self.send_header("Location", str(self.headers.get("X-Trace", "")))
        self.end_headers()
        if name != "big" or not self.wfile.closed:
            self.write(content)

    do_PUT = do_POST = do_GET

    def write(self, content: bytes) -> None:
        try:
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the reader had enough

    def log_message(self, format: str, *values: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


async def test_operations_become_skills_with_one_schema_each(tmp_path: Path) -> None:
    path = written(tmp_path, document())
    reading = await OpenApiLibrary(document=path).read()
    assert [skill.id for skill in reading.skills] == ["pets/getPet", "pets/put_pet", "pets/post__pets"]
    get, put, post = reading.skills
    assert (get.kind, get.description) == ("operation", "Look a pet up. By its id.")
    assert get.provenance.source == f"{path}#GET /pets/{{id}}"
    assert get.provenance.license == "MIT"
    assert list(get.parameters["properties"]) == ["id", "fields", "tags", "where", "X-Trace"]  # type: ignore[call-overload]
    assert get.parameters["required"] == ["id"]
    assert put.description == "PUT /pets/{id}"
    assert put.parameters["required"] == ["id", "body"]
    assert put.parameters["properties"]["body"] == {  # type: ignore[index]
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "parent": {"description": "Again as 'Pet' above."},
            "kind": {"type": "string", "enum": ["cat", "dog"]},
        },
    }
    assert "$ref" not in json.dumps([skill.parameters for skill in reading.skills])
    assert post.name == "post__pets"
    assert reading.refused == ()


async def test_yaml_reads_as_json_does(tmp_path: Path) -> None:
    path = tmp_path / "pets.yaml"
    path.write_text(
        "openapi: 3.0.3\ninfo: {title: t, version: 1.0.0}\npaths:\n  /now:\n    get:\n      operationId: now\n"
        "      responses:\n        200: {description: 2024-01-01}\n"
    )
    (skill,) = await make_library("openapi", document=path).skills()
    assert skill.id == "pets/now"


async def test_arguments_go_where_the_document_says(tmp_path: Path, server: str) -> None:
    library = OpenApiLibrary(
        document=written(tmp_path, document(servers=[{"url": "https://evil.example"}])),
        base_url=f"{server}/v1/",
        headers={"Authorization": "Bearer operator"},
    )
    told = json.loads(
        await library.call(
            "getPet",
            {
                "id": "a/../b?c#d é",
                "fields": ["x y", True],
                "tags": [1, 2],
                "where": {"age": 3},
                "X-Trace": "t-1",
            },
        )
    )
    line = "GET /v1/pets/a%2F..%2Fb%3Fc%23d%20%C3%A9?fields=x%20y&fields=true&tags=1%2C2&where%5Bage%5D=3 HTTP/1.1"
    assert told["line"] == line
    assert told["headers"]["authorization"] == "Bearer operator"
    assert told["headers"]["x-trace"] == "t-1"
    assert told["headers"]["host"] == urlsplit(server).netloc
    put = json.loads(await library.call("put_pet", {"id": "7x", "body": {"title": "Réx"}}))
    assert (put["headers"]["content-type"], put["body"]) == ("application/json; charset=utf-8", '{"title": "Réx"}')
    post = json.loads(await library.call("post__pets", {"body": {"a": "b c", "n": 1}}))
    assert (post["headers"]["content-type"], post["body"]) == ("application/x-www-form-urlencoded", "a=b+c&n=1")


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("getPet", {}, "'getPet' needs 'id'"),
        ("getPet", {"id": "x", "feilds": []}, r"no argument 'feilds'; did you mean 'fields'\?"),
        ("getPet", {"id": ".."}, "names nothing in a path"),
        ("getPet", {"id": ""}, "names nothing in a path"),
        ("getPet", {"id": "x", "X-Trace": "a\r\nHost: evil"}, "printable ASCII"),
        ("getPet", {"id": "x", "Authorization": "Bearer mine"}, "no argument 'Authorization'"),
        ("getPet", {"id": {"a": {"b": 1}}}, "holds dict where a plain value goes"),
        ("getPet", {"id": "x" * 9000}, "a URL of 9006 characters"),
        ("put_pet", {"id": "x"}, "needs 'body'"),
        ("put_pet", {"id": "x", "body": "x" * 2_000_000}, "more than 1048576 bytes"),
        ("post__pets", {"body": ["a"]}, "sent as a form"),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    tmp_path: Path, server: str, name: str, arguments: dict[str, object], reason: str
) -> None:
    library = OpenApiLibrary(document=written(tmp_path, document()), base_url=server)
    with pytest.raises(SkillRefused, match=reason):
        await library.call(name, arguments)
    assert Handler.seen == []


async def test_answers_are_clipped_and_errors_say_who_must_act(tmp_path: Path, server: str) -> None:
    library = OpenApiLibrary(document=written(tmp_path, document()), base_url=server)
    assert len(await library.call("getPet", {"id": "big"})) < RESULT_CHARACTERS + 60
    assert await library.call("getPet", {"id": "image"}) == "(4 bytes of image/png)"
    with pytest.raises(SkillRefused, match="answered 422"):
        await library.call("getPet", {"id": "422"})
    for status in ("401", "500"):
        with pytest.raises(SkillFailed, match=f"answered {status}"):
            await library.call("getPet", {"id": status})
    with pytest.raises(SkillNotFound, match=r"did you mean 'getPet'\?"):
        await library.call("getPets", {})


@pytest.mark.parametrize(
    ("name", "status", "is_retryable"),
    [
        ("getPet", 429, True), ("put/pet !", 429, True), ("put/pet !", 503, True), ("getPet", 502, True),
        ("put/pet !", 502, False), ("put/pet !", 504, False), ("getPet", 500, False), ("getPet", 404, False),
    ],
)  # fmt: skip
async def test_only_what_did_nothing_or_may_be_repeated_is_retryable(
    tmp_path: Path, server: str, name: str, status: int, is_retryable: bool
) -> None:
    library = OpenApiLibrary(document=written(tmp_path, document()), base_url=server)
    names = {skill.provenance.source.rpartition("#")[2]: skill.name for skill in await library.skills()}
    arguments = {"id": str(status), **({} if name == "getPet" else {"body": {"title": "Rex"}})}
    with pytest.raises(SkillError, match=f"answered {status}") as raised:
        await library.call(names["GET /pets/{id}" if name == "getPet" else "PUT /pets/{id}"], arguments)
    told = ToolError.of(raised.value)
    assert told.is_retryable == is_retryable
    assert told.category == ("unavailable" if is_retryable else "arguments" if status == 404 else "failed")
    assert told.retry_after_seconds == (7.0 if is_retryable else None)


async def test_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        library = OpenApiLibrary(document=written(tmp_path, document()), base_url=address)
        with pytest.raises(SkillUnavailable, match="could not be asked"):
            await library.call("getPet", {"id": "1"})


async def test_redirect_is_followed_on_the_same_server_only(tmp_path: Path, server: str) -> None:
    library = OpenApiLibrary(document=written(tmp_path, document()), base_url=server)
    told = await library.call("getPet", {"id": "302", "X-Trace": "/pets/there"})
    assert json.loads(told)["line"] == "GET /pets/there HTTP/1.1"
    with pytest.raises(SkillFailed, match=r"leads to another server, '169.254.169.254'"):
        await library.call("getPet", {"id": "302", "X-Trace": "http://169.254.169.254/latest"})
    with pytest.raises(SkillFailed, match="from one address to the next"):
        await library.call("getPet", {"id": "302", "X-Trace": "/pets/302"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"])
async def test_private_server_of_a_document_is_not_called(tmp_path: Path, server: str, host: str) -> None:
    url = server.replace("127.0.0.1", host)
    library = OpenApiLibrary(document=written(tmp_path, document(servers=[{"url": url}])))
    with pytest.raises(SkillFailed, match=r"is no public address; the operator may name it"):
        await library.call("getPet", {"id": "x"})
    assert Handler.seen == []


async def test_document_without_a_server_is_read_but_not_called(tmp_path: Path) -> None:
    library = OpenApiLibrary(document=written(tmp_path, document()))
    assert len(await library.skills()) == 3
    with pytest.raises(SkillFailed, match="names no server"):
        await library.call("getPet", {"id": "x"})


async def test_document_is_fetched_from_a_url(server: str) -> None:
    library = OpenApiLibrary(document=f"{server}/some/document?x=1", name="pets", base_url=server)
    assert "pets/getPet" in [skill.id for skill in await library.skills()]
    assert Handler.seen == ["GET /some/document?x=1 HTTP/1.1"]
    with pytest.raises(SkillError, match="could not be fetched: status 404"):
        await OpenApiLibrary(document=f"{server}/404").read()


async def test_server_that_never_answers_costs_the_limit_only(tmp_path: Path) -> None:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)  # accepts, and nobody serves
    with listening:
        base_url = f"http://127.0.0.1:{listening.server_address[1]}"
        library = OpenApiLibrary(document=written(tmp_path, document()), base_url=base_url, timeout_seconds=0.2)
        with pytest.raises(SkillFailed, match=r"no answer from 127.0.0.1:\d+ in 0.2 s"):
            await library.call("getPet", {"id": "x"})


async def test_only_named_operations_are_offered_and_unknown_ones_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, document())
    (skill,) = await OpenApiLibrary(document=path, operations=["getPet"]).skills()
    assert skill.name == "getPet"
    with pytest.raises(SkillError, match=r"offers no 'getpet'; did you mean 'getPet'\?"):
        await OpenApiLibrary(document=path, operations=["getpet"]).skills()


def test_key_goes_to_a_server_that_the_operator_named_only(tmp_path: Path) -> None:
    with pytest.raises(SkillError, match="sent to a `base_url` only"):
        OpenApiLibrary(document=tmp_path / "x.json", headers={"Authorization": "secret"})


DEEP: dict[str, object] = {}
for _ in range(60):
    DEEP = {"items": DEEP}


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ("nonsense", "is no object"),
        ({"operationId": "getPet"}, "that of GET /pets/{id}"),
        ({"operationId": "!!!"}, "neither letters nor digits"),
        ({"parameters": [{"in": "query"}]}, "has no name"),
        ({"parameters": [{"$ref": "#/components/parameters/missing"}]}, "which the document does not hold"),
        ({"parameters": [{"$ref": "file:///etc/passwd"}]}, "outside the document"),
        ({"parameters": [{"name": "c", "in": "cookie", "required": True}]}, "needs parameter 'c' in 'cookie'"),
        ({"parameters": [{"name": "q", "in": "query", "schema": {"$ref": "http://evil/x"}}]}, "outside the document"),
        ({"parameters": [{"name": "q", "in": "query", "schema": DEEP}]}, "or 40 levels"),
        ({"parameters": [{"name": "q", "in": "query", "schema": {"$ref": "#/components/schemas/B0"}}]}, "5000 parts"),
        ({"requestBody": {"required": True, "content": {"image/png": {}}}}, "takes image/png; only JSON"),
        ({"requestBody": {"$ref": "#/components/loop"}}, "More than 40 references"),
    ],
)
async def test_broken_operation_is_refused_beside_good_ones(tmp_path: Path, operation: object, reason: str) -> None:
    bomb = {f"B{n}": {"anyOf": [{"$ref": f"#/components/schemas/B{n + 1}"}] * 10} for n in range(20)}
    components = {"schemas": {**COMPONENTS["schemas"], **bomb}, "loop": {"$ref": "#/components/loop"}}
    content = document(paths={**PATHS, "/broken": {"get": operation}}, components=components)
    reading = await OpenApiLibrary(document=written(tmp_path, content)).read()
    assert len(reading.skills) == 3
    (refused,) = reading.refused
    assert refused.where == "GET /broken"
    assert reason in refused.reason


@pytest.mark.parametrize(
    "path", ["@evil.example/x", "evil", "/a/../../admin", "/..", "/./a", "/a?b=1", "/a b", "", "/a\\b"]
)
async def test_path_that_would_leave_the_server_is_refused(tmp_path: Path, path: str) -> None:
    reading = await OpenApiLibrary(document=written(tmp_path, document(paths={path: {"get": {}}}))).read()
    assert reading.skills == ()
    assert "path does not begin with '/'" in reading.refused[0].reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe", "neither JSON nor YAML"),
        (b"{", "neither JSON nor YAML"),
        (b"just words", "holds no object"),
        (b'{"swagger": "2.0"}', "of OpenAPI version '2.0'; convert it"),
        (b"a: &a [1]\nb: *a\n", "YAML aliases"),
        (b"[" * 200_000, "100 levels"),
        (b"- " * 200_000, "100 levels"),
        (b'{"a":' * 200_000, "neither JSON nor YAML"),
    ],
)
async def test_what_is_no_document_is_an_error(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(SkillError, match=reason):
        await OpenApiLibrary(document=written(tmp_path, content)).read()


async def test_missing_document_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SkillError, match="No file"):
        await OpenApiLibrary(document=tmp_path / "none.json").skills()
