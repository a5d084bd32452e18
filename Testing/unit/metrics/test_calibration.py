"""Full-reference measures against the numbers that their authors' programs give for five public pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from miqanet_core import metrics
from miqanet_core.metrics.full_reference.ms_ssim import WEIGHTS, scale_terms

Pair = tuple[Tensor, Tensor]
# Of I03, I04, I06, I08, I19. Values are published with four decimals, GMSD's with six.
GREY = {
    "gmsd": ([0.220348, 0.000522, 0.000448, 0.134632, 0.204996], 6e-7),
    "ssim": ([0.6993, 0.9978, 0.9989, 0.9669, 0.6519], 6e-5),
    "cw_ssim": ([0.2763, 0.9996, 1.0, 0.9068, 0.8658], 6e-5),
    "vif": ([0.0172, 0.9891, 0.9924, 0.9103, 0.1745], 6e-5),
    "nlpd": ([0.5616, 0.0195, 0.0159, 0.3028, 0.4326], 6e-5),
}


@pytest.mark.parametrize("name", GREY)
def test_the_authors_numbers(name: str, calibration_pairs: Pair) -> None:
    values, tolerance = GREY[name]
    assert metrics.compute(name, *calibration_pairs).tolist() == pytest.approx(values, abs=tolerance)


def test_fsim_gives_the_authors_numbers(calibration_colours: Pair) -> None:
    found = metrics.compute("fsim", *calibration_colours).tolist()
    assert found == pytest.approx([0.6890, 0.9702, 0.9927, 0.9575, 0.8220], abs=6e-5)


def test_ms_ssim_terms_give_the_authors_sum(calibration_pairs: Pair) -> None:
    terms = scale_terms(*calibration_pairs)
    weights = torch.tensor(WEIGHTS, dtype=terms.dtype)
    assert ((terms * weights).sum(1) / weights.sum()).tolist() == pytest.approx(
        [0.6733, 0.9996, 0.9998, 0.9566, 0.8462], abs=6e-5
    )
    # The product, which the paper defines, differs from the published values by up to 4.5e-3.
    product = metrics.compute("ms_ssim", *calibration_pairs).tolist()
    assert product == pytest.approx([0.66998, 0.99963, 0.99982, 0.95653, 0.84179], abs=1e-5)


def test_mad_differs_from_the_values_in_use(calibration_pairs: Pair) -> None:
    # Known disagreement: 84.3542 is in use for I08, and 80.8379 for I04, whose luminance hardly differs.
    found = metrics.compute("mad", *(x[[1, 3]] for x in calibration_pairs)).tolist()
    assert found == pytest.approx([0, 87.5391], abs=1e-3)
