"""Checkpoints in an object store (S3, Google, Azure) through the library obstore: one object each, written once.

The one home of obstore. Keys and regions come from where the library looks: the environment, or the machine's role.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from orchestrator.audit_outside import ensure_same, named, number_in, unavailable
from orchestrator.errors import SettingsInvalid
from storage.checkpoint_records import AuditCheckpoint, SigningKey

PATIENCE = timedelta(seconds=20)  # for one call with all its tries
TRIES = 3


class ObjectsOutside:
    """Objects are created only where there is none, so that even a leaked key of ours overwrites nothing in silence."""

    def __init__(self, url: str) -> None:
        """Raises SettingsInvalid where obstore is missing, or for a URL that it does not know."""
        try:
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ImportError as exc:
            raise SettingsInvalid(
                f"An object store as `audit.outside` needs {exc.name!r}.", hint="pip install 'antroute[objects]'"
            ) from exc
        self.place = url
        options: dict[str, Any] = {"mkdir": True} if url.startswith("file:") else {}
        if url.partition(":")[0] in ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "http", "https"):
            options["retry_config"] = {"max_retries": TRIES, "retry_timeout": PATIENCE}
            options["client_options"] = {"timeout": PATIENCE, "connect_timeout": PATIENCE / 4}
        try:
            self._store: Any = from_url(url, **options)
        except (BaseError, ValueError, TypeError) as exc:
            raise SettingsInvalid(f"`audit.outside` {url!r} cannot be opened: {str(exc).splitlines()[0]}") from exc

    def last_number(self) -> int:
        return max(map(number_in, self._names()), default=0)

    def write(self, keys: Sequence[SigningKey], checkpoints: Sequence[AuditCheckpoint]) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError

        for name, text in named(keys, checkpoints):
            try:
                obstore.put(self._store, name, text.encode(), mode="create")
            except AlreadyExistsError:
                ensure_same(self.place, name, self._text(name), text)
            except (BaseError, OSError) as exc:
                raise unavailable(self.place, exc) from exc

    def texts(self) -> Iterable[str]:
        return [self._text(name) for name in self._names()]

    def _names(self) -> list[str]:
        import obstore
        from obstore.exceptions import BaseError

        try:
            return sorted(each["path"] for page in obstore.list(self._store) for each in page)
        except (BaseError, OSError) as exc:
            raise unavailable(self.place, exc) from exc

    def _text(self, name: str) -> str:
        import obstore
        from obstore.exceptions import BaseError

        try:
            return bytes(obstore.get(self._store, name).bytes()).decode("utf-8", "replace")
        except (BaseError, OSError) as exc:
            raise unavailable(self.place, exc) from exc
