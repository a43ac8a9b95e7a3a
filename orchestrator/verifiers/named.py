"""Verifiers that the settings name, and what a caller may ask for: those names, and kinds that can do no harm."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.verifiers.base import Verifier, VerifierSpec
from orchestrator.verifiers.model import AskJudge, JudgeReply
from orchestrator.verifiers.person import AskPerson
from orchestrator.verifiers.registry import VERIFIERS, make_verifier
from routing.registry import unknown
from storage.errors import InvalidInput
from storage.records import Query

DECLARATIVE = frozenset({"checker", "json_schema", "numeric", "regex"})  # they compare, and run nothing of a caller's
ASKING = frozenset({"model", "person"})  # made anew for each run, which has the way to ask


@dataclass(frozen=True, kw_only=True)
class Asks:
    """How this run reaches a judge or a person; None: it cannot."""

    judge: AskJudge | None = None
    person: AskPerson | None = None


class NamedVerifiers:
    """Those of the settings, checked at start."""

    def __init__(self, name_to_spec: Mapping[str, VerifierSpec] | None = None) -> None:
        """Raises InvalidInput, naming the verifier, for an unknown kind or options that cannot be meant."""
        self.name_to_spec = dict(name_to_spec or {})
        self._name_to_verifier: dict[str, Verifier] = {}
        for name, spec in self.name_to_spec.items():
            self._check(name, spec)

    @property
    def name_to_kind(self) -> dict[str, str]:
        """What the error rates' priors go by."""
        return {name: spec.kind for name, spec in self.name_to_spec.items()}

    def get(self, name: str, asks: Asks | None = None) -> Verifier:
        """Raises InvalidInput for a name that the settings do not have, or that needs a way to ask."""
        if name not in self.name_to_spec:
            raise InvalidInput(unknown("verifier", name, self.name_to_spec), field="verifier")
        made = self._name_to_verifier.get(name)
        return made if made is not None else self._asking(name, self.name_to_spec[name], asks or Asks())

    async def of_caller(self, given: str | Mapping[str, object], asks: Asks | None = None) -> Verifier:
        """For callers over HTTP: a name of the settings, or `{"kind": "numeric", "expected": 391}`.

        Nothing else, so that nobody from outside names a command or sends code. Raises InvalidInput.
        """
        if isinstance(given, str):
            return self.get(given, asks)
        options = dict(given)
        kind = options.pop("kind", None)
        if not isinstance(kind, str) or kind not in DECLARATIVE:
            raise InvalidInput(
                f"A verifier of kind {kind!r:.80} cannot be asked for here; known: {', '.join(sorted(DECLARATIVE))}.",
                field="verifier",
                hint=f"Or name one of the settings: {', '.join(sorted(self.name_to_spec)) or 'there are none'}.",
            )
        if "name" in options:  # its verdicts would count for another's error rates
            raise InvalidInput("A caller's verifier has the name of its kind; leave `name` out.", field="verifier")
        return await asyncio.to_thread(make_verifier, VerifierSpec(kind=kind, options=options))

    def _check(self, name: str, spec: VerifierSpec) -> None:
        if spec.kind not in VERIFIERS:
            raise InvalidInput(f"Verifier {name!r}: {unknown('kind', spec.kind, VERIFIERS)}", field="verifiers")
        if name in VERIFIERS and name != spec.kind:
            raise InvalidInput(f"Verifier {name!r} is of kind {spec.kind!r}; give it another name.", field="verifiers")
        if "name" in spec.options or "ask" in spec.options:
            raise InvalidInput(
                f"Verifier {name!r} has its name already; leave `name` and `ask` out.", field="verifiers"
            )
        try:
            if spec.kind in ASKING:
                self._asking(name, spec, Asks(judge=_no_judge, person=_nobody))
            else:
                self._name_to_verifier[name] = _made(name, spec, {})
        except InvalidInput as exc:
            raise InvalidInput(f"Verifier {name!r}: {exc}", field="verifiers", hint=exc.hint) from exc

    def _asking(self, name: str, spec: VerifierSpec, asks: Asks) -> Verifier:
        return _made(name, spec, {"ask": asks.judge if spec.kind == "model" else asks.person})


def _made(name: str, spec: VerifierSpec, more: Mapping[str, object]) -> Verifier:
    return make_verifier(VerifierSpec(kind=spec.kind, options={**spec.options, **more, "name": name}))


async def _no_judge(prompt: str, candidate_id: str | None) -> JudgeReply:
    """Stands for the judge, while options are checked."""
    return JudgeReply(text="", candidate_id="")


async def _nobody(query: Query, answer: str) -> None:
    """Stands for the person, while options are checked."""
