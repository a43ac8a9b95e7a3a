"""Verifier kind to `module:Class`; nothing is imported until named."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from orchestrator.verifiers.base import Verifier, VerifierSpec
from routing.registry import unknown
from storage.errors import InvalidInput

VERIFIERS: dict[str, str] = {
    "checker": "orchestrator.verifiers.checker:CheckerVerifier",
    "exit_code": "orchestrator.verifiers.exit_code:ExitCodeVerifier",
    "json_schema": "orchestrator.verifiers.json_schema:JsonSchemaVerifier",
    "model": "orchestrator.verifiers.model:ModelVerifier",
    "numeric": "orchestrator.verifiers.numeric:NumericVerifier",
    "person": "orchestrator.verifiers.person:PersonVerifier",
    "regex": "orchestrator.verifiers.regex:RegexVerifier",
    "tests": "orchestrator.verifiers.tests:TestsVerifier",
}


def make_verifier(spec: VerifierSpec) -> Verifier:
    """Raises InvalidInput for an unknown kind, and for options that it does not take."""
    if spec.kind not in VERIFIERS:
        raise InvalidInput(unknown("verifier", spec.kind, VERIFIERS), field="verifier")
    module, _, name = VERIFIERS[spec.kind].partition(":")
    try:
        return cast(Verifier, getattr(import_module(module), name)(**spec.options))
    except TypeError as exc:
        raise InvalidInput(f"Verifier {spec.kind!r} does not take these options: {exc}.", field="verifier") from exc
