"""Signs the log while a service is open: every so many events or seconds, into the database and to a place outside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.audit_keys import KeyFile, public_key_of
from orchestrator.audit_outside import Outside
from orchestrator.errors import OrchestratorError
from storage.audit_records import Link
from storage.checkpoint_forms import digest_of, signed_text
from storage.checkpoint_records import AuditCheckpoint, Head, SigningKey
from storage.errors import ServiceError, VersionConflict
from storage.merkle import TILE, Frontier
from storage.records import utc_now
from storage.signing import Signer
from storage.stores import Stores

LOOK_SECONDS = 0.5  # between two looks at how long the log is
RETRY_SECONDS = 5.0  # between two tries to write outside
LAST_TRIES = 10
PAGE = 2000  # events, and checkpoints, read at once

log = logging.getLogger("antroute.audit")


class NotSigned(OrchestratorError):
    """The log is not what the last checkpoint signed, or the key is not the one that signs; nothing more is signed."""

    code = "not_signed"
    hint = "Find out what was changed: antroute audit verify"


@dataclass
class _Grown:
    """The tree up to here, and what has come since the last checkpoint."""

    tree: Frontier = field(default_factory=Frontier)
    heads: dict[str, Head] = field(default_factory=dict)
    tiles: list[str] = field(default_factory=list)

    def copy(self) -> _Grown:
        return _Grown(tree=self.tree.copy(), heads=dict(self.heads), tiles=list(self.tiles))

    def add(self, links: list[Link]) -> None:
        """Raises NotSigned where events are missing, or a leaf hash is none."""
        place = self.tree.size
        if links[0].position != place + 1 or links[-1].position != place + len(links):
            raise NotSigned(f"The log does not go on at event {place + 1}: events are missing.")
        self.tiles += [tile.hex() for tile in self.tree.extend([_leaf(link) for link in links])]
        for link in links:
            self.heads[link.writer] = Head(writer=link.writer, seq=link.seq, chain_hash=link.chain_hash)


class Checkpointer:
    """Of several processes over one store one signs each number; the others go on from there."""

    def __init__(
        self,
        stores: Stores,
        key_file: KeyFile,
        outside: Outside | None,
        *,
        every_events: int = 256,
        every_seconds: float = 10.0,
        look_seconds: float = LOOK_SECONDS,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.key_file = key_file
        self.outside = outside
        self.latest: AuditCheckpoint | None = None
        self.outside_number = 0  # of the newest checkpoint outside, as far as it is known
        self.trouble = ""  # why nothing is signed
        self.outside_trouble = ""
        self.outside_loss = ""  # what was there and is no more; it stays told while the process lives
        self._stores = stores
        self._every_events = every_events
        self._every_seconds = every_seconds
        self._look_seconds = look_seconds
        self._now = now
        self._began = now()
        self._has_looked = False
        self._grown = _Grown()
        self._outside_retry_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_lost = False  # the last number was signed by another process
        self._one_at_a_time = asyncio.Lock()  # two signings at once would both grow the tree

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="checkpointer")

    async def stop(self) -> None:
        """The last checkpoint; what cannot be written is told in the log, and caught up by the next who opens."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._outside_retry_at = None
        for _ in range(LAST_TRIES):  # another process may sign at this moment, and not know of our last events
            self._has_lost = False
            await self.look(is_last=True)
            if not self._has_lost:
                return

    @property
    def late_seconds(self) -> float:
        """How old the newest checkpoint may be while there are events that it does not hold."""
        return 6 * self._every_seconds

    def notices(self) -> tuple[str, ...]:
        signed = (f"the audit log is not signed: {self.trouble}",) if self.trouble else ()
        behind = 0 if self.latest is None else self.latest.number - self.outside_number
        outside = f"{behind} signed checkpoints are not outside yet: {self.outside_trouble}"
        lost = (self.outside_loss,) if self.outside_loss else ()
        return (*signed, *lost, outside) if self.outside_trouble else (*signed, *lost)

    async def look(self, *, is_last: bool = False) -> AuditCheckpoint | None:
        """Signs if it is time, and brings outside what is not there; the checkpoint that it signed.

        What goes wrong is a notice and a line of the log, never an error: a service must not stop for it.
        """
        async with self._one_at_a_time:
            made = None
            try:
                made = await self._sign_if_due(is_last=is_last)
                self._tell_trouble("")
            except VersionConflict as error:
                log.info("Another process signs: %s", error)
                self._has_lost = True
            except ServiceError as error:
                self._tell_trouble(str(error))
            except Exception as error:  # who damages a row must not end the signing in silence
                if self.trouble != _broken(error):
                    log.exception("Signing the audit log broke")
                self._tell_trouble(_broken(error))
            await self._bring_outside()
            return made

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._look_seconds)

    async def _sign_if_due(self, *, is_last: bool) -> AuditCheckpoint | None:
        end = await self._stores.audit.last_position()
        if not self._has_looked:
            await self._go_on_from(await self._stores.checkpoints.latest())
            self._has_looked = True
            end = await self._stores.audit.last_position()
        if not self._is_due(end, is_last=is_last):
            return None
        await self._go_on_from(await self._stores.checkpoints.latest())
        end = await self._stores.audit.last_position()
        if not self._is_due(end, is_last=is_last):  # another process has signed
            return None
        signer = await self._signer()
        if signer is None:
            return None
        grown = await self._grown_to(end)
        return await self._append(grown, signer)

    def _is_due(self, end: int, *, is_last: bool) -> bool:
        """Raises NotSigned for a log that is shorter than what was signed."""
        size = 0 if self.latest is None else self.latest.tree_size
        if end < size:
            raise NotSigned(f"The log has {end} events, but {size} were signed.")
        if end == size:
            return False
        if is_last or end - size >= self._every_events:
            return True
        since = self._began if self.latest is None else self.latest.signed_at
        return abs((self._now() - since).total_seconds()) >= self._every_seconds  # a clock may be set back

    async def _go_on_from(self, latest: AuditCheckpoint | None) -> None:
        """Brings the tree to where the last checkpoint stood. Raises NotSigned when its root is another one."""
        if latest is None or latest == self.latest:
            return
        if self.latest is None:
            self._grown = await self._restored(latest.tree_size)
        grown = await self._grown_to(latest.tree_size)
        if grown.tree.root().hex() != latest.root_hash:
            raise NotSigned(f"The log's first {latest.tree_size} events are not those of checkpoint {latest.number}.")
        self.latest, self._grown = latest, _Grown(tree=grown.tree)

    async def _restored(self, size: int) -> _Grown:
        """From the roots of the whole tiles: of the log itself only the rest is read."""
        tiles = (await self._stores.checkpoints.tiles())[: size // TILE]
        return _Grown(tree=await asyncio.to_thread(Frontier, [bytes.fromhex(tile) for tile in tiles]))

    async def _grown_to(self, end: int) -> _Grown:
        grown = self._grown.copy()
        while grown.tree.size < end:
            count = min(PAGE, end - grown.tree.size)
            links = await self._stores.audit.links(after_position=grown.tree.size, limit=count)
            if not links:
                raise NotSigned(f"The log has no event {grown.tree.size + 1}, but later ones.")
            await asyncio.to_thread(grown.add, links)
        return grown

    async def _signer(self) -> Signer | None:
        """None: another process has the key, and this one need not. Raises SettingsInvalid, VersionConflict."""
        keys = await self._stores.checkpoints.keys()
        newest = keys[-1] if keys else None
        if newest is not None and not self.key_file.is_there:
            self._tell_missing(newest)
            return None
        signer = await asyncio.to_thread(self.key_file.signer, None if newest is None else newest.key_id)
        if newest is None:
            await self._stores.checkpoints.put_key(public_key_of(signer, after=None))
        elif signer.key_id != newest.key_id:
            raise NotSigned(
                f"this service's key is {signer.key_id!r}, but {newest.key_id!r} signs this store.",
                hint="Give it that key's file as `audit.key_file`.",
            )
        return signer

    def _tell_missing(self, newest: SigningKey) -> None:
        """As long as somebody else signs, all is well."""
        latest = self.latest
        age = 0.0 if latest is None else (self._now() - latest.signed_at).total_seconds()
        if latest is None or age > self.late_seconds:
            raise NotSigned(f"the file of the signing key {newest.key_id!r} is not here: {self.key_file.path}")

    async def _append(self, grown: _Grown, signer: Signer) -> AuditCheckpoint:
        before = self.latest
        unsigned = AuditCheckpoint(
            number=1 if before is None else before.number + 1,
            tree_size=grown.tree.size,
            root_hash=grown.tree.root().hex(),
            heads=tuple(head for _, head in sorted(grown.heads.items())),
            previous_sha256="" if before is None else digest_of(before),
            signed_at=self._now(),
            key_id=signer.key_id,
        )
        checkpoint = replace(unsigned, signature=signer.sign(signed_text(unsigned)))
        self.latest = await self._stores.checkpoints.append(checkpoint, tiles=grown.tiles)
        self._grown = _Grown(tree=grown.tree)
        return checkpoint

    async def _bring_outside(self) -> None:
        """Writes there what it lacks, oldest first."""
        if self.outside is None or self.latest is None or self.outside_number >= self.latest.number:
            return
        retry_at = self._outside_retry_at
        if retry_at is not None and 0 < (retry_at - self._now()).total_seconds() <= RETRY_SECONDS:
            return
        try:
            await self._write_outside(self.outside, self.latest.number)
        except ServiceError as error:
            if str(error) != self.outside_trouble:
                log.warning("Checkpoints cannot be brought outside: %s", error)
            self._put_off(str(error))
        except Exception as error:  # as above
            log.warning("Checkpoints cannot be brought outside", exc_info=error)
            self._put_off(_broken(error))
        else:
            if self.outside_trouble:
                log.warning("Checkpoints are outside again, up to number %d", self.outside_number)
            self.outside_trouble, self._outside_retry_at = "", None

    def _put_off(self, trouble: str) -> None:
        self.outside_trouble = trouble
        self._outside_retry_at = self._now() + timedelta(seconds=RETRY_SECONDS)

    async def _write_outside(self, outside: Outside, last: int) -> None:
        number = await asyncio.to_thread(outside.last_number)
        if number < self.outside_number and not self.outside_loss:
            there, gone = f"checkpoint {self.outside_number}", "none" if number == 0 else f"none after {number}"
            self.outside_loss = (
                f"{outside.place!r} held {there} and then {gone}: somebody removed them; they are written anew"
            )
            log.error("Checkpoints were removed outside: %s", self.outside_loss)
        if number > last:  # another process may have signed and written it
            latest = await self._stores.checkpoints.latest()
            last = 0 if latest is None else latest.number
        if number > last:
            raise NotSigned(f"{outside.place!r} has checkpoint {number}, the database only {last}.")
        keys = await self._stores.checkpoints.keys()
        known = (await self._stores.checkpoints.get(number)).key_id if number else None
        while number < last:
            page = await self._stores.checkpoints.checkpoints(after_number=number, limit=PAGE)
            new = keys_between(keys, known, page[-1].key_id)
            await asyncio.to_thread(outside.write, new, page)
            number, known = page[-1].number, page[-1].key_id
            self.outside_number = number
        self.outside_number = max(self.outside_number, number)

    def _tell_trouble(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.error("The audit log is not signed: %s", trouble)
        self.trouble = trouble


def _leaf(link: Link) -> bytes:
    """Raises NotSigned."""
    try:
        return bytes.fromhex(link.leaf_hash)
    except (TypeError, ValueError) as exc:
        raise NotSigned(f"The leaf hash of event {link.position} is none.") from exc


def _broken(error: Exception) -> str:
    return f"it broke ({type(error).__name__}), and is tried again; the service's log says how"


def keys_between(keys: list[SigningKey], known: str | None, newest: str) -> list[SigningKey]:
    """The keys after the known one, up to this one."""
    ids = [key.key_id for key in keys]
    start = ids.index(known) + 1 if known in ids else 0
    return keys[start : ids.index(newest) + 1]
