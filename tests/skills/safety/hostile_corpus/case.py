"""One case of the corpus: a skill's text, its class, and the rules of which one must find it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skills.base import Provenance, Skill, content_sha256


@dataclass(frozen=True, kw_only=True)
class Case:
    id: str
    group: str  # class of attack, or of harmless trick
    name: str
    description: str
    body: str
    rules: tuple[str, ...] = ()  # any of them, as a quarantine, is a detection; empty: harmless
    resources: tuple[str, ...] = ()

    def skill(self) -> Skill:
        plain = Skill(
            name=self.name,
            description=self.description,
            body=self.body,
            resources=self.resources,
            id=self.id,
            provenance=Provenance(source=f"corpus:{self.id}", sha256=""),
        )
        return replace(plain, provenance=replace(plain.provenance, sha256=content_sha256(plain)))


def cases(part: str) -> tuple[Case, ...]:
    """`held_out`: written before the rules and never tuned on; `tuning`: tuned on; `benign`: harmless, but tricky."""
    lines = Path(__file__).with_name(f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_case(json.loads(line)) for line in lines)


def _case(row: dict[str, Any]) -> Case:
    return Case(**{**row, "rules": tuple(row.get("rules", ())), "resources": tuple(row.get("resources", ()))})


KNOWN_NAMES = (
    "pdf-tools",
    "github-review",
    "jira-safe",
    "slack-digest",
    "docker-compose-helper",
    "sql-formatter",
    "terraform-modules",
    "weather-report",
    "invoice-parser",
    "unit-tests",
    "paypal-checkout",
    "google-calendar",
)
