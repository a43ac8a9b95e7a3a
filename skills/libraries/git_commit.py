"""Finds the git commit that a folder stands at, by reading git's files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REFERENCE = re.compile(r"ref: (refs/[A-Za-z0-9._/-]{1,200})")
MAX_BYTES = 4 * 1024 * 1024  # of a file of git that is read


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A working tree of a repository and the commit that it stands at."""

    root: Path  # resolved
    repository: str  # what it is called: where it was cloned from, or its folder
    commit: str


def checkout_around(folder: Path, *, repository: str = "") -> Checkout | None:
    """The checkout that `folder` lies in; None where there is none or its commit is not told plainly."""
    for parent in (folder.resolve(), *folder.resolve().parents):
        if (parent / ".git").is_dir():
            commit = _head_commit(parent / ".git")
            return Checkout(root=parent, repository=repository or str(parent), commit=commit) if commit else None
    return None


def _head_commit(git: Path) -> str | None:
    head = _text(git / "HEAD")
    reference = _REFERENCE.fullmatch(head)
    if reference is None:
        return head if _COMMIT.fullmatch(head) else None
    name = reference.group(1)
    if ".." in name:
        return None
    loose = _text(git / name)
    if _COMMIT.fullmatch(loose):
        return loose
    for line in _text(git / "packed-refs").splitlines():
        commit, _, packed_name = line.partition(" ")
        if packed_name == name and _COMMIT.fullmatch(commit):
            return commit
    return None


def _text(path: Path) -> str:
    """The file's text, or nothing where it is missing, unreadable or suspiciously large."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return ""
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""
