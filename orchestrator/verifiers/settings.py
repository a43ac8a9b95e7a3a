"""A verifier as the settings name it: its kind and that kind's options, side by side."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from orchestrator.verifiers.base import VerifierSpec


class VerifierSettings(BaseModel):
    """`{kind: exit_code, command: [/usr/bin/check]}`; the kind itself says which options it takes."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    kind: str

    @property
    def spec(self) -> VerifierSpec:
        options: dict[str, Any] = dict(self.model_extra or {})
        return VerifierSpec(kind=self.kind, options=options)
