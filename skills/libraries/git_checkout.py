"""Clones a repository and reads the SKILL.md folders in it; nothing of the repository is run."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from skills.errors import SkillError
from skills.libraries.folder import FolderSource, read_folder
from skills.libraries.source import Reading, SkillSource

PROTOCOLS = ("https", "ssh")
TIMEOUT_SECONDS = 300.0
SHOWN_CHARACTERS = 400  # of what git complained
_SHORT_SSH = re.compile(r"(?P<user>[\w.-]+)@(?P<host>[\w.-]+):(?!/)(?P<path>.+)")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")

# What a repository or the machine's own configuration could make git do besides fetching files is turned off.
_CONFIGURATION = {
    "protocol.allow": "never",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.askPass": "",
    "credential.helper": "",
    "credential.interactive": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "filter.lfs.smudge": "cat",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
    "http.followRedirects": "initial",
    "advice.detachedHead": "false",
}
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "LC_ALL": "C",
}
_UNSET = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PROTOCOL_FROM_USER", "GIT_ALLOW_PROTOCOL")


@dataclass(frozen=True, kw_only=True)
class _Remote:
    url: str
    protocol: str


class GitSource(SkillSource):
    """A repository by its URL: its newest commit, or that of `reference`, a branch or tag."""

    def __init__(
        self,
        *,
        url: str,
        cache_dir: Path,
        name: str = "",
        reference: str = "",
        protocols: Collection[str] = PROTOCOLS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """`protocols`: any of https, ssh and file; the operator's choice. Raises SkillError for a URL of another."""
        self.remote = _checked(url, protocols)
        if reference and (not _REFERENCE.fullmatch(reference) or ".." in reference):
            raise SkillError(f"{reference!r:.80} is no name of a branch or tag.")
        self.reference = reference
        self.name = name or _name_of(self.remote.url)
        digest = sha256(f"{self.remote.url}\n{reference}".encode()).hexdigest()[:16]
        self.folder = cache_dir / "git" / digest
        self.timeout_seconds = timeout_seconds

    async def read(self) -> Reading:
        """Clones anew into the cache folder. Raises SkillError with git's own words where that fails."""
        await self._clone()
        folder = FolderSource(folder=self.folder, name=self.name)
        return await asyncio.to_thread(lambda: Reading.of(read_folder(folder, repository=self.remote.url)))

    async def _clone(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix="cloning-") as scratch:
            new = Path(scratch) / "checkout"
            await self._git(*_clone_arguments(self.remote, self.reference, new))
            if self.folder.exists():
                self.folder.rename(Path(scratch) / "old")
            new.rename(self.folder)

    async def _git(self, *arguments: str) -> None:
        git, env = shutil.which("git"), shutil.which("env")
        if git is None or env is None:
            raise SkillError("There is no git command; install git, or clone the repository and add the folder.")
        unset = [part for name in _UNSET for part in ("-u", name)]
        added = [f"{name}={value}" for name, value in _ENVIRONMENT.items()]
        process = await asyncio.create_subprocess_exec(
            env,
            *unset,
            *added,
            git,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self.timeout_seconds):
                _, complaint = await process.communicate()
        except TimeoutError as exc:
            raise SkillError(f"git was not done with {self.remote.url!r} after {self.timeout_seconds:g} s.") from exc
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            words = " ".join(complaint.decode("utf-8", "replace").split())[-SHOWN_CHARACTERS:]
            raise SkillError(f"git could not clone {self.remote.url!r}: {words}")


def _checked(url: str, protocols: Collection[str]) -> _Remote:
    short = _SHORT_SSH.fullmatch(url)
    full = f"ssh://{short['user']}@{short['host']}/{short['path']}" if short and "://" not in url else url
    try:
        parts = urlsplit(full)
    except ValueError as exc:
        raise SkillError(f"{url!r:.200} is no URL: {exc}.") from exc
    if parts.scheme not in protocols or "::" in full.partition("://")[0]:
        raise SkillError(
            f"Repositories are cloned by {', '.join(sorted(protocols))} here, not as {url!r:.200};"
            " the operator may allow https, ssh and file."
        )
    if parts.password is not None or (parts.scheme == "https" and parts.username):
        raise SkillError("The URL holds a password or key; leave it out: it would be stored with every skill.")
    if (parts.scheme != "file" and not parts.hostname) or parts.netloc.startswith("-") or not parts.path:
        raise SkillError(f"{url!r:.200} names no repository; `https://host/owner/name` would be right.")
    return _Remote(url=full, protocol=parts.scheme)


def _name_of(url: str) -> str:
    """`owner/name` where the URL has both."""
    path = urlsplit(url).path.strip("/").removesuffix(".git")
    return "/".join(path.split("/")[-2:])


def _clone_arguments(remote: _Remote, reference: str, folder: Path) -> list[str]:
    configuration = {**_CONFIGURATION, f"protocol.{remote.protocol}.allow": "always"}
    options = [part for key, value in configuration.items() for part in ("-c", f"{key}={value}")]
    branch = [f"--branch={reference}"] if reference else []
    how = ["--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template=", *branch]
    return [*options, "clone", "--quiet", *how, "--", remote.url, str(folder)]
