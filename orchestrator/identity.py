"""On whose behalf something is done: tenant, principal, role, and the account that pays."""

from __future__ import annotations

from dataclasses import dataclass

from storage.errors import RecordNotFound
from storage.key_records import KeyRole


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who asks. Without keys, on loopback, everybody is the local operator."""

    tenant: str = "default"
    principal: str = "local"
    role: KeyRole = "admin"
    account_id: str = "default"
    key_id: str | None = None

    @property
    def sees(self) -> str | None:
        """The tenant whose jobs, decisions and traces it may see; None: every tenant's."""
        return None if self.role == "admin" else self.tenant

    def require_own(self, tenant: str | None, what: str) -> None:
        """Raises RecordNotFound, as if it were not there, for what belongs to another tenant."""
        if self.sees is not None and tenant != self.sees:
            raise RecordNotFound(f"No {what}.")


LOCAL = Identity()
