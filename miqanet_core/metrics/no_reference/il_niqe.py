"""IL-NIQE: how far each part of an image is from pristine images, by many statistics: of luminance, gradients, colours, scales.

Zhang, Zhang, Bovik: A feature-enriched completely blind image quality evaluator, IEEE TIP 24, 2015. The authors' model of 90
photographs is in no package, so there is no measure with published parameters: a model is fitted, by :func:`fit_il_niqe`, and
named. The paper's figures are kept, and where it leaves something open what the MIT-licensed IceClear/IL-NIQE says of the
authors' program: filters, their growth from scale to scale, and the rules of selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, pi, sqrt

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.colours import LMN, mixed
from miqanet_core.metrics.building_blocks.filtering import gaussian_window, same
from miqanet_core.metrics.building_blocks.log_gabor import angular, frequencies, radial
from miqanet_core.metrics.building_blocks.resizing import resized
from miqanet_core.metrics.no_reference.fitted import shipped
from miqanet_core.metrics.no_reference.natural_scene import asymmetric_density, blocks, normalised, spatial_features

# Every image is brought to this side; BLOCKS x BLOCKS blocks of it are described one by one.
SIDE, BLOCK, BLOCKS = 524, 84, 6
FEATURES = 468
# A pristine block counts when it is sharper than this part of its image's sharpest; of its features so many components count.
SHARPNESS, COMPONENT_SHARE = 0.78, 0.92
# Side of the window of the local mean and deviation.
WINDOW_SIDE = 5
# Sigmas of the derivative of a Gaussian, and of the Gaussian before every second pixel is taken.
DERIVATIVE_SIGMA, SHRINK_SIGMA = 1.66, 0.9
SCALES, ORIENTATIONS = 3, 4
SHORTEST_WAVELENGTH, WAVELENGTH_RATIO, BANDWIDTH = 2.4, 1.31, 0.55
ANGULAR_SIGMA = pi / ORIENTATIONS / 1.1
# By which power of the scale the derivative's sigma and the shortest wavelength shrink at half the size.
DERIVATIVE_GROWTH, WAVELENGTH_GROWTH = 0.28, 0.87
# Keeps logarithms of black finite.
LEAST_COLOUR, LEAST_GRADIENT = 1e-5, 2.0**-52
# What a feature may be at most.
LARGEST_FEATURE = 1e4
WEIBULL_STEPS, WEIBULL_TOLERANCE = 20, 1e-6


@dataclass(frozen=True, eq=False)
class IlNiqeModel:
    """Pristine blocks' features: ``mean`` (468,), principal ``axes`` (C, 468) and the ``variances`` (C,) along them, float64.

    Along the principal axes of the very blocks that it describes a Gaussian has no covariances and is centred.
    """

    mean: Tensor
    axes: Tensor
    variances: Tensor


def weibull(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shape (...) of the likeliest Weibull density of positive samples (..., N); NaN where all are the same."""
    logarithms = samples.log()
    spread, centre = logarithms.std(-1), logarithms.mean(-1)
    top = logarithms.amax(-1, keepdim=True)
    relative = logarithms - top
    shape = 1.2 / spread
    shape = torch.where(shape.isfinite(), shape, torch.nan)
    for _ in range(WEIBULL_STEPS):
        powers = torch.exp(shape[..., None] * relative)
        total = powers.sum(-1)
        first = (powers * relative).sum(-1) / total
        second = (powers * relative.square()).sum(-1) / total
        misfit = first + top[..., 0] - 1 / shape - centre
        # Newton's step; the misfit grows with the shape, so a step below zero may be cut.
        step = misfit / (second - first.square() + 1 / shape.square())
        shape = torch.maximum(shape - step, shape / 4)
        if not (step.abs() > WEIBULL_TOLERANCE * shape).any():
            break
    scale = torch.exp(top[..., 0] + torch.log(torch.exp(shape[..., None] * relative).mean(-1)) / shape)
    return scale, shape


def _derivatives(images: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Responses (B, C, H, W) to x exp(-(x^2 + y^2) / (2 sigma^2)), and to the same along y; zeros around the images."""
    reach = ceil(3 * sigma)
    place = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    bell = torch.exp(-(place**2) / (2 * sigma**2))
    slope = (-place * bell)[None]
    return same(same(images, slope), bell[:, None]), same(same(images, bell[None]), slope.t())


def _magnitude(across: Tensor, down: Tensor) -> Tensor:
    return torch.hypot(across, down) + LEAST_GRADIENT


def _log_gabor_bands(luminance: Tensor, shortest: float) -> Iterator[Tensor]:
    """Real and imaginary part (1, 2, H, W) of each band."""
    radius, angle = frequencies(luminance)
    spectrum = torch.fft.fft2(luminance)
    for scale in range(SCALES):
        shell = radial(radius, shortest * WAVELENGTH_RATIO**scale, BANDWIDTH)
        for k in range(ORIENTATIONS):
            band = torch.fft.ifft2(spectrum * (shell * angular(angle, k * pi / ORIENTATIONS, ANGULAR_SIGMA)))
            yield torch.cat([band.real, band.imag], 1)


def _colour_contrasts(colours: Tensor) -> Tensor:
    """Intensity, blue against yellow, red against green (1, 3, H, W), of centred logarithms."""
    logarithms = torch.log(colours + LEAST_COLOUR)
    red, green, blue = (logarithms - logarithms.mean((2, 3), keepdim=True)).unbind(1)
    return torch.stack([(red + green + blue) / sqrt(3), (red + green - 2 * blue) / sqrt(6), (red - green) / sqrt(2)], 1)


def _at_scale(colours: Tensor, opponent: Tensor, scale: int) -> list[Tensor]:
    """The 234 features (blocks,) of one scale, 1 or 2; red, green, blue and opponent colours (1, 3, H, W) in 0..255."""
    side = BLOCK // scale
    luminance = opponent[:, :1]
    sigma = DERIVATIVE_SIGMA / scale**DERIVATIVE_GROWTH

    def cut(maps: Tensor) -> Tensor:
        return blocks(maps.transpose(0, 1), side).flatten(-2)

    found = [x[0] for x in spatial_features(blocks(normalised(luminance, "replicate", WINDOW_SIDE).image, side))]

    def add(*pairs: tuple[Tensor, Tensor]) -> None:
        for first, second in pairs:
            found.extend([*first, *second])

    across, down = _derivatives(opponent, sigma)
    contrasts = cut(_colour_contrasts(colours))
    add(weibull(cut(_magnitude(across, down))), (contrasts.mean(-1), contrasts.var(-1)))
    oriented = [across, down]
    for band in _log_gabor_bands(luminance, SHORTEST_WAVELENGTH / scale**WAVELENGTH_GROWTH):
        across, down = _derivatives(band, sigma)
        oriented += [band, across, down]
        add(weibull(cut(_magnitude(across, down))))
    for maps in oriented:
        density = asymmetric_density(cut(maps))
        add((density.shape, density.scale))
    return found


def il_niqe_features(images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (B, 36, 468) of the blocks of images (B, 3, H, W) in 0..1, and their sharpness (B, 36); float64.

    Images are brought to 524 x 524 pixels; blocks are 84 x 84, and 42 x 42 at half the size. A block that is flat has NaN
    among its features.
    """
    features, sharpness = [], []
    for image in images:
        colours = resized(image[None].double() * 255, SIDE, SIDE, cubic=True).clamp(0, 255)[
            ..., : BLOCK * BLOCKS, : BLOCK * BLOCKS
        ]
        opponent = mixed(colours, LMN)
        sharpness.append(blocks(normalised(opponent[:, :1], "replicate", WINDOW_SIDE).deviation, BLOCK).mean((-2, -1))[0])
        whole = _at_scale(colours, opponent, 1)
        window = gaussian_window(ceil(6 * SHRINK_SIGMA), SHRINK_SIGMA, colours)
        colours, opponent = (same(x, window, "replicate")[..., ::2, ::2] for x in (colours, opponent))
        features.append(torch.stack(whole + _at_scale(colours, opponent, 2), -1).clamp_max(LARGEST_FEATURE))
    return torch.stack(features), torch.stack(sharpness)


def il_niqe(images: Tensor, model: IlNiqeModel) -> Tensor:
    """IL-NIQE of images (B, 3, H, W) in 0..1 -> (B,), 0 or more, lower is better; float64.

    The mean over blocks of their distances from the pristine Gaussian. Flat blocks, as blanked air, count as the mean of the
    others, as in the authors' program. NaN for an image with fewer than two blocks that are not flat.
    """
    mean, axes, variances = (x.to(images.device) for x in (model.mean, model.axes, model.variances))
    scores = []
    for features in il_niqe_features(images)[0]:
        undefined = features.isnan().any(-1)
        placed = (features[~undefined] - mean) @ axes.t()
        if len(placed) < 2:
            scores.append(mean.new_tensor(torch.nan))
            continue
        precision = torch.linalg.pinv((torch.diag(variances) + torch.cov(placed.t())) / 2, hermitian=True)
        placed = torch.cat([placed, placed.mean(0).expand(int(undefined.sum()), -1)])
        scores.append(((placed @ precision) * placed).sum(-1).clamp_min(0).sqrt().mean())
    return torch.stack(scores)


def ilniqe_mr(images: Tensor) -> Tensor:
    """:func:`il_niqe` with a model fitted here, by training/refit_natural_scene.py, to clean MR."""
    return il_niqe(images, shipped(IlNiqeModel, "ilniqe_mr"))


def fit_il_niqe(images: Iterable[Tensor]) -> IlNiqeModel:
    """A model of pristine images, each (1, 3, H, W) in 0..1 and of any size.

    Of each image the blocks count that are more than 0.78 times as sharp as its sharpest; of their principal components the
    first 92 %. Raises ValueError when no more blocks are left than one image has.
    """
    kept = []
    for image in images:
        features, sharpness = il_niqe_features(image)
        chosen = features[sharpness > SHARPNESS * sharpness.amax(1, keepdim=True)]
        kept.append(chosen[~chosen.isnan().any(-1)])
    pristine = torch.cat(kept) if kept else torch.empty(0, FEATURES)
    if len(pristine) <= BLOCKS**2:
        raise ValueError(f"an IL-NIQE model needs more than {BLOCKS**2} sharp blocks, got {len(pristine)}; add images")
    mean = pristine.mean(0)
    _, lengths, axes = torch.linalg.svd(pristine - mean, full_matrices=False)
    count = int(COMPONENT_SHARE * min(pristine.shape))
    return IlNiqeModel(mean, axes[:count], lengths[:count].square() / (len(pristine) - 1))
