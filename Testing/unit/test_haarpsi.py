"""HaarPSI against piq's independent implementation, and its own properties."""

import piq
import pytest
import torch

from miqanet_core.metrics.full_reference.haarpsi import haarpsi, haarpsi_map
from mr_samples import stack_like


@pytest.fixture
def images() -> torch.Tensor:
    return (torch.from_numpy(stack_like(3))[:, None] / 1000).clamp(0, 1)


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.2])
def test_agrees_with_piq(images: torch.Tensor, noise: float) -> None:
    noisy = (images + noise * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    assert torch.allclose(haarpsi(noisy, images), piq.haarpsi(noisy, images, reduction="none"), atol=1e-5)


def test_identical_images_score_one(images: torch.Tensor) -> None:
    assert torch.allclose(haarpsi(images, images), torch.ones(3), atol=1e-5)


def test_patches_show_where_the_damage_is(images: torch.Tensor) -> None:
    damaged = images.clone()
    damaged[:, :, 96:128, 96:128] = damaged[:, :, 96:128, 96:128].flip(-1)
    patches, weight = haarpsi_map(damaged, images).patches(8)
    assert patches.shape == weight.shape == (3, 8, 8)
    assert (patches.flatten(1).argmin(1) == 3 * 8 + 3).all()
    assert torch.allclose(patches[:, 6:, 6:], torch.ones(3, 2, 2), atol=1e-4)
