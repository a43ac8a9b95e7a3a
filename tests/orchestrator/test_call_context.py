"""Who calls a skill is known to it, from the query and never from the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from orchestrator.tracing import TracedLibrary, Tracer
from skills.base import Skill, SkillLibrary
from skills.call_context import CallContext, current_call
from skills.errors import SkillFailed
from storage.records import Query


@dataclass(kw_only=True)
class AskingLibrary(SkillLibrary):
    """Notes on whose behalf it is called."""

    seen: list[CallContext | None] = field(default_factory=list)

    async def skills(self) -> Sequence[Skill]:
        return []

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        self.seen.append(current_call())
        if name == "broken":
            raise SkillFailed("It broke.")
        return "done"


async def test_call_is_made_on_behalf_of_the_query_with_the_skill_as_its_scope() -> None:
    library = AskingLibrary()
    query = Query(text="?", tenant="acme", principal="ada", session_id="talk")
    traced = TracedLibrary(library, Tracer(), query)
    assert await traced.call("add", {"tenant": "other"}) == "done"
    assert library.seen == [
        CallContext(tenant="acme", principal="ada", scope=("skill:add",), trace_id=query.run_id, session_id="talk")
    ]


async def test_nothing_of_it_stays_after_the_call() -> None:
    library = AskingLibrary()
    with pytest.raises(SkillFailed):
        await TracedLibrary(library, Tracer(), Query(text="?")).call("broken", {})
    assert current_call() is None
    await library.call("add", {})
    assert library.seen[1] is None
