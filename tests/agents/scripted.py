"""Doubles for tests of agents: a language model that counts bytes as tokens, and a small library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.base import TEMPLATE_TOKENS, TOKENS_PER_MESSAGE, token_bound_of_text
from agents.llm import Completion, CompletionRequest, ScriptedLLM
from skills.base import Provenance, Skill, SkillLibrary
from skills.errors import SkillError, SkillNotFound
from storage.records import TokenUsage


@dataclass(kw_only=True)
class ByteCountingLLM(ScriptedLLM):
    """The worst tokenizer and the worst chat template there can be: a token a byte, and the template's most tokens."""

    usage: TokenUsage = TokenUsage()
    longest_call: int = 0

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        text = self.reply(request)
        limit = request.generation.max_output_tokens
        prompt = sum(token_bound_of_text(message.content) + TOKENS_PER_MESSAGE for message in request.messages)
        usage = TokenUsage(input=prompt + TEMPLATE_TOKENS, output=limit)
        self.usage += usage
        self.longest_call = max(self.longest_call, usage.input + usage.output)
        return Completion(text=text, usage=usage)


def skill(name: str, *parameters: str, description: str = "Does it.") -> Skill:
    return Skill(
        name=name,
        description=description,
        provenance=Provenance(source="test", sha256=""),
        parameters={"type": "object", "properties": {parameter: {"type": "string"} for parameter in parameters}},
    )


@dataclass(kw_only=True)
class ScriptedLibrary(SkillLibrary):
    """Gives `results` in turn, the last one again and again; an error among them is raised."""

    offered: Sequence[Skill] = (skill("calculator", "expression"),)
    results: list[str | SkillError] = field(default_factory=lambda: ["391"])
    calls: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    async def skills(self) -> Sequence[Skill]:
        return self.offered

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        self.calls.append((name, arguments))
        if name not in {skill.name for skill in self.offered}:
            raise SkillNotFound(f"No skill {name!r}; known: calculator.")
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, SkillError):
            raise result
        return result
