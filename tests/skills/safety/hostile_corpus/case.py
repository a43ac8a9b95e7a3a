"""One case of the corpus: a skill's text, its class, and the rules of which one must find it."""

from __future__ import annotations

from dataclasses import dataclass

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
        made = Skill(
            name=self.name,
            description=self.description,
            body=self.body,
            resources=self.resources,
            id=self.id,
            provenance=Provenance(source=f"corpus:{self.id}", sha256=""),
        )
        return Skill(
            **{
                **vars(made),
                "provenance": Provenance(source=made.provenance.source, sha256=content_sha256(made)),
            }
        )


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
