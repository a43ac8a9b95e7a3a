"""Runs a program that may be hostile in a process of its own, which ends with all that it started."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from weakref import WeakKeyDictionary

CHILD = Path(__file__).with_name("child")
TIME_IS_UP, CANNOT_GO_ON, NO_PROGRAM = 124, 125, 127  # exit codes of child/limits_main.py
MOST_AT_ONCE = 8  # programs; the others wait their turn
GRACE_SECONDS = 5.0  # for the start of Python and the end of what was started, beyond the command's own time
MEGABYTE = 1024**2
OUTPUT_BYTES = 64 * 1024  # of each stream's end that are read
FILE_BYTES = 16 * MEGABYTE  # that the program may write into one file, its output among them

_loop_to_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the program may take. Memory and the network are limited where the platform can: on Linux."""

    seconds: float = 5.0
    memory_mb: int = 512  # of address space, each process
    has_network: bool = False


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How it ended."""

    exit_code: int  # 128 + n: killed by signal n
    output: str  # the end of stdout
    errors: str  # the end of stderr

    @property
    def is_out_of_time(self) -> bool:
        return self.exit_code == TIME_IS_UP

    @property
    def has_run(self) -> bool:
        """False where it could not even be started."""
        return self.exit_code not in (CANNOT_GO_ON, NO_PROGRAM)

    @property
    def last_words(self) -> str:
        """The last line that it wrote, short."""
        lines = (self.errors.strip() or self.output.strip()).splitlines()
        return "".join(char for char in lines[-1] if char.isprintable())[:200] if lines else ""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run: an argument list, never a shell's; or one of the scripts beside this file."""

    argv: Sequence[str] = ()
    script: str = ""
    has_packages: bool = False  # the script imports installed libraries
    files: Mapping[str, str] = field(default_factory=dict)  # name to text, put into its working directory


@dataclass(frozen=True, kw_only=True)
class _Streams:
    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    folder: str  # the working directory, gone afterwards


async def run(program: Program, stdin: str, limits: Limits) -> Finished:
    """Never raises for what the program does; cancelled, it kills it first."""
    async with _slots():
        return await _run(program, stdin, limits)


async def _run(program: Program, stdin: str, limits: Limits) -> Finished:
    with _streams(stdin, program.files) as streams:
        process = await asyncio.create_subprocess_exec(
            *_command(program, limits),
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            cwd=streams.folder,
            env=_environment(streams.folder),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(limits.seconds + GRACE_SECONDS):
                code = await process.wait()
        except TimeoutError:
            code = TIME_IS_UP
        finally:
            _kill_group(process.pid)
            await process.wait()
        return _finished(code, streams)


def run_blocking(program: Program, stdin: str, limits: Limits) -> Finished:
    """As `run`, for a constructor that must know whether its options can be meant."""
    with _streams(stdin, program.files) as streams:
        process = subprocess.Popen(
            _command(program, limits),
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            cwd=streams.folder,
            env=_environment(streams.folder),
            start_new_session=True,
        )
        try:
            code = process.wait(limits.seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            code = TIME_IS_UP
        finally:
            _kill_group(process.pid)
            process.wait()
        return _finished(code, streams)


def _slots() -> asyncio.Semaphore:
    """Of this event loop: callers may send more than the machine can run side by side."""
    return _loop_to_slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MOST_AT_ONCE))


def _command(program: Program, limits: Limits) -> list[str]:
    asked: dict[str, object] = {
        "seconds": limits.seconds,
        "memory_bytes": limits.memory_mb * MEGABYTE,
        "file_bytes": FILE_BYTES,
        "has_network": limits.has_network,
    }
    asked |= {"script": str(CHILD / program.script)} if program.script else {"argv": list(program.argv)}
    plain = () if program.has_packages else ("-S",)
    return [sys.executable, "-I", *plain, str(CHILD / "limits_main.py"), json.dumps(asked)]


def _environment(folder: str) -> dict[str, str]:
    """Nothing of ours: no keys, no proxies."""
    return {"PATH": os.defpath, "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def _streams(stdin: str, files: Mapping[str, str]) -> Iterator[_Streams]:
    """Files, not pipes: what is written there is bounded by the limits, and nobody has to read along."""
    with (
        tempfile.TemporaryDirectory(prefix="antroute-verify-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        given.write(stdin.encode("utf-8", "replace"))
        given.seek(0)
        for name, text in files.items():
            (Path(folder) / name).write_bytes(text.encode("utf-8", "replace"))
        yield _Streams(stdin=given, stdout=output, stderr=errors, folder=folder)


def _finished(code: int, streams: _Streams) -> Finished:
    code = code if code >= 0 else 128 - code
    return Finished(exit_code=code, output=_end_of(streams.stdout), errors=_end_of(streams.stderr))


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - OUTPUT_BYTES))
    return file.read(OUTPUT_BYTES).decode("utf-8", "replace")


def _kill_group(process: int) -> None:
    """What is left of the process group; its leader is the script that keeps the limits."""
    with suppress(ProcessLookupError, PermissionError):  # nothing is left
        os.killpg(process, signal.SIGKILL)
