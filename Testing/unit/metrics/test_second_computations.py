"""Full-reference measures against other libraries, or against their formulas written out in NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import piq
import pytest
import torch
from scipy import fft, ndimage, signal
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from miqanet_core import metrics
from miqanet_core.metrics.building_blocks.dct import JPEG_LUMINANCE
from miqanet_core.metrics.building_blocks.steerable_pyramid import _kernels, complex_band, spatial_bands
from miqanet_core.metrics.building_blocks.wavelet import wavelet_bands
from miqanet_core.metrics.full_reference.psnr_hvs import SENSITIVITY
from miqanet_core.metrics.full_reference.vsnr import FREQUENCIES
from mr_samples import stack_like

# piq computes in the input's precision; ours in float64.
OF_PIQ = {
    "ms_ssim": (piq.multi_scale_ssim, {}, 1e-6),
    "vifp": (piq.vif_p, {}, 1e-5),
    "gmsd": (piq.gmsd, {}, 1e-5),
    "ms_gmsd": (piq.multi_scale_gmsd, {}, 1e-5),
    "fsim": (piq.fsim, {"chromatic": False}, 1e-4),
    "sr_sim": (piq.srsim, {}, 1e-4),
    "dss": (piq.dss, {}, 1e-5),
    "mdsi": (piq.mdsi, {}, 1e-6),
    # piq enlarges the parent band in another way.
    "iw_ssim": (piq.information_weighted_ssim, {}, 1e-3),
    # For grey images piq's colour prior is of rounding errors.
    "vsi": (piq.vsi, {}, 1e-3),
}


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    """A spoiled slice and the clean one: float64 (1, 1, 176, 192)."""
    clean = torch.from_numpy(np.clip(stack_like(1, 176, 192) / 1000, 0, 1)).double()[:, None]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3), dtype=clean.dtype)
    return (0.9 * clean + 0.04 * noise).clamp(0, 1), clean


@pytest.fixture(scope="module")
def arrays(pair: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """The same in 0..255, float64 (176, 192)."""
    return pair[0][0, 0].numpy() * 255, pair[1][0, 0].numpy() * 255


@pytest.mark.filterwarnings("ignore:The original")
@pytest.mark.parametrize("name", OF_PIQ)
def test_agrees_with_piq(name: str, pair: tuple[Tensor, Tensor]) -> None:
    function, settings, tolerance = OF_PIQ[name]
    expected = float(function(pair[0].float(), pair[1].float(), reduction="none", **settings))
    assert float(metrics.compute(name, *pair)) == pytest.approx(expected, abs=tolerance)


def test_psnr_agrees_with_scikit_image(pair: tuple[Tensor, Tensor]) -> None:
    expected = peak_signal_noise_ratio(pair[1].numpy(), pair[0].numpy(), data_range=1)
    assert float(metrics.compute("psnr", *pair)) == pytest.approx(expected)


def test_uqi_by_its_formula(pair: tuple[Tensor, Tensor], arrays: tuple[np.ndarray, np.ndarray]) -> None:
    blocks_d, blocks_r = (np.lib.stride_tricks.sliding_window_view(x, (8, 8)).reshape(-1, 64) for x in arrays)
    mean_d, mean_r = blocks_d.mean(1), blocks_r.mean(1)
    covariance = ((blocks_d - mean_d[:, None]) * (blocks_r - mean_r[:, None])).mean(1)
    quality = 4 * covariance * mean_d * mean_r / ((blocks_d.var(1) + blocks_r.var(1)) * (mean_d**2 + mean_r**2))
    assert float(metrics.compute("uqi", *pair)) == pytest.approx(quality.mean(), abs=1e-9)


def test_uqi_of_flat_and_black_windows() -> None:
    dark, bright = torch.full((1, 1, 16, 16), 0.2), torch.full((1, 1, 16, 16), 0.4)
    assert float(metrics.compute("uqi", dark, bright)) == pytest.approx(2 * 0.08 / 0.2)
    assert float(metrics.compute("uqi", dark * 0, dark * 0)) == 1


def _block_dct(image: np.ndarray) -> np.ndarray:
    blocks = image.reshape(image.shape[0] // 8, 8, image.shape[1] // 8, 8).swapaxes(1, 2)
    return fft.dctn(blocks, axes=(2, 3), norm="ortho")


def test_psnr_hvs_by_its_table(pair: tuple[Tensor, Tensor], arrays: tuple[np.ndarray, np.ndarray]) -> None:
    # The first row and the last of the authors' table.
    first = [1.608443, 2.339554, 2.573509, 1.608443, 1.072295, 0.643377, 0.504610, 0.421887]
    last = [0.357432, 0.279729, 0.270896, 0.262603, 0.229778, 0.257351, 0.249855, 0.259950]
    table = SENSITIVITY / np.array(JPEG_LUMINANCE)
    assert table[0] == pytest.approx(first, abs=1e-6)
    assert table[-1] == pytest.approx(last, abs=1e-6)
    difference = (_block_dct(arrays[0]) - _block_dct(arrays[1])) * table
    assert float(metrics.compute("psnr_hvs", *pair)) == pytest.approx(10 * np.log10(255**2 / (difference**2).mean()))


def test_psnr_hvs_m_block_by_block(pair: tuple[Tensor, Tensor], arrays: tuple[np.ndarray, np.ndarray]) -> None:
    table = np.array(JPEG_LUMINANCE, float)
    sensitivity, masking = 25.735088 / table, (10 / table) ** 2

    def mask(block: np.ndarray, transformed: np.ndarray) -> float:
        energy = (transformed**2 * masking).sum() - transformed[0, 0] ** 2 * masking[0, 0]
        quarters = sum(q.var(ddof=1) * 16 for half in np.split(block, 2) for q in np.split(half, 2, 1))
        whole = block.var(ddof=1) * 64
        return float(np.sqrt(energy * quarters / whole) / 32) if whole else 0.0

    total, count = 0.0, 0
    for row in range(0, 176, 8):
        for column in range(0, 192, 8):
            d, r = (x[row : row + 8, column : column + 8] for x in arrays)
            own_d, own_r = fft.dctn(d, norm="ortho"), fft.dctn(r, norm="ortho")
            hidden = max(mask(d, own_d), mask(r, own_r)) / masking
            hidden[0, 0] = 0
            total += (np.maximum(np.abs(own_d - own_r) - hidden, 0) ** 2 * sensitivity**2).sum()
            count += 64
    assert float(metrics.compute("psnr_hvs_m", *pair)) == pytest.approx(10 * np.log10(255**2 * count / total))


def test_scc_is_a_correlation(pair: tuple[Tensor, Tensor], arrays: tuple[np.ndarray, np.ndarray]) -> None:
    kernel = -np.ones((3, 3))
    kernel[1, 1] = 8
    details = [signal.convolve2d(x, kernel, "valid").ravel() for x in arrays]
    assert float(metrics.compute("scc", *pair)) == pytest.approx(np.corrcoef(*details)[0, 1])


def test_wsnr_by_its_formula(pair: tuple[Tensor, Tensor], arrays: tuple[np.ndarray, np.ndarray]) -> None:
    rows, columns = arrays[0].shape
    across, down = np.meshgrid(np.arange(columns) - (columns - 1) / 2, np.arange(rows) - (rows - 1) / 2)
    plane = (across + 1j * down) / rows * 120
    frequency = np.abs(plane) / (0.15 * np.cos(4 * np.angle(plane)) + 0.85)
    weight = 2.6 * (0.0192 + 0.114 * frequency) * np.exp(-((0.114 * frequency) ** 1.1))
    weight[frequency < 7.8909] = 0.9809
    error = np.fft.fftshift(np.fft.fft2(arrays[1] - arrays[0])) * weight
    expected = 10 * np.log10((np.abs(np.fft.fft2(arrays[1])) ** 2).sum() / (np.abs(error) ** 2).sum())
    assert float(metrics.compute("wsnr", *pair)) == pytest.approx(expected)


def test_gsm_pixel_by_pixel(pair: tuple[Tensor, Tensor], arrays: tuple[np.ndarray, np.ndarray]) -> None:
    straight = np.array([[0, 0, 0, 0, 0], [1, 3, 8, 3, 1], [0, 0, 0, 0, 0], [-1, -3, -8, -3, -1], [0, 0, 0, 0, 0]]) / 16
    slanted = np.array([[0, 0, 1, 0, 0], [0, 8, 3, 0, 0], [1, 3, 0, -3, -1], [0, 0, -3, -8, 0], [0, 0, -1, 0, 0]]) / 16
    d, r = (
        np.max([np.abs(ndimage.correlate(x, k)) for k in (straight, straight.T, slanted, slanted[:, ::-1])], 0) for x in arrays
    )
    # g of the paper with K over the larger gradient: 2 a b + K larger, over a^2 + b^2 + K larger, of gradients over the larger.
    larger = np.maximum(d, r)
    ratio = np.minimum(d, r) / larger
    structure = (2 * ratio + 200 / larger) / (1 + ratio**2 + 200 / larger)
    luminance = 1 - ((arrays[0] - arrays[1]) / 255) ** 2
    expected = ((1 - 0.1 * structure) * structure + 0.1 * structure * luminance).mean()
    assert float(metrics.compute("gsm", *pair)) == pytest.approx(expected)


def test_spatial_pyramid_by_scipy(pair: tuple[Tensor, Tensor]) -> None:
    kernels = {name: kernel.numpy() for name, kernel in _kernels().items()}
    bands = spatial_bands(pair[0], 2)
    low = ndimage.correlate(pair[0][0, 0].numpy(), kernels["first_lowpass"], mode="mirror")
    assert bands[0][0, 4].numpy() == pytest.approx(ndimage.correlate(low, kernels["bands"][4], mode="mirror"))
    low = ndimage.correlate(low, kernels["lowpass"], mode="mirror")[::2, ::2]
    assert bands[1][0, 1].numpy() == pytest.approx(ndimage.correlate(low, kernels["bands"][1], mode="mirror"))


def test_complex_bands_answer_to_their_orientation() -> None:
    row = torch.arange(64, dtype=torch.float64)
    upright = torch.cos(2 * torch.pi * row / 8).expand(1, 1, 64, 64)
    energy = complex_band(upright, 2, 8).abs().square().mean((0, 2, 3))
    assert energy.argmax() == 0
    # An analytic band has the same strength everywhere on a grating.
    assert complex_band(upright, 2, 8)[0, 0].abs().std() < 1e-9


def test_wavelet_nearly_keeps_energy_and_sees_no_detail_in_a_constant() -> None:
    noise = torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    energies = [[float(band.square().mean()) for band in level] for level in wavelet_bands(noise, 1)]
    assert np.array(energies) == pytest.approx(1, abs=0.1)  # 9/7 is nearly orthogonal
    assert max(float(band.abs().max()) for level in wavelet_bands(noise * 0 + 3, 3) for band in level) < 1e-9
    assert FREQUENCIES[0] == pytest.approx(16.0, abs=0.01)  # cycles per degree of the finest level in the paper
