"""Rated images: seen as the released protocol shows them, without its faults, and learned from end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from small_runs import RATED, rated_folder, recipe, same_weights, validations
from typer.testing import CliRunner

import cross_validate
import train
from miqanet_core import Scorer
from miqanet_core.errors import InputError
from miqanet_core.model import load_model
from rated import RatedImage
from rated_tiles import FiveCrops, RandomCrops, TileShape, flipped_horizontally
from rated_training import split_references, train_rated
from settings import RatedSettings, parse

SHAPE = TileShape(32, 8)


def command(main: Any, *options: str | Path) -> Any:
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, [str(option) for option in options])


def ramps(folder: Path, rows: int, columns: int, count: int = 1) -> list[RatedImage]:
    """Images that brighten from left to right and, half as much, from top to bottom, scored 10, 20 and so on."""
    y, x = np.mgrid[:rows, :columns]
    for i in range(count):
        Image.fromarray(np.uint8(255 * (x / columns + 0.5 * y / rows) / 1.5)).save(folder / f"{i}.png")
    return [RatedImage(folder / f"{i}.png", f"r{i}", 10.0 * (i + 1)) for i in range(count)]


def test_a_horizontal_flip_exchanges_left_and_right() -> None:
    image = np.arange(6.0).reshape(2, 3)
    assert flipped_horizontally(image).tolist() == [[2, 1, 0], [5, 4, 3]]


def test_crops_are_flipped_left_to_right_and_never_top_to_bottom(tmp_path: Path) -> None:
    crops = RandomCrops(ramps(tmp_path, 64, 64), SHAPE, 40, 20)
    rightward = []
    for i in range(40):
        tile = crops[i]["tiles"]
        assert tile.shape == (32, 32)
        assert (tile[16:].mean() > tile[:16].mean()).item()
        rightward.append((tile[:, 16:].mean() > tile[:, :16].mean()).item())
    assert 8 < sum(rightward) < 32
    assert len({crops[i]["tiles"].sum().item() for i in range(40)}) > 20  # from many places


def test_a_crop_depends_on_its_number_and_every_pass_shows_every_image(tmp_path: Path) -> None:
    images = ramps(tmp_path, 40, 48, 5)
    crops, again = RandomCrops(images, SHAPE, 15, 20), RandomCrops(images, SHAPE, 15, 20)
    assert torch.equal(crops[7]["tiles"], again[7]["tiles"])
    scores = [round(10 * float(crops[i]["score"])) for i in range(15)]
    passes = [scores[start : start + 5] for start in (0, 5, 10)]
    assert all(sorted(each) == [1, 2, 3, 4, 5] for each in passes)
    assert len({tuple(each) for each in passes}) > 1


@pytest.mark.parametrize(("rows", "columns"), [(32, 32), (20, 60), (20, 17)])
def test_images_as_small_as_a_tile_or_smaller_are_padded(tmp_path: Path, rows: int, columns: int) -> None:
    images = ramps(tmp_path, rows, columns)
    for item in (RandomCrops(images, SHAPE, 4, 1)[3], FiveCrops(images, SHAPE)[0]):
        tiles, inside = item["tiles"].view(-1, 32, 32), item["inside"].view(-1, 4, 4)
        assert (tiles[:, rows:] == 0).all() and (tiles[:, :, columns:] == 0).all()
        assert inside.sum(1).max() == min(4, -(-rows // 8))
        assert inside.sum(2).max() == min(4, -(-columns // 8))


def test_five_crops_are_the_corners_and_the_centre(tmp_path: Path) -> None:
    tiles = FiveCrops(ramps(tmp_path, 64, 80), SHAPE)[0]["tiles"]
    upper_left, upper_right, lower_left, lower_right, centre = tiles
    assert upper_left.mean() < upper_right.mean()
    assert upper_left.mean() < lower_left.mean() < lower_right.mean()
    assert upper_left[0, 0] == 0 and lower_right[-1, -1] == 1
    assert centre.mean() == pytest.approx(tiles.mean().item(), abs=0.02)


def test_a_reference_is_on_one_side_and_the_split_is_seeded() -> None:
    images = [RatedImage(Path(f"{r}_{i}.png"), f"r{r}", 1.0) for r in range(10) for i in range(3)]
    learned, validation = split_references(images, 0.3, 20, Path("set"))
    assert len({i.reference for i in validation}) == 3
    assert not {i.reference for i in learned} & {i.reference for i in validation}
    assert len(learned) + len(validation) == 30
    assert split_references(images, 0.3, 20, Path("set"))[1] == validation
    assert any(split_references(images, 0.3, seed, Path("set"))[1] != validation for seed in range(5))
    assert len({i.reference for i in split_references(images[:6], 0.1, 20, Path("set"))[1]}) == 1
    with pytest.raises(InputError, match="set: has images of one reference, r0"):
        split_references(images[:3], 0.3, 20, Path("set"))


@pytest.mark.parametrize("scores", [[50, 60], [50, 50, 50]])
def test_validation_that_cannot_be_ranked_is_refused(tmp_path: Path, scores: list[float]) -> None:
    settings = parse(RatedSettings, Path("r.toml"), RATED)
    images = [RatedImage(Path(f"{i}.png"), "r", score) for i, score in enumerate(scores)]
    with pytest.raises(InputError, match=r"0\.png: is one of . images to choose a checkpoint by"):
        train_rated(settings, images, images, tmp_path, 0, None)


def test_from_rated_images_to_weights_that_score(tmp_path: Path) -> None:
    path, root = recipe(tmp_path, RATED, accumulate=2), rated_folder(tmp_path / "set")
    options = ["--recipe", path, "--dataset", "folder", "--root", root, "--out", tmp_path / "out", "--workers", "0"]
    run = command(train.main, *options)
    assert run.exit_code == 0, run.output
    weights = tmp_path / "out" / "small.safetensors"
    about = load_model(weights).metadata
    assert (about["recipe"], about["data"]) == ("recipe.toml", "set")
    assert Scorer(weights, device="cpu").device == "cpu"
    # Eight images to learn from, four to a step: two steps an epoch, and a validation after each.
    assert list(validations(tmp_path / "out")) == [1, 3]
    again = command(train.main, *options[:6], "--out", tmp_path / "again", "--workers", "1")
    assert again.exit_code == 0
    assert same_weights(tmp_path / "again", tmp_path / "out")


def test_the_network_is_put_to_the_test_by_the_protocol(tmp_path: Path) -> None:
    path, root = recipe(tmp_path, RATED, epochs=1, batch_size=4), rated_folder(tmp_path / "set", each=3)
    options = ["--dataset", "folder", "--root", root, "--splits", "leave-one-out", "--method", "miqanet", "--recipe", path]
    run = command(cross_validate.main, *options, "--out", tmp_path / "out")
    assert run.exit_code == 0, run.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["schemes"]["leave-one-out"]["images"] == 9
    assert load_model(tmp_path / "out" / "splits" / "leave-one-out-001" / "small.safetensors").metadata["data"] == "set"


def test_a_recipe_of_the_other_kind_is_told_apart(tmp_path: Path) -> None:
    path = recipe(tmp_path, RATED, steps=3)
    options = ["--dataset", "folder", "--root", rated_folder(tmp_path / "set"), "--recipe", path, "--out", tmp_path / "out"]
    run = command(cross_validate.main, *options)
    assert str(run.exception).startswith(f"error: {path}: [training] has steps")
