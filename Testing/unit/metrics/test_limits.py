"""What a set can show: the sentences below a table, and that they tell the truth in simulated studies."""

from __future__ import annotations

import numpy as np
import pytest

from miqanet_core.metrics.limits import detectable_srocc, limits
from miqanet_core.metrics.significance import pairwise


def test_the_detectable_srocc_is_told_in_four_of_five_studies() -> None:
    """Normal scores and errors, independent images of 8 references. Three binomial standard deviations are 8.5 %."""
    worse = detectable_srocc(112, 8)
    assert worse is not None
    rng = np.random.default_rng(1)
    # Of normal variables, Pearson's correlation that has this SROCC.
    sizes = [np.sqrt(1 / (2 * np.sin(np.pi * srocc / 6)) ** 2 - 1) for srocc in (0.9, worse)]
    told = 0
    for _ in range(200):
        score = rng.standard_normal(112)
        predictions = {str(i): score + size * rng.standard_normal(112) for i, size in enumerate(sizes)}
        told += pairwise(predictions, score, np.repeat(list("abcdefgh"), 14)).p[0, 1] < 0.05
    assert told / 200 == pytest.approx(0.8, abs=0.085)


def test_more_images_references_and_power_show_smaller_differences() -> None:
    def of(*numbers: int, **options: float) -> float:
        return detectable_srocc(*numbers, **options) or -1

    assert of(112, 8) < of(224, 8) < of(224, 16) < of(1000, 100) < 0.9
    assert of(112, 8, level=0.01) < of(112, 8) < of(112, 8, power=0.5)
    assert detectable_srocc(9, 3) is None


def test_the_sentences_name_what_the_table_rests_on() -> None:
    of_two, of_many = limits(112, 8, 2), limits(112, 8, 42)
    assert "rest on 8 pieces of evidence, not on 112" in of_two[0]
    assert 0.78 <= (detectable_srocc(112, 8) or 0) < 0.79
    assert of_two[1] == "Two methods compared alone: in 80% of such studies an SROCC of 0.90 is told from one of 0.78 or less."
    assert of_two[-1].endswith("no evidence that two methods are equal.")
    assert not any("Holm" in sentence for sentence in of_two)
    assert [sentence for sentence in of_many if "861 pairs of 42 methods, with Holm's correction" in sentence]
    assert "not even told" in " ".join(limits(9, 3, 2))
    assert any("still too narrow" in sentence for sentence in of_two)
    assert not any("too narrow" in sentence for sentence in limits(1000, 100, 2))
    with pytest.raises(ValueError, match="two references"):
        limits(112, 1, 42)
