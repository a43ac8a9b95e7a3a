"""Fixtures of this floor's tests."""

from __future__ import annotations

from tests.orchestrator.rest_app import make_http

__all__ = ["make_http"]
