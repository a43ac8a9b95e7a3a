"""Which workflow a job runs: one by name, one that the caller defines, or a single question; and with what inputs.

What comes out is whole: the worker that runs the job needs no settings to know what to do, and a workflow that is
changed in the settings changes no job that was submitted before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestrator.jobs.request import JobRequest
from orchestrator.run_options import RunOptions
from orchestrator.settings_errors import nearest
from orchestrator.texts import is_storable
from orchestrator.workflow import Workflow
from orchestrator.workflow_json import StepOptions, Turn, as_mapping, parsed
from storage.errors import InvalidInput
from storage.records import Message

ASK = "ask"
ASK_STEP = "answer"
NO_OPTIONS = StepOptions()
ASK_FIELDS = ("text", "messages", "options")


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a job does: the workflow, and a text for each of its inputs."""

    workflow: Workflow
    inputs: Mapping[str, str]

    def text(self) -> str:
        """The job's request, as JSON."""
        plain = {"workflow": self.workflow.definition(), "input": dict(self.inputs)}
        return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def of(cls, text: str) -> Assignment:
        """Raises InvalidInput."""
        plain = orjson.loads(text)
        return cls(workflow=Workflow.of(plain["workflow"]), inputs=plain["input"])


@dataclass(frozen=True, kw_only=True)
class Workflows:
    """The workflows that the settings name."""

    name_to_workflow: Mapping[str, Workflow] = field(default_factory=dict)

    @classmethod
    def of(cls, name_to_definition: Mapping[str, Mapping[str, Any]]) -> Workflows:
        """Raises InvalidInput, naming the place in the settings."""
        found = {}
        for name, definition in name_to_definition.items():
            if name == ASK:
                raise InvalidInput(f"{ASK!r} is there already; give the workflow another name.", field="workflows")
            found[name] = Workflow.of({**definition, "name": name}, field=f"workflows.{name}")
        return cls(name_to_workflow=found)

    @property
    def names(self) -> tuple[str, ...]:
        return (ASK, *sorted(self.name_to_workflow))

    def assignment(self, request: JobRequest) -> Assignment:
        """Raises InvalidInput for an unknown name, a wrong definition, and for inputs that do not fit."""
        given = as_mapping(request.input, field="input")
        if request.workflow == ASK:
            return _question(given)
        workflow = self._workflow(request.workflow)
        for name in given:
            if name not in workflow.inputs:
                raise InvalidInput(
                    f"No input {name!r:.80}{nearest(name, list(workflow.inputs))}; {_takes(workflow)}.", field="input"
                )
        for name in workflow.inputs:
            if name not in given:
                raise InvalidInput(f"Input {name!r} is missing; {_takes(workflow)}.", field=f"input.{name}")
        return Assignment(workflow=workflow, inputs={name: _text(given[name], f"input.{name}") for name in given})

    def _workflow(self, given: str | Mapping[str, Any] | Workflow) -> Workflow:
        if isinstance(given, Workflow):
            return Workflow.of(given.definition())
        if not isinstance(given, str):
            workflow = Workflow.of(given)
            if not workflow.name or workflow.name in self.names:
                raise InvalidInput(
                    f"workflow.name is {workflow.name!r}; give it a name that the settings do not have.",
                    field="workflow.name",
                )
            return workflow
        if given not in self.name_to_workflow:
            raise InvalidInput(
                f"No workflow {given!r:.80}{nearest(given, list(self.names))}; known: {', '.join(self.names)}.",
                field="workflow",
                hint="Name one of these, or send a definition.",
            )
        return self.name_to_workflow[given]


def _question(given: Mapping[str, Any]) -> Assignment:
    """One step that answers `text`, or the last of `messages`, which must be the user's."""
    if unknown := sorted(set(given) - set(ASK_FIELDS)):
        raise InvalidInput(f"No input {unknown[0]!r:.80}; `ask` takes {', '.join(ASK_FIELDS)}.", field="input")
    if ("text" in given) == ("messages" in given):
        raise InvalidInput("Give either input.text or input.messages.", field="input")
    options = NO_OPTIONS
    if "options" in given:
        options = parsed(StepOptions, as_mapping(given["options"], field="input.options"), field="input.options")
    if options.messages:
        raise InvalidInput("Give the messages as input.messages.", field="input.options.messages")
    text, before = (given["text"], ()) if "text" in given else _turns(given["messages"])
    more: RunOptions = {**options.run_options(), "messages": before} if before else options.run_options()
    workflow = Workflow(ASK, inputs=["text"]).step(ASK_STEP, "{text}", **more)
    return Assignment(workflow=workflow, inputs={"text": _text(text, "input.text")})


def _turns(given: object) -> tuple[object, tuple[Message, ...]]:
    if not isinstance(given, list | tuple) or not given:
        raise InvalidInput("input.messages must be a list of at least one message.", field="input.messages")
    turns = [parsed(Turn, turn, field=f"input.messages.{place}") for place, turn in enumerate(given)]
    *before, last = turns
    if last.role != "user":
        raise InvalidInput(f"The last message is the {last.role}'s; it must be the user's.", field="input.messages")
    return last.content, tuple(Message(role=turn.role, content=turn.content) for turn in before)


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{field} is {value!r:.80}; it must be a text.", field=field)
    if not is_storable(value):
        raise InvalidInput(f"{field} holds a NUL or half a surrogate pair.", field=field, hint="Send plain UTF-8.")
    return value


def _takes(workflow: Workflow) -> str:
    return f"workflow {workflow.name!r} takes {', '.join(workflow.inputs) or 'none'}"
