"""The console's files are in the package, and the one that is not ours is as its makers published it."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files

from orchestrator.rest.console.assets import NAME_TO_TYPE, address_of, content_of


def test_htmx_is_the_published_file() -> None:
    about = json.loads(files("orchestrator.rest.console").joinpath("static", "htmx.json").read_text())
    assert sha256(content_of(about["file"])).hexdigest() == about["sha256"]


def test_each_file_is_addressed_by_its_content() -> None:
    for name in NAME_TO_TYPE:
        assert sha256(content_of(name)).hexdigest()[:12] in address_of(name)
