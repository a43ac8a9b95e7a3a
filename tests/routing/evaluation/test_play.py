"""What comes of choices: known cells only, by the weight of cost, by lot."""

from __future__ import annotations

import numpy as np
import pytest

from routing.evaluation.outcomes import outcomes_of
from routing.evaluation.play import LAMBDAS, choices, played, played_by_lot, preferred
from routing.forecasts import Forecast
from storage.errors import InvalidInput
from tests.routing.evaluation.doubles import dataset, handmade, inputs_of

NAN = float("nan")


def test_choice_moves_to_the_cheap_one_as_cost_weighs_more() -> None:
    outcomes = handmade([[0.9, 0.6]], [[1.0, 0.1]])
    chosen = choices(Forecast(quality=outcomes.quality, cost_usd=outcomes.cost_usd), outcomes, LAMBDAS)
    assert chosen[:, 0].tolist() == [0, 0, 0, 0, 0, 1, 1]  # 0.9 - λ falls below 0.6 - λ/10 at λ = 1/3


def test_candidate_without_known_outcome_is_never_chosen() -> None:
    outcomes = handmade([[NAN, 0.2, 0.1], [0.3, NAN, 0.1]])
    forecast = Forecast(quality=np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5]]), cost_usd=np.zeros((2, 3)))
    assert choices(forecast, outcomes, [0.0]).tolist() == [[1, 2]]
    assert preferred([0, 2, 1], outcomes, [0.0, 1.0]).tolist() == [[2, 0], [2, 0]]


def test_played_cells_are_looked_up_and_shares_counted() -> None:
    outcomes = handmade([[0.9, 0.6], [0.2, 0.8]], [[1.0, 0.1], [2.0, 0.3]])
    play = played(np.array([[0, 1], [1, 1]]), outcomes, [0.0, 0.5])
    assert play.quality.tolist() == [[0.9, 0.8], [0.6, 0.8]]
    assert play.utility(1.0)[1].tolist() == pytest.approx([0.6 - 0.05, 0.8 - 0.15])
    assert play.shares.tolist() == [[0.5, 0.5], [0.0, 1.0]]


def test_cost_counts_nothing_without_a_reference_cost() -> None:
    play = played(np.array([[0]]), handmade([[0.9, 0.6]], [[1.0, 0.1]]), [1.0])
    assert play.utility(0.0).tolist() == [[0.9]]


def test_lot_is_expected_over_known_candidates() -> None:
    play = played_by_lot(handmade([[0.9, NAN, 0.3], [0.0, 0.6, 0.9]], [[4.0, 9.0, 2.0], [3.0, 3.0, 3.0]]), [0.0])
    assert play.quality[0].tolist() == pytest.approx([0.6, 0.5])
    assert play.cost_usd[0].tolist() == pytest.approx([3.0, 3.0])
    assert play.shares[0].tolist() == pytest.approx([5 / 12, 1 / 6, 5 / 12])


def test_query_without_outcome_is_excluded_and_counted() -> None:
    data = dataset(np.array([[0.5, NAN], [NAN, NAN], [0.1, 0.2]]))
    outcomes, kept = outcomes_of(data, inputs_of(data), data.reference)
    assert (len(outcomes), outcomes.excluded_queries, outcomes.missing_cells) == (2, 1, 1)
    assert kept.texts == ("dev-00000", "dev-00002")


def test_cell_without_cost_is_unknown_where_others_have_one() -> None:
    data = dataset(np.array([[0.5, 0.4], [0.1, 0.2]]), cost=np.array([[1.0, NAN], [1.0, 2.0]]))
    outcomes, _ = outcomes_of(data, inputs_of(data), data.reference)
    assert outcomes.is_known.tolist() == [[True, False], [True, True]]


def test_data_without_any_outcome_is_refused() -> None:
    data = dataset(np.full((3, 2), NAN))
    reference = dataset(np.ones((1, 2))).reference
    with pytest.raises(InvalidInput, match="None of the 3 queries has a known outcome"):
        outcomes_of(data, inputs_of(data), reference)


def test_inputs_of_other_queries_are_refused() -> None:
    data = dataset(np.ones((3, 2)))
    with pytest.raises(InvalidInput, match="2 inputs for 3 queries"):
        outcomes_of(data, inputs_of(data).take([0, 1]), data.reference)
