"""Artefacts are named only where a calibrated probability is high, and doubts are called unclear."""

import numpy as np
import pytest
from scipy.special import expit

from miqanet_core import findings
from miqanet_core.findings import ABSENT, PRESENT, ArtifactReader

NAMES = ("ghosting", "noise")


def overconfident(seed: int, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits three times too large and shifted, and what is truly there."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, (n, 2))
    return 3 * honest + 1, rng.random((n, 2)) < expit(honest)


def test_fitted_probabilities_hold_on_other_images() -> None:
    reader = findings.fit(NAMES, *overconfident(1))
    logits, present = overconfident(2)
    probability = reader.probabilities(logits)
    for low in np.arange(0, 1, 0.1):
        chosen = (probability >= low) & (probability < low + 0.1)
        assert present[chosen].mean() == pytest.approx(probability[chosen].mean(), abs=0.06)


def test_sure_unclear_and_absent() -> None:
    reader = ArtifactReader(("a", "b", "c"), np.ones(3), np.zeros(3))
    sure, doubt, no = (np.log(p / (1 - p)) for p in (PRESENT + 0.01, (PRESENT + ABSENT) / 2, ABSENT - 0.01))
    found = reader.read(np.array([sure, doubt, no]), np.array([0.4, 0.9, 0.9]))
    assert found.artifacts == {"a": 0.4}
    assert found.unclear == ("b",)


def test_survives_the_weights_file() -> None:
    reader = findings.fit(NAMES, *overconfident(1))
    again = ArtifactReader.from_extras(NAMES, reader.to_extras())
    assert again is not None
    assert np.array_equal(again.slope, reader.slope)
    assert np.array_equal(again.offset, reader.offset)
    assert ArtifactReader.from_extras(NAMES, {}) is None


def test_nothing_is_learnt_of_what_is_never_there() -> None:
    logits, present = overconfident(1)
    present[:, 1] = False
    with pytest.raises(ValueError, match="noise is in none"):
        findings.fit(NAMES, logits, present)
