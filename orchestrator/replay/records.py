"""What a replay says: of one decision made again, and of stored traffic sent through another router."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from routing.evaluation.off_policy import OffPolicy, Refusal

Recomputed = Literal["bit_equal", "within_1e-6", "differ", "not_recomputed"]
RouterKind = Literal["logged", "policy", "version", "folder", "reference"]
# the log's own; what the router expects; means of the log by candidate and task, by candidate; the stored worst case
CostSource = Literal["logged", "cost_head", "task_mean", "candidate_mean", "worst_case"]


@dataclass(frozen=True, kw_only=True)
class ReplayedCandidate:
    """One candidate as it was stored and, where that could be done, as it was computed again."""

    candidate_id: str
    probability: float
    score: float
    again_probability: float | None = None
    again_score: float | None = None


@dataclass(frozen=True, kw_only=True)
class DecisionReplay:
    """A stored decision made again. `is_same` is what the exit code says."""

    decision_id: str
    run_id: str
    attempt: int
    decided_at: datetime
    policy: str
    policy_version: str
    policy_sha256: str
    rng_seed: int
    rng_counter: int
    candidate_id: str | None  # who was picked; None: nobody was allowed
    redrawn_id: str | None  # whom the stored probabilities and the random number pick now
    path: tuple[str, ...]  # who made the probabilities: the policy, then each rule that changed them, in order
    faults: tuple[str, ...] = ()  # what does not fit within the stored record, in words
    recomputed: Recomputed = "not_recomputed"
    reason: str = ""  # why it could not be recomputed, or what differs
    largest_difference: float | None = None  # of a score or probability; None: not recomputed
    candidates: tuple[ReplayedCandidate, ...] = ()

    @property
    def is_same_action(self) -> bool:
        return self.redrawn_id == self.candidate_id

    @property
    def is_same(self) -> bool:
        """The same action, a record that fits, and scores that do not differ where they could be recomputed."""
        return self.is_same_action and not self.faults and self.recomputed != "differ"


@dataclass(frozen=True, kw_only=True)
class Replays:
    """Several decisions replayed: those of a run, or of a part of the log."""

    decisions: tuple[DecisionReplay, ...]

    @property
    def is_same(self) -> bool:
        return all(each.is_same for each in self.decisions)

    @property
    def counts(self) -> Mapping[Recomputed, int]:
        found: dict[Recomputed, int] = {"bit_equal": 0, "within_1e-6": 0, "differ": 0, "not_recomputed": 0}
        for each in self.decisions:
            found[each.recomputed] += 1
        return found


@dataclass(frozen=True, kw_only=True)
class TrafficFilter:
    """Which stored decisions: of the newest ones that fit, at most `limit`. None means any; `until` is not included."""

    since: datetime | None = None
    until: datetime | None = None
    tenant: str | None = None
    candidate_id: str | None = None
    policy: str | None = None
    limit: int = 10_000


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """The decisions that were replayed, and why others were not."""

    wanted: TrafficFilter
    found: int  # decisions that fit the filter
    replayed: int
    excluded: Mapping[str, int]  # reason to how many
    judged: int  # of the replayed ones: with a known quality
    first_position: int  # in the log, of the first and last decision that was taken; 0: none
    last_position: int
    log_sha256: str  # over the leaf hashes of the decisions that were taken, in the log's order
    candidates: tuple[str, ...]
    is_cut: bool = False  # `limit` left out older ones that fit


@dataclass(frozen=True, kw_only=True)
class RouterName:
    """Which router, so that nobody can mean another one."""

    name: str  # as it was asked for
    kind: RouterKind
    version: str = ""
    sha256: str = ""  # of the artefact, or of the policy's state before the traffic
    encoder: str = ""
    note: str = ""  # how it was used, in words


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One router on the traffic. Costs are USD a decision, by what the replay knows; see `cost_sources`."""

    router: RouterName
    cost_usd: float
    total_cost_usd: float
    cost_sources: Mapping[CostSource, int]  # where the chosen ones' costs are from, in decisions
    shares: Mapping[str, float]  # candidate id to its share of the decisions
    switched: int  # decisions in which another candidate is drawn than the stored one
    expected_quality: float | None  # mean of the model's quality of the chosen ones; None: no model
    regret: float | None  # mean utility that the model's best would have more; None: no model
    quality: OffPolicy | Refusal | None  # estimated from the log; None: nothing in the log was judged
    observed_quality: float | None = None  # of the log itself: the mean of what was judged


@dataclass(frozen=True, kw_only=True)
class Switch:
    """How often one candidate took the place of another."""

    from_id: str
    to_id: str
    count: int
    cost_change_usd: float  # sum


@dataclass(frozen=True, kw_only=True)
class Change:
    """One decision that would have fallen otherwise."""

    decision_id: str
    run_id: str
    decided_at: datetime
    task: str
    from_id: str
    to_id: str
    from_probability: float  # what each of the two gave to whom it chose
    to_probability: float
    cost_change_usd: float
    cost_source: CostSource  # of the new candidate's cost
    quality_change: float | None  # by the model; None: no model
    utility_change: float | None


@dataclass(frozen=True, kw_only=True)
class TrafficReplay:
    """Stored traffic through another router, beside what the log did and plain references."""

    traffic: Traffic
    router: Standing
    logged: Standing
    references: tuple[Standing, ...]  # best single, random
    switches: tuple[Switch, ...]  # most frequent first
    changes: tuple[Change, ...]  # largest first, cut to `changes_limit`
    changed: int  # of all decisions, also those beyond the cut
    model: str  # which model the expected quality and the regret are of, in words
    reference_cost_usd: float  # the unit of weighed costs
    seconds: float  # that it took
    notes: tuple[str, ...] = ()
    code_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two routers on the same traffic, and what lies between the first and the second."""

    first: TrafficReplay
    second: TrafficReplay
    switches: tuple[Switch, ...]  # from the first one's candidate to the second one's
    changes: tuple[Change, ...]
    changed: int
    notes: tuple[str, ...] = field(default=())
