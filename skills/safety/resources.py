"""Finds dangerous files beside a skill by their paths alone; no file is ever opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from skills.safety.rules import RULES
from skills.safety.visible import excerpt_of, visible
from storage.skill_records import Finding

_PROGRAMS = frozenset([".exe", ".scr", ".com", ".msi", ".msix", ".dll", ".so", ".dylib", ".sys", ".pif", ".cpl", ".hta", ".lnk", ".jar", ".apk", ".app", ".dmg", ".deb", ".rpm", ".pkg", ".elf", ".bin", ".o", ".a", ".pyd", ".node", ".xpi", ".crx", ".vbe", ".jse", ".chm", ".reg", ".scf", ".iso", ".img", ".vhd"])  # fmt: skip
_SENSITIVE = frozenset([".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".docm", ".xlsm", ".pptm", ".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".pyc", ".bat", ".cmd", ".ps1", ".vbs", ".wsf"])  # fmt: skip
_SENSITIVE_NAMES = frozenset(
    {".env", ".netrc", ".npmrc", ".pypirc", "id_rsa", "id_ed25519", "credentials", ".git-credentials"}
)
_INNOCENT = r"(?:pdf|docx?|xlsx?|pptx?|png|jpe?g|gif|svg|txt|md|csv|json|html?|mp[34]|wav|webp|yaml|yml|zip)"
_DISGUISED = re.compile(
    rf"\.{_INNOCENT}[\s.]{{0,40}}\.(?:exe|scr|com|msi|dll|so|bat|cmd|ps1|vbs|hta|lnk|jar|pif|js|sh|py|app|reg)$|\.{_INNOCENT}\s{{3,}}\S"
)
_AUTORUN = re.compile(
    r"(?:^|/)(?:\.git/|\.githooks/|\.husky/|autorun\.inf$|\.bashrc$|\.bash_profile$|\.profile$|\.zshrc$|\.zshenv$|\.ssh/|sitecustomize\.py$|"
    r"usercustomize\.py$|conftest\.py$|\.pth$|\.vscode/(?:tasks|settings|launch)\.json$|\.idea/|\.envrc$|\.claude/(?:settings|hooks)|\.cursor/|"
    r"\.mcp\.json$|\.github/workflows/|crontab$|cron\.\w{1,8}/|\.config/autostart/|launchagents/|systemd/|desktop\.ini$|\.devcontainer/|authorized_keys$)|"
    r"(?:^|/)[^/]{1,80}(?<!path)\.pth$"
)
_QUARANTINED_AUTORUN = re.compile(
    r"(?:^|/)(?:\.git/|autorun\.inf$|\.bashrc$|\.bash_profile$|\.profile$|\.zsh|\.ssh/|sitecustomize\.py$|usercustomize\.py$|\.envrc$|\.claude/|\.mcp\.json$|cron|\.config/autostart/|launchagents/|authorized_keys$|\.vscode/tasks)"
)
_ESCAPING = re.compile(r"^(?:[/\\~]|[a-z]:)|(?:^|[/\\])\.\.(?:[/\\]|$)|%2e%2e|%2f|\$\{?\w|://|^\\\\|\x00")
_MOST = 200


def find_in_resources(paths: tuple[str, ...]) -> Iterator[Finding]:
    for path in paths[:_MOST]:
        rule = _broken_rule(path)
        if rule:
            is_note = rule == "autorun_resource" and not _QUARANTINED_AUTORUN.search(path.lower())
            severity = "note" if is_note else RULES[rule].severity
            yield Finding(rule=rule, where="resources", excerpt=excerpt_of(path, 0, len(path)), severity=severity)


def _broken_rule(path: str) -> str:
    lowered = path.lower()[:2000]
    last = PurePosixPath(lowered).name
    if _ESCAPING.search(lowered):
        return "path_escape"
    if visible(path) != path or _DISGUISED.search(lowered):
        return "disguised_resource"
    if _AUTORUN.search(lowered):
        return "autorun_resource"
    suffix = PurePosixPath(last.rstrip(". ")).suffix
    if suffix in _PROGRAMS:
        return "executable_resource"
    return "sensitive_resource" if suffix in _SENSITIVE or last in _SENSITIVE_NAMES else ""
