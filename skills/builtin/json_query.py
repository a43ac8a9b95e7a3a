"""Looking things up in a JSON document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod

MAX_DOCUMENT_CHARACTERS = 20_000
MAX_QUERY_CHARACTERS = 300
MAX_COPIES = 64  # how often a query may repeat the document in its result


def query_json(document: str | dict[str, object] | list[object], query: str) -> object:
    """Look up a value in a JSON document with a JMESPath query, such as "people[0].name" or "length(items)".

    Raises ValueError for broken JSON, a broken query, and queries that would multiply the document.
    """
    import jmespath
    from jmespath.exceptions import JMESPathError

    value = _read_document(document)
    if len(query) > MAX_QUERY_CHARACTERS:
        raise ValueError(f"the query has {len(query)} characters; at most {MAX_QUERY_CHARACTERS} are read.")
    try:
        compiled = jmespath.compile(query)
        _refuse_multiplying(compiled.parsed)
        return compiled.search(value)
    except JMESPathError as exc:
        raise ValueError(f"{query!r} is not a JMESPath query that fits: {exc}") from exc
    except RecursionError as exc:
        raise ValueError(f"{query!r} is nested too deeply.") from exc


def _read_document(document: str | dict[str, object] | list[object]) -> object:
    try:
        text = document if isinstance(document, str) else json.dumps(document)
        if len(text) > MAX_DOCUMENT_CHARACTERS:
            raise ValueError(f"it has {len(text)} characters; at most {MAX_DOCUMENT_CHARACTERS} are read")
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as exc:
        raise ValueError(f"the document cannot be read as JSON: {exc}.") from exc


def _refuse_multiplying(tree: Mapping[str, object]) -> None:
    """`[@,@][] | [@,@][] | …` doubles the document at each step, and `join` multiplies texts."""
    nodes = list(_nodes(tree))
    copies = prod(_width(node) for node in nodes if node["type"] in ("multi_select_list", "multi_select_dict"))
    joins = sum(node["type"] == "function_expression" and node.get("value") == "join" for node in nodes)
    if copies > MAX_COPIES or joins > 1:
        raise ValueError(f"the query would repeat the document more than {MAX_COPIES} times; ask for less at once.")


def _width(node: Mapping[str, object]) -> int:
    children = node["children"]
    return max(1, len(children)) if isinstance(children, list) else 1


def _nodes(tree: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    waiting: list[Mapping[str, object]] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        children = node.get("children")
        if isinstance(children, list):
            waiting.extend(child for child in children if isinstance(child, Mapping))
