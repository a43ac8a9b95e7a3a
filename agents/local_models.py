"""The server process of a local GGUF model: started when first needed, again after a crash, ended with us."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe
from typing import IO
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from agents.errors import ModelFileMissing, ModelUnavailable

CONTEXT_WINDOW = 4096  # tokens
START_TIMEOUT_SECONDS = 60.0
QUEUE_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 3.0
HEALTH_TIMEOUT_SECONDS = 2.0
STARTS_LIMIT = 5  # a model that crashes more often than this …
STARTS_WINDOW_SECONDS = 60.0  # … within this time rests until the oldest start is this long ago
STDERR_TAIL_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class _Child:
    """A server process that is ready to answer."""

    process: subprocess.Popen[bytes]
    files: ExitStack  # what to close after it
    address: str
    api_key: str


class LocalModelServer:
    """The server process of one model file: started on first use, again after a crash, ended by `stop`.

    It does one request at a time; callers queue in order of arrival, each waiting at most `queue_timeout_seconds`.
    May be used from several event loops and threads.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 1,
        context_window: int = CONTEXT_WINDOW,
        start_timeout_seconds: float = START_TIMEOUT_SECONDS,
        queue_timeout_seconds: float = QUEUE_TIMEOUT_SECONDS,
    ) -> None:
        self.path = Path(path)
        self.context_window = context_window
        self._threads = threads
        self._start_timeout_seconds = start_timeout_seconds
        self._queue_timeout_seconds = queue_timeout_seconds
        self._child: _Child | None = None
        self._child_lock = threading.Lock()  # one start for many callers, also from several loops
        self._loop_to_turn: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._started_at: deque[float] = deque(maxlen=STARTS_LIMIT)

    def __repr__(self) -> str:
        return f"LocalModelServer({self.path.name!r})"

    @property
    def pid(self) -> int | None:
        """The process that holds the model now; None: there is none."""
        child = self._child
        return child.process.pid if child is not None and child.process.poll() is None else None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[tuple[str, str]]:
        """The server for oneself: its address and key. Raises ModelUnavailable or ModelFileMissing.

        If the work in it raises, the process is looked at, so that the next caller meets a sound one.
        """
        lock = self._loop_to_turn.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        try:
            async with asyncio.timeout(self._queue_timeout_seconds):
                await lock.acquire()
        except TimeoutError as exc:
            raise ModelUnavailable(
                f"{self!r} was busy for {self._queue_timeout_seconds} s.", hint="Send fewer requests at a time."
            ) from exc
        try:
            child = await asyncio.to_thread(self._ready_child)
            try:
                yield child.address, child.api_key
            except ModelUnavailable:
                await asyncio.to_thread(self._discard_if_ill, child)
                raise
        finally:
            lock.release()

    async def load(self) -> None:
        """Starts the process, if there is none. Raises as `turn`."""
        async with self.turn():
            pass

    async def rest(self) -> None:
        """As `stop`, between two turns of this loop: whoever has one finishes it first."""
        async with self._loop_to_turn.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            await self.stop()

    async def stop(self) -> None:
        """Ends the process, if there is one. The next turn starts it again."""
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        with self._child_lock:
            child, self._child = self._child, None
            if child is not None:
                _end(child)

    def _ready_child(self) -> _Child:
        with self._child_lock:
            if self._child is not None and self._child.process.poll() is not None:
                _end(self._child)
                self._child = None
            if self._child is None:
                self._child = self._start()
            return self._child

    def _discard_if_ill(self, child: _Child) -> None:
        with self._child_lock:
            if self._child is child and not _is_healthy(child):
                self._child = None
                child.process.kill()  # it would not heed a milder word
                _end(child)

    def _start(self) -> _Child:
        if not self.path.is_file():
            raise ModelFileMissing(f"No model file at {str(self.path)!r}.")
        if find_spec("xllamacpp") is None:
            raise ModelUnavailable(f"{self!r} needs xllamacpp.", hint='Install it: pip install "antroute[local]".')
        self._count_start()
        with ExitStack() as files:
            stderr = files.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "agents.local_server", "--model", str(self.path.resolve())),
                    *("--threads", str(self._threads), "--context", str(self.context_window)),
                    *("--parent-pid", str(os.getpid())),
                ],
                cwd=Path(__file__).resolve().parent.parent,  # where `agents` is found, whatever the caller's folder is
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
            api_key = token_urlsafe(24)
            try:
                address = self._greet(process, api_key)
            except (OSError, ValueError, TimeoutError) as exc:
                _end_process(process)
                raise ModelUnavailable(f"{self!r} did not start: {exc}: {_tail(stderr) or 'no word'}") from exc
            return _Child(process=process, files=files.pop_all(), address=address, api_key=api_key)

    def _greet(self, process: subprocess.Popen[bytes], api_key: str) -> str:
        """Hands the key over and waits for the address. Raises OSError, ValueError or TimeoutError."""
        if process.stdin is None or process.stdout is None:
            raise ValueError("no pipes to the process")
        with process.stdin, process.stdout:
            process.stdin.write(f"{api_key}\n".encode())
            process.stdin.flush()
            if not _is_readable(process.stdout, timeout_seconds=self._start_timeout_seconds):
                raise TimeoutError(f"not ready within {self._start_timeout_seconds} s")
            line = process.stdout.readline()
        if not line:
            raise ValueError(f"ended with status {process.wait(STOP_TIMEOUT_SECONDS)} before it was ready")
        return str(json.loads(line)["address"])

    def _count_start(self) -> None:
        now = time.monotonic()
        if len(self._started_at) == STARTS_LIMIT and now - self._started_at[0] < STARTS_WINDOW_SECONDS:
            raise ModelUnavailable(
                f"{self!r} was started {STARTS_LIMIT} times within {STARTS_WINDOW_SECONDS} s and did not stay up.",
                retry_after_seconds=STARTS_WINDOW_SECONDS - (now - self._started_at[0]),
            )
        self._started_at.append(now)


def _is_healthy(child: _Child) -> bool:
    if child.process.poll() is not None:
        return False
    connection = http.client.HTTPConnection(urlsplit(child.address).netloc, timeout=HEALTH_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(child: _Child) -> None:
    _end_process(child.process)
    child.files.close()


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL; the process is reaped when this returns."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_readable(pipe: IO[bytes], *, timeout_seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        return bool(selector.select(timeout_seconds))


def _tail(stderr: IO[bytes]) -> str:
    """The end of what the process complained of."""
    stderr.seek(0)
    return " ".join(stderr.read()[-STDERR_TAIL_CHARACTERS:].decode("utf-8", "replace").split())
