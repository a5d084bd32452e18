"""Tests of residual variances: a published worked example, scipy, and residuals on which they mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f as fisher
from scipy.stats import shapiro

from miqanet_core.metrics.residual_variance import residual_variance

# Legs of ten deer, from Zar's Biostatistical Analysis. R's PairedData finds t = -0.65591, p = 0.5303 and the variances below.
HIND = [142, 140, 144, 144, 142, 146, 149, 150, 142, 148]
FORE = [138, 136, 147, 139, 143, 141, 143, 145, 136, 146]


def test_the_paired_test_has_the_values_of_r() -> None:
    # Residuals are scores less predictions, so that predictions of a score of zero are the data themselves, turned.
    found = residual_variance({"hind": -np.array(HIND), "fore": -np.array(FORE)}, np.zeros(10))
    assert found.ratio[0, 1] == pytest.approx(11.56667 / 16.26667, rel=1e-6)
    assert found.p_paired[0, 1] == pytest.approx(0.5303, abs=5e-5)
    assert found.p_paired[1, 0] == found.p_paired[0, 1] == found.p_paired_holm[0, 1]
    assert found.p_paired[0, 0] == 1


def test_the_f_test_and_the_normality_are_those_of_scipy() -> None:
    found = residual_variance({"hind": -np.array(HIND), "fore": -np.array(FORE)}, np.zeros(10))
    assert found.p[0, 1] == pytest.approx(2 * fisher.cdf(np.var(HIND) / np.var(FORE), 9, 9))
    assert found.p_normal == pytest.approx([shapiro(HIND).pvalue, shapiro(FORE).pvalue])
    deviations = np.array(HIND) - np.mean(HIND)
    assert found.kurtosis[0] == pytest.approx(np.mean(deviations**4) / np.mean(deviations**2) ** 2)


def test_residuals_that_are_not_normal_make_their_pairs_invalid() -> None:
    rng = np.random.default_rng(1)
    score = rng.uniform(0, 100, 112)
    errors = {"normal": rng.normal(0, 5, 112), "wide": rng.normal(0, 9, 112), "peaked": rng.standard_t(2, 112)}
    # Of a kurtosis within the field's 2..4, and yet nothing like normal: one side only.
    errors["skewed"] = np.abs(rng.normal(0, 5, 112))
    found = residual_variance({name: score + error for name, error in errors.items()}, score)
    assert found.normal.tolist() == [True, True, False, False]
    assert found.kurtosis[2] > 4
    assert 2 < found.kurtosis[3] < 4
    assert found.p_normal[3] < 0.05
    assert found.valid.tolist() == [[True, True, False, False]] * 2 + [[False] * 4] * 2
    assert found.p[0, 1] < 0.001


def test_methods_of_one_residual_do_not_differ() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(0, 100, 30)
    predicted = score + rng.normal(0, 5, 30)
    found = residual_variance({"a": predicted, "again": predicted, "shifted": predicted + 3}, score)
    np.testing.assert_array_equal(found.p_paired, 1)
    np.testing.assert_allclose(found.p, 1)


def test_input_that_cannot_be_tested_is_explained() -> None:
    score = np.arange(10.0)
    with pytest.raises(ValueError, match="perfect: predictions are off by one constant"):
        residual_variance({"perfect": score + 0.1}, score)
    with pytest.raises(ValueError, match="short: predictions"):
        residual_variance({"short": score[:4]}, score)
