"""Writes the references of a document's JSON schemas out, within bounds, so that each schema stands alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from skills.errors import SkillRefused

if TYPE_CHECKING:
    from referencing._core import Resolver

MAX_NODES = 5000  # of one schema written out: references to references grow exponentially
MAX_DEPTH = 40
# Of no use to a model that fills in arguments, or large.
DROPPED = frozenset({"example", "examples", "xml", "externalDocs", "discriminator", "title", "$schema", "$id"})


class References:
    """The references within one document; those that lead out of it are refused."""

    def __init__(self, document: Mapping[str, object]) -> None:
        from referencing import Registry, Resource

        registry: Registry[object] = Registry()
        resource = Resource[object].opaque(document)
        self._resolver: Resolver[object] = registry.with_resource("", resource).resolver()

    def target(self, value: object) -> object:
        """What the value stands for, following reference after reference. Raises SkillRefused."""
        for _ in range(MAX_DEPTH):
            if not (isinstance(value, Mapping) and isinstance(value.get("$ref"), str)):
                return value
            value = self._lookup(str(value["$ref"]))
        raise SkillRefused(f"More than {MAX_DEPTH} references lead from one to the next.")

    def written_out(self, schema: object) -> object:
        """The schema without references; where it holds itself, that is said in words. Raises SkillRefused."""
        return _Writer(self).value(schema, ())

    def _lookup(self, reference: str) -> object:
        from referencing.exceptions import Unresolvable

        if not reference.startswith("#"):
            raise SkillRefused(f"It refers to {reference!r:.200}, outside the document; put it into the document.")
        try:
            return self._resolver.lookup(reference).contents
        except (Unresolvable, ValueError) as exc:
            raise SkillRefused(f"It refers to {reference!r:.200}, which the document does not hold.") from exc


class _Writer:
    """One schema being written out."""

    def __init__(self, references: References) -> None:
        self.references = references
        self.nodes = 0

    def value(self, value: object, inside: tuple[str, ...], *, depth: int = 0, is_names: bool = False) -> object:
        """`inside`: the references that led here. `is_names`: the keys are names of properties, not keywords."""
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise SkillRefused(f"Its schema has more than {MAX_NODES} parts or {MAX_DEPTH} levels, written out.")
        if isinstance(value, list):
            return [self.value(item, inside, depth=depth + 1) for item in value]
        if not isinstance(value, Mapping):
            return value
        if not is_names and isinstance(value.get("$ref"), str):
            return self._referred(value, inside, depth)
        return {
            str(key): self.value(part, inside, depth=depth + 1, is_names=not is_names and key == "properties")
            for key, part in value.items()
            if is_names or (key not in DROPPED and not str(key).startswith("x-"))
        }

    def _referred(self, value: Mapping[object, object], inside: tuple[str, ...], depth: int) -> object:
        reference = str(value["$ref"])
        if reference in inside:
            return {"description": f"Again as {reference.rpartition('/')[2]!r} above."}
        target = self.references.target({"$ref": reference})
        beside = {key: part for key, part in value.items() if key != "$ref"}  # allowed since OpenAPI 3.1
        whole = {**target, **beside} if isinstance(target, Mapping) else target
        return self.value(whole, (*inside, reference), depth=depth + 1)
