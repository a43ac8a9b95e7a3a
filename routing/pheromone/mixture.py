"""Which task types a query is of: those of the rules, or those that were found among the queries remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routing.base import Context
from storage.errors import InvalidInput

TEMPERATURE = 0.05  # of the softmax over cosines to the centres
DIGITS = 5  # of a centre that are kept

Centres = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskTypes:
    """Clusters of texts, each with a name that stays from one refit to the next; `centres` (types, dimension)."""

    names: tuple[str, ...]
    terms: tuple[tuple[str, ...], ...]  # that tell each from the others, the most telling first
    centres: Centres  # of length one
    encoder: str

    def mixture(self, embedding: NDArray[np.float32]) -> dict[str, float]:
        """softmax(cosine / temperature) over the types: sums to one."""
        nearness = (self.centres @ embedding).astype(np.float64) / TEMPERATURE
        weights = np.exp(nearness - nearness.max())
        return dict(zip(self.names, (weights / weights.sum()).tolist(), strict=True))

    def body(self) -> dict[str, object]:
        """As JSON values, for an event or a state."""
        return {
            "encoder": self.encoder,
            "names": list(self.names),
            "terms": [list(terms) for terms in self.terms],
            "centres": [[round(float(value), DIGITS) for value in centre] for centre in self.centres],
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Undo of `body`. Raises InvalidInput."""
        try:
            names = tuple(str(name) for name in body["names"])
            centres = np.array(body["centres"], dtype=np.float32)
            terms = tuple(tuple(str(term) for term in each) for each in body["terms"])
            encoder = str(body["encoder"])
            if not names or centres.ndim != 2 or not len(centres) == len(names) == len(set(names)) == len(terms):
                raise ValueError("a name, terms and a centre each")
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(
                f"Task types are encoder, names, terms and centres, one each; got {body!r:.200}.", field="tasks"
            ) from exc
        return cls(names=names, terms=terms, centres=centres, encoder=encoder)


def mixture_of(context: Context, types: TaskTypes | None) -> Mapping[str, float]:
    """w(q): by the types that were found where the query's vector is of their encoder, else by the rules."""
    if types is None or context.embedding is None or context.encoder != types.encoder:
        return context.task_mixture
    if context.embedding.shape != types.centres.shape[1:]:
        return context.task_mixture
    return types.mixture(context.embedding)
