"""The interval covers what it says on series that it was not fitted to."""

import numpy as np
import pytest

from miqanet_core import uncertainty
from miqanet_core.uncertainty import ScoreInterval


def series(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true scores; the model is worst in the middle, and too kind there."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 100, n)
    spread = 2 + 10 * np.sin(np.pi * truth / 100)
    return np.clip(truth + spread / 2 + spread * rng.standard_normal(n), 0, 100), truth


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_covers_at_its_level(level: float) -> None:
    covered = []
    for seed in range(40):
        interval = uncertainty.fit(*series(seed, 150), level)
        predicted, truth = series(1000 + seed, 300)
        ranges = [interval.around(float(p)) for p in predicted]
        covered.append(np.mean([r.low <= t <= r.high for r, t in zip(ranges, truth, strict=True)]))
    assert np.mean(covered) == pytest.approx(level, abs=0.03)


def test_is_narrow_where_the_model_is_good() -> None:
    interval = uncertainty.fit(*series(1, 3000), 0.9)
    middle, top = interval.around(50.0), interval.around(97.0)
    assert top.high <= 100
    assert middle.high - middle.low > top.high - top.low
    assert middle.level == 0.9


def test_survives_the_weights_file() -> None:
    interval = uncertainty.fit(*series(1, 300), 0.9)
    again = ScoreInterval.from_extras(interval.to_extras())
    assert again is not None
    assert again.around(42.0) == interval.around(42.0)
    assert ScoreInterval.from_extras({}) is None


def test_too_few_series_are_refused() -> None:
    with pytest.raises(ValueError, match="too few for a level of 0.9"):
        uncertainty.fit(*series(1, 40), 0.9)
