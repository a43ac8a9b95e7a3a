"""The client's verbs of the audit log, over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from orchestrator.client_wire import ClientWire


class AuditVerbs(ClientWire):
    """List checkpoints, fetch a proof, verify; answers are the server's JSON."""

    async def audit_checkpoints(self, *, cursor: int = 0, limit: int = 100) -> dict[str, Any]:
        """Signed roots of the log by number, and the public keys; `cursor`: the `next_cursor` of the page before."""
        return await self._send("GET", f"/v1/audit/checkpoints?{urlencode({'cursor': cursor, 'limit': limit})}")

    async def audit_proof(self, decision_id: str) -> dict[str, Any]:
        """That the decision stands in the signed log; `storage.checkpoint_proof.check_proof` checks its JSON.

        Raises RecordNotFound, also while no checkpoint holds it yet.
        """
        return await self._send("GET", f"/v1/audit/proofs/{quote(decision_id, safe='')}")

    async def audit_verify(self) -> dict[str, Any]:
        """Whether the whole log is as it was written; needs the admin's key."""
        return await self._send("POST", "/v1/audit/verify")
