"""What an artefact keeps of its training outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routing.memory import Memory
from tests.routing.small_data import small_dataset

DATA = small_dataset(queries=40, missing=0.2)


def test_outcomes_come_back_by_text_and_unknown_texts_are_unknown() -> None:
    memory = Memory.restore(Memory.of(DATA).arrays())
    rows = memory.outcomes_of((DATA.texts[7], "never seen"))
    assert np.allclose(rows[0], DATA.quality[7], atol=1 / 254, equal_nan=True)
    assert np.isnan(rows[1]).all()


def test_text_that_was_asked_twice_has_the_mean_of_what_is_known() -> None:
    quality = np.array([[0.0, 1.0], [1.0, np.nan]])
    twice = replace(DATA.rows([0, 1]).of_candidates(DATA.candidates[:2]), texts=("same", "same"), quality=quality)
    assert np.allclose(Memory.of(twice).outcomes_of(("same",)), [[0.5, 1.0]])


def test_memory_holds_no_text() -> None:
    assert {array.dtype.kind for array in Memory.of(DATA).arrays().values()} == {"u"}


def test_arrays_that_do_not_fit_are_refused() -> None:
    arrays = Memory.of(DATA).arrays()
    with pytest.raises(ValueError, match="digests"):
        Memory.restore({**arrays, "digests": arrays["digests"][:3]})
    with pytest.raises(ValueError, match="outcomes"):
        Memory.restore({**arrays, "quality": arrays["quality"][:, 0]})
