"""Opens the export of spans where the settings want one; else nothing of OpenTelemetry is imported."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from orchestrator.errors import SettingsInvalid
from orchestrator.service import Service
from orchestrator.settings import ModelSettings, Settings
from orchestrator.telemetry.conventions import Names

if TYPE_CHECKING:
    from orchestrator.telemetry.otel import RunExport


def open_telemetry(service: Service, settings: Settings, opened: AsyncExitStack) -> None:
    """Exports each run of the service from now on. Raises SettingsInvalid where the extra is not installed."""
    if settings.telemetry.endpoint is None:
        return
    try:
        from orchestrator.telemetry.otel import over_http
    except ImportError as exc:
        raise SettingsInvalid(
            f"telemetry.endpoint needs OpenTelemetry, which is not installed ({exc}).",
            hint="Install it with `pip install 'antroute[otel]'`, or take the endpoint out of the settings.",
        ) from exc
    names = Names(
        candidates=service.nodes.candidates,
        model_to_provider={name: provider_of(model) for name, model in settings.models.items()},
        has_content=settings.telemetry.content,
    )
    export = over_http(settings.telemetry, names)
    opened.push_async_callback(export.close)
    listen(service, export)


def listen(service: Service, export: RunExport) -> None:
    service.is_traced = True
    service.listeners.append(export)
    service.nodes.recorder.listeners.append(export.recorded)


def provider_of(model: ModelSettings) -> str:
    """As GenAI conventions name providers: of litellm's models the word before the slash."""
    if model.provider == "litellm":
        return (model.upstream_model or "").partition("/")[0] or "litellm"
    return model.provider
