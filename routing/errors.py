"""Errors of the routing floor.

* RoutingError
  - NoCandidate        every candidate is masked; the message names each reason
  - UnknownPolicy      the caller or operator named a policy that is not there
  - EncoderUnavailable the operator's encoder package is missing or broken
  - UnknownRouter      the operator named a trained router, or a kind of one, that is not there

ArtifactRefused (of storage): a saved router is missing, changed, or does not fit this code, encoder or data.
"""

from __future__ import annotations

from storage.errors import ArtifactRefused as ArtifactRefused
from storage.errors import ServiceError


class RoutingError(ServiceError):
    """No decision could be made."""

    code = "routing_error"


class NoCandidate(RoutingError):
    """No candidate is left."""

    code = "no_candidate"


class UnknownPolicy(RoutingError):
    """No policy of this name."""

    code = "unknown_policy"


class EncoderUnavailable(RoutingError):
    """The encoder could not be loaded."""

    code = "encoder_unavailable"


class UnknownRouter(RoutingError):
    """No trained router of this name."""

    code = "unknown_router"
