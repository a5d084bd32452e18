"""What NIQE, IL-NIQE, BRISQUE and PIQE have in common: statistics of locally normalised luminance.

Mittal, Moorthy, Bovik: No-reference image quality assessment in the spatial domain, IEEE TIP 21, 2012. The densities are fitted
by matching moments, on the same grid of shapes as in the authors' program, so that the numbers agree with theirs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Side of the window of the local mean and deviation; its Gaussian has a sixth of it as its sigma.
WINDOW_SIDE = 7
# Where nothing but rounding is left of a flat area, its signs would count as the image's. The authors' programs count them.
LEAST_NORMALISED = 1e-9
# The shapes among which the fitted one is chosen.
LEAST_SHAPE, LARGEST_SHAPE, SHAPE_STEP = 0.2, 10.0, 0.001
# Pairs of neighbours whose products are looked at: to the right, below, and on the two diagonals; (rows, columns).
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


class Normalised(NamedTuple):
    """``image``: (luminance - local mean) / (local deviation + 1); ``deviation``: of the 0..255 scale. (B, 1, H, W) each."""

    image: Tensor
    deviation: Tensor


class Density(NamedTuple):
    """An asymmetric generalised Gaussian: its shape, and root mean squares of its negative and positive samples.

    NaN where the samples have no negative or no positive one.
    """

    shape: Tensor
    left: Tensor
    right: Tensor

    @property
    def spread(self) -> Tensor:
        """What a root mean square is multiplied by to give the density's scale: sqrt(gamma(1 / shape) / gamma(3 / shape))."""
        return torch.exp((torch.lgamma(1 / self.shape) - torch.lgamma(3 / self.shape)) / 2)

    @property
    def scale(self) -> Tensor:
        """The density's scale, the mean of both sides."""
        return (self.left + self.right) / 2 * self.spread

    @property
    def mean(self) -> Tensor:
        """The density's mean."""
        ratio = torch.exp(torch.lgamma(2 / self.shape) - torch.lgamma(1 / self.shape))
        return (self.right - self.left) * self.spread * ratio


def normalised(luminance: Tensor, border: str, side: int = WINDOW_SIDE) -> Normalised:
    """Locally normalised luminance of float64 images (B, 1, H, W), 0..255; ``border``: how F.pad continues them."""
    offset = torch.arange(side, dtype=luminance.dtype, device=luminance.device) - side // 2
    window = torch.exp(-(offset**2) / (2 * (side / 6) ** 2))
    window = window / window.sum()

    def smooth(image: Tensor) -> Tensor:
        padded = F.pad(image, [side // 2] * 4, mode=border)
        return F.conv2d(F.conv2d(padded, window[None, None, None]), window[None, None, :, None])

    mean = smooth(luminance)
    deviation = (smooth(luminance**2) - mean**2).abs().sqrt()
    image = (luminance - mean) / (deviation + 1)
    return Normalised(torch.where(image.abs() < LEAST_NORMALISED, 0, image), deviation)


def halved(image: Tensor) -> Tensor:
    """Images (B, 1, H, W) at half the size, rounded up: bicubic with antialiasing, borders mirrored, as MATLAB's imresize."""
    distance = torch.arange(8, dtype=image.dtype, device=image.device).sub(3.5).abs() / 2
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = torch.where(distance <= 1, near, far) / 2
    for axis in (2, 3):
        mirrored = torch.cat([image.narrow(axis, 0, 3).flip(axis), image, image.narrow(axis, -4, 4).flip(axis)], axis)
        shape = [1, 1, 1, 1]
        shape[axis] = 8
        stride = (2, 1) if axis == 2 else (1, 2)
        image = F.conv2d(mirrored, weights.view(shape), stride=stride)
    return image


def _shapes(like: Tensor) -> Tensor:
    steps = round((LARGEST_SHAPE - LEAST_SHAPE) / SHAPE_STEP)
    return LEAST_SHAPE + SHAPE_STEP * torch.arange(steps + 1, dtype=like.dtype, device=like.device)


def _moment_ratio(shape: Tensor) -> Tensor:
    """E|x|^2 / E x^2 of a generalised Gaussian; grows with its shape."""
    return torch.exp(2 * torch.lgamma(2 / shape) - torch.lgamma(1 / shape) - torch.lgamma(3 / shape))


def _shape_of(ratio: Tensor) -> Tensor:
    """The shape whose moment ratio is nearest; NaN for NaN."""
    shapes = _shapes(ratio)
    ratios = _moment_ratio(shapes)
    above = torch.searchsorted(ratios, ratio.contiguous()).clamp(1, len(shapes) - 1)
    nearest = torch.where(ratio - ratios[above - 1] <= ratios[above] - ratio, above - 1, above)
    return torch.where(ratio.isnan(), ratio, shapes[nearest])


def symmetric_density(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Shape and variance of the generalised Gaussian of samples (..., N): (...) each; NaN where all samples are 0."""
    variance = samples.square().mean(-1)
    return _shape_of(samples.abs().mean(-1) ** 2 / variance), variance


def asymmetric_density(samples: Tensor) -> Density:
    """The asymmetric generalised Gaussian of samples (..., N): (...) each."""
    square = samples.square()
    left, right = ((square * side).sum(-1).div(side.sum(-1)).sqrt() for side in (samples < 0, samples > 0))
    balance = left / right
    ratio = samples.abs().mean(-1) ** 2 / square.mean(-1)
    return Density(_shape_of(ratio * (balance**3 + 1) * (balance + 1) / (balance**2 + 1) ** 2), left, right)


def neighbour_products(images: Tensor) -> list[Tensor]:
    """Products of each pixel of images (..., H, W) with its neighbour before it, round the border: four of (..., H * W)."""
    return [(images * torch.roll(images, shift, (-2, -1))).flatten(-2) for shift in NEIGHBOURS]


def blocks(images: Tensor, side: int) -> Tensor:
    """Images (B, 1, H, W) as blocks that do not overlap, (B, blocks, side, side), row by row."""
    return images[:, 0].unfold(1, side, side).unfold(2, side, side).flatten(1, 2)


def spatial_features(blocks: Tensor) -> list[Tensor]:
    """Eighteen numbers of each block (..., side, side) of a normalised image: densities of pixels and of their products."""
    own = asymmetric_density(blocks.flatten(-2))
    found = [own.shape, own.scale]
    for products in neighbour_products(blocks):
        density = asymmetric_density(products)
        found += [density.shape, density.mean, density.left * density.spread, density.right * density.spread]
    return found
