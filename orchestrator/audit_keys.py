"""The private key that signs checkpoints: a file that only its owner may read, made on first use; and its rotation."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import SettingsInvalid
from storage.checkpoint_forms import endorsed_text
from storage.checkpoint_records import CheckpointStore, SigningKey
from storage.errors import InvalidInput, VersionConflict
from storage.records import utc_now
from storage.signing import Signer

if TYPE_CHECKING:
    from orchestrator.settings import Settings

OWNER_ONLY = 0o600
FILE_NAME = "audit.key"
NEXT = ".next"  # of a rotation that the database does not know yet, or whose file was not put in place


class KeyFile:
    """`path` None: a key of this process alone, for a store that lives no longer."""

    def __init__(self, path: Path | None, *, given: Signer | None = None) -> None:
        self.path = path
        self._given = given
        self._signer = given

    @classmethod
    def of(cls, settings: Settings) -> KeyFile:
        """Raises SettingsInvalid for a key that is none."""
        given = settings.audit.signing_key
        if given is not None:
            return cls(None, given=_signer(given.get_secret_value(), "audit.signing_key"))
        if settings.store_url == "memory:":
            return cls(None)
        return cls(settings.audit.key_file or settings.server.secret_path.with_name(FILE_NAME))

    @property
    def is_there(self) -> bool:
        """Whether there is a key without making one."""
        return self._signer is not None or (self.path is not None and self.path.exists())

    def signer(self, newest_key_id: str | None = None) -> Signer:
        """The key, made where there is none; the next one, once the database says that it signs now.

        Raises SettingsInvalid for a file that others may read, or that holds no key.
        """
        if self._signer is not None and newest_key_id in (None, self._signer.key_id):
            return self._signer
        if self.path is None:
            self._signer = self._given or self._signer or Signer(secrets.token_bytes(32))
            return self._signer
        try:
            self._signer = self._read(self.path, newest_key_id)
        except OSError as exc:
            raise SettingsInvalid(
                f"The signing key {str(self.path)!r} can be neither read nor made: {exc.strerror or exc}.",
                hint="Name a file of your own as `audit.key_file`, or set ANTROUTE_AUDIT__SIGNING_KEY.",
            ) from exc
        return self._signer

    async def rotate(self, store: CheckpointStore, *, is_lost: bool = False) -> SigningKey:
        """A new key in the place of the old one, which endorses it, unless it `is_lost`.

        The database knows the new key before the file does, so a stop in between loses nothing. Raises SettingsInvalid,
        VersionConflict when the file's key is not the one that signs now.
        """
        if self.path is None:
            raise SettingsInvalid("A signing key that the settings give is rotated by giving them another one.")
        keys = await store.keys()
        newest = keys[-1] if keys else None
        fresh = Signer(secrets.token_bytes(32))
        made = public_key_of(fresh, after=newest)
        if newest is not None and not is_lost:
            old = self.signer(newest.key_id)
            if old.key_id != newest.key_id:
                raise VersionConflict(
                    f"The file {str(self.path)!r} holds key {old.key_id!r}, but {newest.key_id!r} signs now.",
                    hint="Rotate where that key is, or, if it is lost: antroute audit rotate-key --lost",
                )
            made = replace(made, endorsement=old.sign(endorsed_text(made)))
        following = self.path.with_name(f"{self.path.name}.{fresh.key_id}{NEXT}")  # another rotation has another name
        _write(following, fresh)
        try:
            added = await store.put_key(made)
        except VersionConflict:
            following.unlink()
            raise
        with suppress(FileNotFoundError):  # a service that signs has put it in place already
            os.replace(following, self.path)
        self._signer = fresh
        return added

    def _read(self, path: Path, newest_key_id: str | None) -> Signer:
        for following in path.parent.glob(f"{escape(path.name)}.*{NEXT}"):
            with suppress(SettingsInvalid, FileNotFoundError):  # it is being written, or put in place, at this moment
                if _read(following).key_id == newest_key_id:
                    os.replace(following, path)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
            try:
                _write(draft, Signer(secrets.token_bytes(32)))
                with suppress(FileExistsError):  # of two processes that make it at once, the first one's is kept
                    os.link(draft, path)
            finally:
                draft.unlink(missing_ok=True)
        return _read(path)


def public_key_of(signer: Signer, *, after: SigningKey | None) -> SigningKey:
    """What the database gets to know of a key; not endorsed yet."""
    return SigningKey(
        key_id=signer.key_id,
        public_key=signer.public_key,
        created_at=utc_now(),
        previous_key_id=None if after is None else after.key_id,
    )


def _read(path: Path) -> Signer:
    if path.stat().st_mode & 0o007:
        raise SettingsInvalid(f"Everybody may read the signing key {str(path)!r}.", hint=f"chmod 600 {path}")
    return _signer(path.read_text(errors="replace").strip(), str(path))


def _write(path: Path, signer: Signer) -> None:
    path.touch(mode=OWNER_ONLY, exist_ok=False)
    path.write_text(signer.private_hex() + "\n")


def _signer(text: str, where: str) -> Signer:
    try:
        return Signer(bytes.fromhex(text))
    except (ValueError, InvalidInput) as exc:
        raise SettingsInvalid(
            f"{where!r} holds no private key of Ed25519: 64 characters of hex are needed.",
            hint='Make one: python -c "import secrets; print(secrets.token_hex(32))"',
        ) from exc
