"""What `antroute jobs submit` was told, as a job's request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from orchestrator.jobs.request import JobRequest
from storage.errors import InvalidInput
from storage.records import utc_now

ASK = "ask"
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, kw_only=True)
class JobWish:
    """The command's options, as they were typed."""

    text: str | None
    workflow: str
    inputs: tuple[str, ...] = ()
    budget_usd: float | None = None
    priority: int = 0
    within_seconds: float | None = None
    metadata: tuple[str, ...] = ()
    webhook_url: str | None = None
    idempotency_key: str | None = None

    def request(self) -> JobRequest:
        """Raises InvalidInput."""
        return JobRequest(
            workflow=_definition(self.workflow),
            input=self._input(),
            limits=None if self.budget_usd is None else {"usd": self.budget_usd},
            deadline=None if self.within_seconds is None else utc_now() + timedelta(seconds=self.within_seconds),
            priority=self.priority,
            metadata=pairs_of(self.metadata, option="--metadata"),
            webhook_url=self.webhook_url,
            idempotency_key=self.idempotency_key,
        )

    def _input(self) -> dict[str, str]:
        given = {name: _text(value) for name, value in pairs_of(self.inputs, option="--input").items()}
        if self.text is None:
            return given
        if self.workflow != ASK:
            raise InvalidInput(
                f"Workflow {self.workflow!r} takes named inputs, not {self.text!r:.80}.",
                field="input",
                hint="Give each as --input NAME=TEXT.",
            )
        return {**given, "text": self.text}


def pairs_of(pairs: tuple[str, ...], *, option: str) -> dict[str, str]:
    """NAME=VALUE each. Raises InvalidInput."""
    found = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair or not name:
            raise InvalidInput(f"{option} {pair!r:.80} is no NAME=TEXT.", field=option.strip("-"))
        found[name] = value
    return found


def _text(value: str) -> str:
    """The value, or the text of the file that it names with an @."""
    return _read(Path(value[1:])) if value.startswith("@") else value


def _definition(workflow: str) -> str | Mapping[str, Any]:
    path = Path(workflow)
    if path.suffix not in SUFFIXES:
        return workflow
    try:
        definition = yaml.safe_load(_read(path))  # JSON is YAML
    except yaml.YAMLError as exc:
        raise InvalidInput(f"{workflow!r} cannot be read: {exc}", field="workflow") from exc
    if not isinstance(definition, Mapping):
        raise InvalidInput(f"{workflow!r} holds no workflow: name, inputs, steps.", field="workflow")
    return definition


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"File {str(path)!r} cannot be read: {exc}.", field="file") from exc
