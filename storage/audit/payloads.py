"""The texts that events quote: whole and as they were logged, or erased, and the log says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from storage.audit.findings import BadEvent, Broken, bad_event
from storage.audit.walk import Quote
from storage.audit_records import LoggedRow, TextRow
from storage.errors import LogCorrupt
from storage.stores import AuditLog


@dataclass
class Texts:
    """What is known of payloads up to here."""

    erased: set[str] = field(default_factory=set)
    # erased payload to the first event that quotes it, until the log is seen to say that it was erased
    unexplained: dict[str, LoggedRow] = field(default_factory=dict)

    async def check(self, quotes: Sequence[Quote], audit: AuditLog) -> BadEvent | None:
        """The first event whose text is not the one that it quotes. Raises StorageUnavailable."""
        try:
            rows = await audit.text_rows(list({quote.payload_id: None for quote in quotes}))
        except LogCorrupt:
            rows = {}  # one of them cannot be read: ask for each alone
        for quote in quotes:
            if _is_whole(quote, rows.get(quote.payload_id)):
                continue
            try:
                payload = rows.get(quote.payload_id) or (await audit.text_rows([quote.payload_id])).get(
                    quote.payload_id
                )
                self._check(quote, payload)
            except (Broken, LogCorrupt) as exc:
                return bad_event(quote.event, f"payload {quote.payload_id!r}: {exc}")
        return None

    def end(self) -> BadEvent | None:
        """At the end of the log: the first event whose text is gone without a word."""
        if not self.unexplained:
            return None
        first = min(self.unexplained.values(), key=lambda row: row.position)
        return bad_event(first, "a payload that it quotes is erased, and no event says so")

    def _check(self, quote: Quote, payload: TextRow | None) -> None:
        if payload is None:
            raise Broken("the row is missing")
        if payload.digest != quote.digest:
            raise Broken("the row's digest is not the one that was logged")
        if quote.erased_at is not None:
            if payload.erased_at != quote.erased_at:
                raise Broken("the log says that it was erased, the row does not, or at another time")
            self.erased.add(payload.id)
            self.unexplained.pop(payload.id, None)
        if payload.text is not None and payload.salt is not None and payload.erased_at is None:
            if _digest(payload.salt, payload.text) != quote.digest:
                raise Broken("its text or salt was changed: they do not hash to the digest that was logged")
        elif payload.text is not None or payload.salt is not None or payload.erased_at is None:
            raise Broken("the row is neither whole nor erased")
        elif payload.id not in self.erased:
            self.unexplained.setdefault(payload.id, quote.event)


def _is_whole(quote: Quote, row: TextRow | None) -> bool:
    """The usual case, told quickly."""
    if row is None or quote.erased_at is not None:
        return False
    _, text, salt, digest, erased_at = row
    return erased_at is None and text is not None and salt is not None and quote.digest == digest == _digest(salt, text)


def _digest(salt: str, text: bytes) -> str:
    """As `payload_digest`, over the row's own bytes; a text column that was made a number or so is no bytes."""
    if not isinstance(text, bytes) or not isinstance(salt, str):
        return ""
    return sha256(salt.encode("utf-8", "surrogatepass") + b"\x00" + text).hexdigest()
