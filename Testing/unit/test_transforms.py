"""Normalisation, anatomy and tiling."""

import numpy as np
import pytest
import torch

from miqanet_core.transforms import SliceMap, TileGrid, anatomy_mask, normalise, to_network, within_body
from mr_samples import slice_like, stack_like


def test_normalising_ignores_units_and_neighbours() -> None:
    stack = stack_like(3)
    alone = normalise(stack[1:2])[0]
    assert alone.dtype == np.float32
    assert (alone.min(), alone.max()) == (0, 1)
    assert np.array_equal(normalise(stack)[1], alone)
    assert np.allclose(normalise(stack * 3.5 + 40)[1], alone, atol=1e-5)


def test_normalising_is_what_monai_does_with_each_slice() -> None:
    from monai.transforms import ScaleIntensityRangePercentiles

    stack = stack_like(3) - 200
    theirs = ScaleIntensityRangePercentiles(0.5, 99.8, 0.0, 1.0, clip=True, channel_wise=True)(stack)
    assert np.allclose(normalise(stack), np.asarray(theirs), atol=1e-6)


def test_a_constant_slice_becomes_zero_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    assert not normalise(np.full((1, 32, 32), 7.0)).any()
    assert not recwarn.list


def test_mask_covers_the_body_and_not_the_air() -> None:
    image = slice_like()
    mask = anatomy_mask(image)
    assert mask[100:156, 100:156].mean() > 0.9
    assert mask[:20, :20].mean() < 0.01
    assert np.array_equal(anatomy_mask(image * 50 + 3), mask)


@pytest.mark.parametrize("nothing", [np.zeros((128, 128)), np.full((128, 128), 9.0)])
def test_an_empty_slice_has_no_anatomy(nothing: np.ndarray) -> None:
    assert not anatomy_mask(nothing).any()


def test_pure_noise_has_no_anatomy() -> None:
    rng = np.random.default_rng(4)
    assert not anatomy_mask(np.hypot(*rng.standard_normal((2, 256, 256)))).any()


@pytest.mark.parametrize("rows", [16, 64, 192, 255, 256, 257, 320, 384, 512, 584, 1024])
@pytest.mark.parametrize(("tile", "patch"), [(256, 16), (224, 8)])
def test_tiles_cover_the_slice_and_overlap(rows: int, tile: int, patch: int) -> None:
    grid = TileGrid(rows, 200, tile, patch)
    starts = sorted({row for row, _ in grid.starts})
    assert starts[0] == 0
    assert starts[-1] + tile >= rows
    assert all(start % patch == 0 for start in starts)
    assert all(after - before <= tile * 7 / 8 for before, after in zip(starts, starts[1:], strict=False))
    padded = grid.pad(np.ones((rows, 200), np.float32))
    assert all(grid.cut(padded, start).shape == (tile, tile) for start in grid.starts)
    assert padded[rows:].sum() == 0


def test_a_scanner_matrix_of_256_is_one_tile() -> None:
    assert TileGrid(256, 256, 256, 16).starts == [(0, 0)]


def test_tiles_without_anatomy_are_left_out() -> None:
    image = np.zeros((256, 1024), np.float32)
    image[:, :256] = slice_like()
    grid = TileGrid(256, 1024, 256, 16)
    kept = grid.with_anatomy(image)
    assert (0, 0) in kept
    assert all(column < 256 for _, column in kept)
    assert len(kept) < len(grid.starts)


def test_slice_score_is_the_weighted_mean_over_all_patches() -> None:
    grid = TileGrid(64, 96, 64, 16)
    slice_map = SliceMap(grid)
    generator = torch.Generator().manual_seed(0)
    tiles = [(start, *torch.rand(2, 4, 4, generator=generator)) for start in grid.starts]
    for start, score, weight in tiles:
        slice_map.add(start, score, weight)
    expected = sum((s * w).sum() for _, s, w in tiles) / sum(w.sum() for _, _, w in tiles)
    assert slice_map.score() == pytest.approx(float(expected), rel=1e-6)


def test_patches_of_padding_do_not_count() -> None:
    slice_map = SliceMap(TileGrid(40, 64, 64, 16))
    score, weight = torch.ones(4, 4), torch.ones(4, 4)
    score[3] = 0  # rows 48..63 lie below the slice
    slice_map.add((0, 0), score, weight)
    assert slice_map.score() == pytest.approx(1.0)
    assert slice_map.quality_map().shape == (40, 64)


def test_quality_map_lies_where_the_tiles_lay() -> None:
    slice_map = SliceMap(TileGrid(64, 160, 64, 16))
    score = torch.zeros(4, 4)
    score[1, 2] = 1.0
    slice_map.add((0, 48), score, torch.ones(4, 4))
    quality = slice_map.quality_map()
    assert quality.dtype == np.float32
    assert np.unravel_index(np.nanargmax(quality), quality.shape) == (23, 87)  # the middle of that patch
    assert np.isnan(quality[:, :48]).all()
    assert np.isnan(quality[:, 112:]).all()
    assert np.isfinite(quality[:, 48:112]).all()


def test_network_input_is_scaled_and_threefold() -> None:
    tiles = torch.tensor([[[0.0, 0.5], [1.0, 0.25]]])
    assert torch.equal(to_network(tiles)[0, 2], torch.tensor([[-1.0, 0.0], [1.0, -0.5]]))
    assert to_network(tiles).shape == (1, 3, 2, 2)


def test_the_body_is_told_from_dim_slices_beside_it() -> None:
    body = np.random.default_rng(0).gamma(2, 100, (20, 64, 64))
    stack = np.concatenate([0.02 * body, body])
    expected = [False] * 20 + [True] * 20
    assert within_body(stack).tolist() == expected
    assert within_body(3 * stack - 1000).tolist() == expected
    stack[30] *= 100  # one slice that is far too bright does not make the others dim
    assert within_body(stack).tolist() == expected
    assert within_body(0.02 * body[:1]).tolist() == [True]
    assert within_body(np.zeros((3, 64, 64))).all()
