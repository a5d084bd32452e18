"""One face for all measures: names, what they need, and errors that say what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from miqanet_core import metrics
from miqanet_core.metrics.full_reference.haarpsi import haarpsi
from mr_samples import stack_like


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.from_numpy(np.clip(stack_like(3, 192, 208) / 1000, 0, 1))[:, None]


# IL-NIQE takes seconds an image: test_il_niqe.py asks the same of it.
QUICK = [name for name in metrics.names() if name != "ilniqe_mr"]


def call(name: str, images: Tensor) -> Tensor:
    return metrics.compute(name, images, images.roll(1, 0) if metrics.info(name).kind == "full_reference" else None)


def test_kinds_share_out_the_names() -> None:
    assert set(metrics.names()) == set(metrics.names("full_reference")) | set(metrics.names("no_reference"))
    assert len(metrics.names("full_reference")) == 29


def test_haarpsi_is_served(images: Tensor) -> None:
    assert torch.equal(metrics.compute("haarpsi", images.roll(1, 0), images), haarpsi(images.roll(1, 0), images))


@pytest.mark.parametrize("name", QUICK)
def test_a_batch_is_its_images_one_by_one(name: str, images: Tensor) -> None:
    whole = call(name, images)
    assert whole.shape == (3,)
    assert whole.dtype == images.dtype
    pairs = zip(images, images.roll(1, 0), strict=True)
    full = metrics.info(name).kind == "full_reference"
    singles = torch.cat([metrics.compute(name, one[None], other[None] if full else None) for one, other in pairs])
    assert torch.allclose(whole, singles, rtol=1e-5)


@pytest.mark.parametrize("name", QUICK)
def test_repeats_to_the_last_bit_and_stays_in_its_range(name: str, images: Tensor) -> None:
    first = call(name, images)
    assert torch.equal(first, call(name, images.clone()))
    assert ((first >= metrics.info(name).lowest) & (first <= metrics.info(name).highest)).all()


@pytest.mark.parametrize("name", QUICK)
def test_grey_in_three_channels_is_grey(name: str, images: Tensor) -> None:
    assert torch.allclose(call(name, images.expand(-1, 3, -1, -1)), call(name, images), rtol=1e-3)


def test_colours_count_by_luminance_or_are_refused(images: Tensor) -> None:
    colour = torch.cat([images, images * 0.5, images * 0.25], 1)
    grey = images * (0.298936 + 0.587043 / 2 + 0.114021 / 4)
    assert torch.allclose(metrics.compute("piqe", colour), metrics.compute("piqe", grey), rtol=1e-3)
    with pytest.raises(ValueError, match="snr: is defined for grey images"):
        metrics.compute("snr", colour)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("efc", (1, 2, 32, 32), "must be \\(B, 1|3, H, W\\)"),
        ("efc", (32, 32), "must be"),
        ("efc", (0, 1, 32, 32), "must be"),
        ("efc", (1, 1, 12, 64), "16 x 16 pixels at least"),
        ("niqe", (1, 1, 128, 128), "96 x 192 pixels at least, got 128 x 128"),
    ],
)
def test_wrong_shapes_are_explained(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.compute(name, torch.zeros(shape))


@pytest.mark.parametrize("value", [-0.1, 255.0, float("nan"), float("inf")])
def test_wrong_ranges_are_explained(images: Tensor, value: float) -> None:
    wrong = images.clone()
    wrong[0, 0, 3, 4] = value
    with pytest.raises(ValueError, match=r"must be in 0\.\.1"):
        metrics.compute("efc", wrong)


def test_whole_numbers_are_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match="floating point"):
        metrics.compute("efc", (images * 255).byte())


def test_references_are_asked_for_and_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match="haarpsi needs a reference"):
        metrics.compute("haarpsi", images)
    with pytest.raises(ValueError, match="efc takes no reference"):
        metrics.compute("efc", images, images)
    with pytest.raises(ValueError, match="the reference is"):
        metrics.compute("haarpsi", images, images[..., 2:])
    with pytest.raises(ValueError, match="must be even"):
        metrics.compute("haarpsi", images[..., 1:], images[..., 1:])


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'ssin'.*haarpsi"):
        metrics.compute("ssin", torch.zeros(1, 1, 32, 32))
