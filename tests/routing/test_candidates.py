"""The mask: each rule's reason in plain words, their order, and the text when nobody is left."""

from __future__ import annotations

from decimal import Decimal

import pytest

from routing.candidates import Candidacy, Limits, all_masked_reason, options
from storage.records import Amount, BudgetLimits
from tests.routing.doubles import a_candidate

CANDIDATE = a_candidate("small", context_window=4096, capabilities=("chat", "json"), trust_domain="local")
NEEDED = Amount(usd=Decimal("0.0125"), tokens=812, seconds=2.25, joules=40.0)
CANDIDACY = Candidacy(candidate=CANDIDATE, worst_case=NEEDED, longest_call_tokens=4096)


def reason(limits: Limits, candidacy: Candidacy = CANDIDACY) -> str | None:
    return options([candidacy], limits)[0].mask_reason


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(
            remaining=BudgetLimits(usd=Decimal("0.0125")),
            required_capabilities=("json",),
            trust_domains=frozenset({"local"}),
            model_to_failure={"another": "failing"},
            tried=frozenset({"another"}),
            only=frozenset({"small"}),
        ),
    ],
)
def test_candidate_within_all_limits_is_allowed(limits: Limits) -> None:
    assert reason(limits) is None


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(remaining=BudgetLimits(usd=Decimal("0.0124"))), "could cost $0.0125; $0.0124 is left"),
        (Limits(remaining=BudgetLimits(usd=Decimal(0))), "could cost $0.0125; $0.00 is left"),
        (Limits(remaining=BudgetLimits(tokens=300)), "needs 812 tokens, 300 are left"),
        (Limits(remaining=BudgetLimits(tokens=1)), "needs 812 tokens, 1 is left"),
        (
            Limits(remaining=BudgetLimits(seconds=1.5, joules=-2.0)),
            "needs 2.25 s, 1.5 s is left; needs 40 J, 0 J is left",
        ),
        (Limits(required_capabilities=("tools", "chat", "audio")), "lacks 'audio', 'tools'"),
        (Limits(trust_domains=frozenset({"eu"})), "trust domain 'local' is not allowed; allowed: 'eu'"),
        (Limits(trust_domains=frozenset()), "trust domain 'local' is not allowed; allowed: none"),
        (
            Limits(model_to_failure={"model-of-small": "is failing since 10:02, retry in 30 s"}),
            "model 'model-of-small' is failing since 10:02, retry in 30 s",
        ),
        (Limits(tried=frozenset({"small"})), "already tried in this run"),
        (Limits(only=frozenset({"large", "big"})), "the caller asked for 'big', 'large'"),
    ],
)
def test_each_rule_gives_its_reason(limits: Limits, expected: str) -> None:
    assert reason(limits) == expected


def test_window_that_is_too_small_is_a_reason() -> None:
    candidacy = Candidacy(candidate=CANDIDATE, worst_case=Amount(usd=Decimal(0)), longest_call_tokens=4097)
    assert reason(Limits(), candidacy) == "needs 4097 tokens; its window is 4096"


def test_all_reasons_are_given_in_the_rules_order() -> None:
    limits = Limits(
        remaining=BudgetLimits(usd=Decimal(0)), required_capabilities=("tools",), tried=frozenset({"small"})
    )
    assert reason(limits) == "already tried in this run; lacks 'tools'; could cost $0.0125; $0.00 is left"


def test_options_keep_the_order_and_the_prices() -> None:
    other = Candidacy(candidate=a_candidate("other"), worst_case=Amount(usd=Decimal(2)))
    made = options([other, CANDIDACY], Limits(remaining=BudgetLimits(usd=Decimal(1))))
    assert [(o.candidate.id, o.worst_case_usd, o.mask_reason is None) for o in made] == [
        ("other", Decimal(2), False),
        ("small", Decimal("0.0125"), True),
    ]


def test_the_text_for_nobody_names_each_with_its_reason() -> None:
    other = Candidacy(candidate=a_candidate("other"), worst_case=Amount(usd=Decimal(2)))
    made = options([other, CANDIDACY], Limits(remaining=BudgetLimits(usd=Decimal("0.01"))))
    assert all_masked_reason([(o.candidate.id, o.mask_reason) for o in made]) == (
        "No candidate of 2 may be picked. other: could cost $2.00; $0.01 is left"
        " | small: could cost $0.0125; $0.01 is left."
    )


def test_the_text_without_candidates_says_so() -> None:
    assert all_masked_reason([]) == "No candidate: none is configured."
