"""Copies stay together when skills are held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skills.training.folds import copy_groups, folds_of
from tests.skills.training.small_pool import pool


def test_same_name_same_description_and_near_copies_are_one_group() -> None:
    skills = pool()[:6]
    renamed = replace(skills[0], id="renamed", name="other")
    described = replace(skills[1], id="described", description="Something else entirely.", body="Nothing alike here.")
    edited = replace(
        skills[2], id="edited", name="edited", description="New words.", body=skills[2].body * 3 + "\nOne line more."
    )
    original = replace(skills[2], body=skills[2].body * 3)
    groups = copy_groups([*skills[:2], original, *skills[3:], renamed, described, edited])
    assert groups[6] == groups[0]
    assert groups[7] == groups[1]
    assert len(set(groups[:6].tolist())) == 6


def test_folds_keep_groups_whole_and_are_even() -> None:
    groups = np.repeat(np.arange(50), 2)
    folds = folds_of(groups, 5, seed=3)
    assert (folds[::2] == folds[1::2]).all()
    assert np.bincount(folds).tolist() == [20] * 5
    assert (folds == folds_of(groups, 5, seed=3)).all()
    assert (folds != folds_of(groups, 5, seed=4)).any()
