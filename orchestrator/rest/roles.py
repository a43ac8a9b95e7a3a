"""Which role a route takes at least, in one table; what is not in it is the admin's alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from starlette.routing import compile_path

from storage.key_records import KEY_ROLES, KeyRole

Least = KeyRole | Literal["open"]  # open: also to those who have no key

# reader: looks at what is its tenant's, and at what is everybody's. writer: asks, judges, sends jobs.
# operator: also changes the service's configuration. admin: also what is of more tenants than one, and keys.
LEAST_ROLE: Mapping[tuple[str, str], Least] = {
    ("GET", "/healthz"): "open",
    ("GET", "/readyz"): "open",
    ("GET", "/metrics"): "operator",
    ("GET", "/openapi.json"): "reader",
    ("GET", "/.well-known/ldp-identity"): "reader",
    ("GET", "/v1/models"): "reader",
    ("GET", "/v1/models/{model_id:path}"): "reader",
    ("POST", "/v1/embeddings"): "writer",
    ("POST", "/v1/responses"): "writer",
    ("POST", "/v1/chat/completions"): "writer",
    ("POST", "/v1/route"): "writer",
    ("GET", "/v1/decisions"): "reader",
    ("GET", "/v1/decisions/{decision_id}"): "reader",
    ("POST", "/v1/decisions/{decision_id}/outcomes"): "writer",
    ("GET", "/v1/traces/{run_id}"): "reader",
    ("POST", "/v1/payloads/erase"): "operator",
    ("POST", "/v1/audit/verify"): "admin",
    ("GET", "/v1/audit/checkpoints"): "reader",
    ("GET", "/v1/audit/proofs/{decision_id}"): "reader",
    ("GET", "/v1/budgets"): "reader",
    ("GET", "/v1/budgets/{account_id}"): "reader",
    ("GET", "/v1/memory"): "operator",
    ("GET", "/v1/memory/{memory}/picture.svg"): "operator",
    ("POST", "/v1/replays"): "operator",
    ("GET", "/v1/routers"): "operator",
    ("GET", "/v1/routers/{router_id}"): "operator",
    ("POST", "/v1/routers/rollback"): "operator",
    ("POST", "/v1/routers/{router_id}/promote"): "operator",
    ("POST", "/v1/routers/{router_id}/shadow"): "operator",
    ("POST", "/v1/routers/{router_id}/retire"): "operator",
    ("GET", "/v1/skills"): "reader",
    ("POST", "/v1/skills/search"): "reader",
    ("GET", "/v1/skills/{skill_id:path}"): "reader",
    ("POST", "/v1/skills/{skill_id:path}/allow"): "operator",
    ("POST", "/v1/skills/{skill_id:path}/remove"): "operator",
    ("POST", "/v1/jobs"): "writer",
    ("POST", "/v1/jobs/batch"): "writer",
    ("GET", "/v1/jobs"): "reader",
    ("GET", "/v1/jobs/{job_id}"): "reader",
    ("POST", "/v1/jobs/{job_id}/cancel"): "writer",
    ("GET", "/v1/jobs/{job_id}/result"): "reader",
    ("GET", "/v1/jobs/{job_id}/events"): "reader",
    ("POST", "/v1/training-jobs"): "operator",
    ("GET", "/v1/webhook-deliveries"): "reader",
    ("POST", "/v1/webhook-deliveries/{delivery_id}/redeliver"): "writer",
    ("GET", "/v1/webhook-secret"): "operator",
    ("POST", "/v1/webhook-secret/rotate"): "operator",
    ("GET", "/v1/keys"): "admin",
    ("POST", "/v1/keys"): "admin",
    ("GET", "/v1/keys/{key_id}"): "admin",
    ("PATCH", "/v1/keys/{key_id}"): "admin",
    ("DELETE", "/v1/keys/{key_id}"): "admin",
    ("POST", "/v1/keys/{key_id}/rotate"): "admin",
    ("GET", "/v1/tenants"): "admin",
    ("POST", "/v1/tenants"): "admin",
    ("PATCH", "/v1/tenants/{tenant}"): "admin",
    ("GET", "/console"): "reader",
    ("GET", "/console/login"): "open",
    ("POST", "/console/login"): "open",
    ("POST", "/console/logout"): "open",
    ("GET", "/console/static/{digest}/{name}"): "open",
    ("GET", "/console/decisions"): "reader",
    ("GET", "/console/decisions/newer"): "reader",
    ("GET", "/console/decisions/{decision_id}"): "reader",
    ("GET", "/console/decisions/{decision_id}/{name}.txt"): "reader",
    ("GET", "/console/decisions/{decision_id}/proof.json"): "reader",
    ("POST", "/console/decisions/{decision_id}/replay"): "operator",
    ("POST", "/console/decisions/{decision_id}/judge"): "writer",
    ("POST", "/console/decisions/{decision_id}/verify"): "reader",
    ("GET", "/console/try"): "reader",
    ("POST", "/console/try"): "writer",
    ("GET", "/console/jobs"): "reader",
    ("GET", "/console/jobs/{job_id}"): "reader",
    ("GET", "/console/jobs/{job_id}/events"): "reader",
    ("POST", "/console/jobs/{job_id}/cancel"): "writer",
    ("POST", "/console/jobs/{job_id}/deliveries/{delivery_id}/again"): "writer",
    ("GET", "/console/routers"): "operator",
    ("POST", "/console/routers/rollback"): "operator",
    ("GET", "/console/routers/{router_id}"): "operator",
    ("POST", "/console/routers/{router_id}/promote"): "operator",
    ("POST", "/console/routers/{router_id}/shadow"): "operator",
    ("POST", "/console/routers/{router_id}/retire"): "operator",
    ("GET", "/console/memory"): "operator",
    ("GET", "/console/memory/{memory}/picture.svg"): "operator",
    ("GET", "/console/skills"): "reader",
    ("POST", "/console/skills/search"): "reader",
    ("POST", "/console/skills/allow"): "operator",
    ("POST", "/console/skills/remove"): "operator",
    ("GET", "/console/skills/{skill_id:path}"): "reader",
    ("GET", "/console/budgets"): "reader",
    ("GET", "/console/compare"): "operator",
    ("POST", "/console/compare"): "operator",
    ("GET", "/console/compare/{comparison_id}"): "operator",
    ("GET", "/console/compare/{comparison_id}/progress"): "operator",
}


def may(role: KeyRole, least: Least) -> bool:
    """Whether the role is that one or one above it."""
    return least == "open" or KEY_ROLES.index(role) <= KEY_ROLES.index(least)


class RoleTable:
    """The table, ready to be asked for a path as it came."""

    def __init__(self, rows: Mapping[tuple[str, str], Least] = LEAST_ROLE) -> None:
        self._exact = {row: least for row, least in rows.items() if "{" not in row[1]}
        patterns: dict[str, list[tuple[str, re.Pattern[str], Least]]] = {}
        for (method, template), least in rows.items():
            if "{" in template:
                prefix, pattern = template.partition("{")[0], compile_path(template)[0]
                patterns.setdefault(method, []).append((prefix, pattern, least))
        self._patterns = patterns

    def least(self, method: str, path: str) -> Least:
        """The least role; of several rows that fit the strictest one's, and the admin's where none does."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        fitting = [
            least
            for prefix, pattern, least in self._patterns.get(method, ())
            if path.startswith(prefix) and pattern.match(path)
        ]
        return min(fitting, key=_strictness, default="admin")


def methods_of(path: str) -> list[str]:
    """Of the route that the path fits; of several the one that leaves least to a parameter."""
    fitting = [template for _, template in LEAST_ROLE if compile_path(template)[0].match(path)]
    closest = max(fitting, key=lambda template: len(re.sub(r"{.*?}", "", template)), default="")
    return sorted(method for method, template in LEAST_ROLE if template == closest)


def _strictness(least: Least) -> int:
    return len(KEY_ROLES) if least == "open" else KEY_ROLES.index(least)
