"""What goes wrong between this process and a Ray cluster."""

from __future__ import annotations

from storage.errors import ServiceError


class ClusterUnavailable(ServiceError):
    """The Ray cluster cannot be had."""

    code = "cluster_unavailable"
    is_retryable = True


class ActorGone(Exception):
    """An actor did not answer; whoever asked does its work itself."""
