"""Log lines of the service, as text or as JSON: ids of requests and runs, and no word of a caller's or a secret."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TextIO

from orchestrator.request_context import current_request

if TYPE_CHECKING:
    from structlog.typing import EventDict

LogFormat = Literal["text", "json"]
ACCESS = "antroute.access"
RAYS_OWN = "_ray_timestamp_ns"  # Ray, once imported, puts it into each record of the process
URL_TELLERS = ("httpx", "httpcore", "urllib3")

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def configure(log_format: LogFormat = "text", *, level: str = "warning", stream: TextIO | None = None) -> None:
    """Sends all log records of the process to the stream, by default stderr.

    Errors are told by type and place: their texts may hold anything. The access log has a level of its own, so that it
    can be on while all else is quiet; HTTP clients, which tell whole URLs, are quiet while all else is not.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_json_formatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger(ACCESS).setLevel(logging.INFO)
    for name in URL_TELLERS:
        logging.getLogger(name).setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """A line for people, with the ids of the request that it belongs to."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        request = current_request.get()
        ids = "".join(f" {name}={value}" for name, value in request.ids().items()) if request else ""
        first, line_break, rest = super().format(record).partition("\n")
        return f"{first}{ids}{line_break}{rest}"

    def formatException(self, ei: ExcInfo) -> str:
        return places_of(ei[1])


def places_of(error: BaseException | None) -> str:
    """A traceback without the errors' texts: for each error of the chain its type and where it came from."""
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        lines += [f"{type(error).__module__}.{type(error).__qualname__}"]
        lines += [
            f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(lines)


def _json_formatter() -> logging.Formatter:
    import orjson
    import structlog

    def serialised(event: EventDict, **_: object) -> str:
        return orjson.dumps(event, default=str).decode()

    def with_ids(_: object, __: str, event: EventDict) -> EventDict:
        event.pop(RAYS_OWN, None)
        request = current_request.get()
        return {**event, **request.ids()} if request else event

    def with_places(_: object, __: str, event: EventDict) -> EventDict:
        found = event.pop("exc_info", None)
        error = found[1] if isinstance(found, tuple) else found
        return {**event, "exception": places_of(error)} if isinstance(error, BaseException) else event

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ExtraAdder(),
            with_ids,
        ],
        processors=[
            with_places,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=serialised),
        ],
    )
