"""Repositories are cloned and read; nothing in them is run, and what the operator did not allow is not fetched."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from skills.errors import SkillError
from skills.libraries.git_checkout import GitSource

IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")


def git(folder: Path, *arguments: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit_skill(repository: Path, path: str, *, body: str = "Step 1.") -> str:
    file = repository / path / "SKILL.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"---\nname: tidy\ndescription: Tidies up.\nlicense: MIT\n---\n{body}\n")
    if not (repository / ".git").exists():
        git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "more")
    return git(repository, "rev-parse", "HEAD")


def local(repository: Path, cache: Path, *, reference: str = "", timeout_seconds: float = 60) -> GitSource:
    return GitSource(
        url=repository.as_uri(),
        cache_dir=cache,
        reference=reference,
        protocols=("file",),
        timeout_seconds=timeout_seconds,
    )


async def test_repository_is_cloned_and_read_with_its_commit(tmp_path: Path) -> None:
    repository = tmp_path / "owner/name"
    first = commit_skill(repository, "skills/tidy")
    source = local(repository, tmp_path / "cache")
    (skill,) = (await source.read()).skills
    assert skill.id == "owner/name/skills/tidy"
    assert skill.provenance.source == f"{repository.as_uri()}@{first}:skills/tidy/SKILL.md"
    second = commit_skill(repository, "skills/tidy", body="Step 2.")
    (again,) = (await source.read()).skills
    assert (again.body, again.id) == ("Step 2.", skill.id)
    assert f"@{second}:" in again.provenance.source
    assert [path.name for path in (tmp_path / "cache/git").iterdir()] == [source.folder.name]


async def test_branch_or_tag_is_read_instead(tmp_path: Path) -> None:
    repository = tmp_path / "owner/name"
    commit_skill(repository, "tidy", body="Old.")
    git(repository, "tag", "v1")
    commit_skill(repository, "tidy", body="New.")
    (skill,) = (await local(repository, tmp_path / "cache", reference="v1").read()).skills
    assert skill.body == "Old."
    with pytest.raises(SkillError, match=r"could not clone.*v9"):
        await local(repository, tmp_path / "cache", reference="v9").read()


async def test_nothing_of_the_repository_is_run_or_fetched_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither hooks of a template that the machine is configured with, nor filters, nor submodules, nor links."""
    repository, other, ran = tmp_path / "owner/name", tmp_path / "owner/other", tmp_path / "ran"
    commit_skill(other, "inner")
    commit_skill(repository, "tidy")
    (repository / ".gitattributes").write_text("*.md filter=lfs\n")
    (repository / "linked").mkdir()
    (repository / "linked/SKILL.md").symlink_to(other / "inner/SKILL.md")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", other.as_uri(), "module")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "hostile")
    hooks = tmp_path / "template/hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (hooks / "post-checkout").chmod(0o755)
    configuration = tmp_path / "gitconfig"
    configuration.write_text(
        f"[init]\ntemplateDir = {tmp_path / 'template'}\n[core]\nhooksPath = {hooks}\n"
        f'[filter "lfs"]\nsmudge = touch {ran}\nrequired = true\n[submodule]\nrecurse = true\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    source = local(repository, tmp_path / "cache")
    reading = await source.read()
    assert [skill.id for skill in reading.skills] == ["owner/name/tidy"]
    assert [Path(refused.where).name for refused in reading.refused] == ["linked"]
    assert "leads outside" in reading.refused[0].reason
    assert list((source.folder / "module").iterdir()) == []
    assert not ran.exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///srv/repository", "cloned by https, ssh here, not as 'file:///srv/repository'"),
        ("http://example.org/o/n", "not as 'http:"),
        ("ext::sh -c touch% /tmp/x", "not as 'ext::"),
        ("/srv/repository", "not as '/srv"),
        ("--upload-pack=touch", "not as '--upload-pack"),
        ("https://user:secret@example.org/o/n", "holds a password"),
        ("https://ghp_token@example.org/o/n", "holds a password or key"),
        ("https:///o/n", "names no repository"),
        ("https://example.org", "names no repository"),
        ("ssh://-oProxyCommand=touch/o/n", "names no repository"),
        ("https://[::1", "is no URL"),
    ],
)
def test_url_that_is_not_allowed_is_refused_before_git_sees_it(tmp_path: Path, url: str, reason: str) -> None:
    with pytest.raises(SkillError) as caught:
        GitSource(url=url, cache_dir=tmp_path)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "ghp_token" not in str(caught.value)


@pytest.mark.parametrize("reference", ["--upload-pack=x", "a..b", "a b", "-"])
def test_strange_reference_is_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(SkillError, match="no name of a branch or tag"):
        GitSource(url="https://example.org/o/n", cache_dir=tmp_path, reference=reference)


def test_short_form_of_ssh_is_understood(tmp_path: Path) -> None:
    source = GitSource(url="git@example.org:owner/name.git", cache_dir=tmp_path)
    assert (source.remote.url, source.name) == ("ssh://git@example.org/owner/name.git", "owner/name")


async def test_failed_clone_says_why_and_keeps_the_last_one(tmp_path: Path) -> None:
    repository = tmp_path / "owner/name"
    commit_skill(repository, "tidy")
    source = local(repository, tmp_path / "cache")
    await source.read()
    repository.rename(tmp_path / "away")
    with pytest.raises(SkillError, match=r"git could not clone 'file:.*fatal: .*owner/name"):
        await source.read()
    assert (source.folder / "tidy/SKILL.md").exists()
    assert [path.name for path in (tmp_path / "cache/git").iterdir()] == [source.folder.name]


async def test_server_that_never_answers_is_left_and_its_git_ended(tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            continue
        writer.close()
        closed.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"https://127.0.0.1:{port}/owner/name"
        source = GitSource(url=url, cache_dir=tmp_path, timeout_seconds=1.5)
        with pytest.raises(SkillError, match=r"was not done with .* after 1.5 s"):
            await source.read()
        async with asyncio.timeout(10):
            await closed.wait()
    assert os.listdir(tmp_path / "git") == []
