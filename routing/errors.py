"""Errors of the routing floor.

* RoutingError
  - NoCandidate        every candidate is masked; the message names each reason
  - UnknownPolicy      the caller or operator named a policy that is not there
  - EncoderUnavailable the operator's encoder package is missing or broken
"""

from __future__ import annotations

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
