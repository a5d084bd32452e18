"""The methods that the model is compared with, ranked against a teacher."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from comparison import READY, REFITTED, compare, rank_agreement
from miqanet_core.metrics.no_reference.brisque import PACKAGE
from mr_samples import slice_like


def test_noise_ladders_are_ranked() -> None:
    if find_spec(PACKAGE) is None:
        pytest.skip("the package image-quality, which ships BRISQUE's regression, is absent")
    rng = np.random.default_rng(0)
    levels = (0.0, 20.0, 50.0, 120.0)
    images, groups, teacher = [], [], []
    for subject in range(2):
        clean = slice_like(192, 224 + 16 * subject, subject)
        for level in levels:
            images.append(1000 * subject + (1 + subject) * np.hypot(clean, level * rng.standard_normal(clean.shape)))
            groups.append(f"subject {subject}")
            teacher.append(100 - level / 2)
    small = slice_like(64, 64)
    pristine = [slice_like(288, 288, seed) for seed in range(10, 26)] + [small]
    rows = compare([*images, small], [*groups, "subject 0"], np.array([*teacher, 50.0]), pristine)
    by_name = {row["metric"]: row for row in rows}
    assert set(by_name) == {*READY, REFITTED}
    assert by_name["efc"]["srocc"] > 0.6
    assert by_name[REFITTED]["srocc"] > 0.6
    assert by_name["niqe"]["undefined"] == by_name[REFITTED]["undefined"] == 1  # the slice too small for two blocks
    assert by_name["efc"]["undefined"] == 0
    assert [row["srocc"] for row in rows] == sorted((row["srocc"] for row in rows), reverse=True)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="1 images, 2 groups"):
        compare([slice_like(64, 64)], ["a", "b"], np.zeros(1), [])


def test_agreement_of_too_little_is_not_a_number() -> None:
    assert np.isnan(rank_agreement(np.array([1.0, 2]), np.array([1.0, 2])))
    assert np.isnan(rank_agreement(np.ones(5), np.arange(5.0)))
    assert rank_agreement(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1)
