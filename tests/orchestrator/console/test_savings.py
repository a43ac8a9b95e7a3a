"""Savings: the whole tokens at the best single one's prices, and a reason where that is not known."""

from __future__ import annotations

from decimal import Decimal

from orchestrator.rest.console.savings import savings_of
from storage.records import ModelCard, TokenUsage
from storage.summary_records import Totals

CHEAP = ModelCard(model="cheap", price_input_usd_per_mtok=Decimal(1), price_output_usd_per_mtok=Decimal(1))
DEAR = ModelCard(model="dear", price_input_usd_per_mtok=Decimal(10), price_output_usd_per_mtok=Decimal(10))
FREE = ModelCard(model="free")
CARDS = {"cheap": CHEAP, "dear": DEAR, "free": FREE}
TOKENS = TokenUsage(input=600_000, output=400_000)


def totals(key: str, *, quality: float | None, cost: str = "0", judged: int = 10) -> Totals:
    if quality is None:
        return Totals(key=key, decisions=10, cost_usd=Decimal(cost), usage=TOKENS)
    return Totals(
        key=key, decisions=10, judged=judged, quality_sum=quality * judged, cost_usd=Decimal(cost), usage=TOKENS
    )


def test_all_tokens_are_priced_as_the_best_ones_and_what_was_paid_is_taken_off() -> None:
    found = savings_of([totals("cheap", quality=0.5, cost="1"), totals("dear", quality=0.9, cost="10")], CARDS)
    assert (found.best_id, found.best_judged) == ("dear", 10)
    assert (found.best_cost_usd, found.saved_usd) == (Decimal(20), Decimal(9))
    assert found.share == 0.45


def test_of_equals_the_cheaper_one_is_the_best() -> None:
    found = savings_of([totals("dear", quality=0.75, cost="10"), totals("cheap", quality=0.75, cost="1")], CARDS)
    assert found.best_id == "cheap"
    assert found.saved_usd == Decimal(2) - Decimal(11)


def test_what_is_not_known_has_a_reason_and_no_figure() -> None:
    for rows, reason in (
        ([totals("cheap", quality=None)], "no answer was judged"),
        ([totals("", quality=1.0)], "no answer was judged"),
        ([totals("gone", quality=0.9)], "not among the service's candidates"),
        ([totals("free", quality=0.9)], "no prices"),
        ([], "no answer was judged"),
    ):
        found = savings_of(rows, CARDS)
        assert reason in found.reason
        assert (found.saved_usd, found.share) == (None, None)
