"""What is stored of one run, read in one go."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.records import Decision, Outcome, Reward, Span


@dataclass(kw_only=True)
class RunRecords:
    """In the order in which they were written; spans by their start."""

    decisions: list[Decision] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    rewards: list[Reward] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
