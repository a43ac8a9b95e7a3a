"""The service's secret: given, or made once, and never open to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import SettingsInvalid
from orchestrator.secret import derived_key, service_secret
from orchestrator.settings import Settings


def settings_with(**server: object) -> Settings:
    return Settings(store_url="memory:", server=server)


def test_secret_of_the_settings_is_used_and_never_shown() -> None:
    settings = settings_with(secret="correct horse battery staple now")
    assert service_secret(settings) == b"correct horse battery staple now"
    assert "horse" not in repr(settings)


def test_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    settings = settings_with(secret_file=path)
    first = service_secret(settings)
    assert len(first) >= 48
    assert path.stat().st_mode & 0o777 == 0o600
    assert service_secret(settings) == first
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_two_services_make_two_secrets(tmp_path: Path) -> None:
    one, other = (service_secret(settings_with(secret_file=tmp_path / name)) for name in ("one", "other"))
    assert one != other


def test_short_secret_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match=r"'server\.secret' has 5 characters; 32"):
        service_secret(settings_with(secret="short"))


def test_secret_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("x" * 48)
    path.chmod(0o644)
    with pytest.raises(SettingsInvalid, match="Everybody may read"):
        service_secret(settings_with(secret_file=path))


def test_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(SettingsInvalid, match="neither read nor made"):
        service_secret(settings_with(secret_file=tmp_path / "plain" / "secret"))


def test_keys_of_two_purposes_are_apart_however_their_parts_are_cut() -> None:
    keys = {derived_key(b"s" * 32, *parts) for parts in [("ab", "c"), ("a", "bc"), ("abc",), ("ab", "c", "")]}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
