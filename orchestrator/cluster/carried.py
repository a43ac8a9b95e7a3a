"""Settings as they travel to workers, and what must hold before any can."""

from __future__ import annotations

from pydantic import SecretStr

from orchestrator.errors import SettingsInvalid
from orchestrator.secret import service_secret
from orchestrator.settings import ModelSettings, Settings

FILE_STORE = "sqlite:"


def carried(settings: Settings) -> Settings:
    """With the keys and the secret that this process reads from its environment and files standing in them.

    They go to the workers as an actor's arguments, which Ray writes to no log. Raises SettingsInvalid for a store that
    no other process can open.
    """
    if settings.store_url.startswith("memory:"):
        raise SettingsInvalid(
            "The store is in this process's memory, and workers are processes of their own.",
            hint="Name a SQLite file, or PostgreSQL for more than one machine, as `store_url`.",
        )
    secret = SecretStr(service_secret(settings).decode())
    return settings.model_copy(
        update={
            "models": {name: _with_key(model) for name, model in settings.models.items()},
            "server": settings.server.model_copy(update={"secret": secret, "admin_key": None}),
        }
    )


def is_on_one_machine(settings: Settings) -> bool:
    """Whether the store can be opened on this machine alone."""
    return settings.store_url.startswith(FILE_STORE)


def without_own_worker(settings: Settings) -> Settings:
    """For the gateway, whose jobs are run by others."""
    return settings.model_copy(update={"jobs": settings.jobs.model_copy(update={"slots": 0})})


def _with_key(model: ModelSettings) -> ModelSettings:
    key = model.key()
    if key is None:
        return model
    return model.model_copy(update={"api_key": SecretStr(key), "api_key_variable": None})
