"""The command that refits NIQE and IL-NIQE to one's own pristine MR."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import typer
from scipy import ndimage
from typer.testing import CliRunner

from miqanet_core import metrics
from miqanet_core.errors import ModelError
from refit_natural_scene import main, pristine_of_recipe

app = typer.Typer()
app.command()(main)
RECIPE = """
[training]

[[source]]
path = "learned.nii.gz"
subject = "learned"
anatomy = "brain"
contrast = "T1"
vendor = "unknown"
licence = "CC0-1.0"
split = "train"

[[source]]
path = "judged.nii.gz"
subject = "judged"
anatomy = "brain"
contrast = "T1"
vendor = "unknown"
licence = "CC0-1.0"
split = "test"
"""


@pytest.fixture
def pristine(tmp_path: Path) -> Path:
    """A series of two slices, sharp everywhere."""
    noise = np.random.default_rng(0).standard_normal((2, 480, 480))
    folder = tmp_path / "pristine"
    folder.mkdir()
    image = sitk.GetImageFromArray((500 + 400 * ndimage.gaussian_filter(noise, (0, 1.5, 1.5))).astype(np.float32))
    sitk.WriteImage(image, folder / "series.nii.gz")
    return folder


def test_what_it_writes_the_metrics_take(pristine: Path, tmp_path: Path) -> None:
    out = tmp_path / "fitted"
    done = CliRunner().invoke(app, ["--pristine", str(pristine), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "2 clean MR slices" in (out / "ilniqe_mr.txt").read_text()
    noise = np.random.default_rng(1).standard_normal((1, 1, 192, 192))
    like = torch.from_numpy(0.5 + 0.4 * ndimage.gaussian_filter(noise, (0, 0, 1.5, 1.5))).clamp(0, 1)
    blurred = torch.from_numpy(ndimage.gaussian_filter(like.numpy(), (0, 0, 3, 3)))
    for name in ("niqe", "ilniqe"):
        refitted = f"{name}:{out / f'{name}_mr.safetensors'}"
        assert metrics.info(refitted).origin == f"refitted: {name}_mr.safetensors"
        assert float(metrics.compute(refitted, like)) < float(metrics.compute(refitted, blurred))
    with pytest.raises(ModelError, match="is no model of this measure, which holds axes, mean, variances"):
        metrics.info(f"ilniqe:{out / 'niqe_mr.safetensors'}")
    with pytest.raises(ModelError, match="cannot be read"):
        metrics.info(f"niqe:{out / 'absent.safetensors'}")


def test_a_recipe_gives_its_training_subjects_only(pristine: Path, tmp_path: Path) -> None:
    (pristine / "series.nii.gz").rename(pristine / "learned.nii.gz")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    # That the other subject's file is absent is not even noticed.
    assert {r.source.subject for r in pristine_of_recipe(recipe, [pristine], 8)} == {"learned"}


def test_wrong_use_is_explained(pristine: Path, tmp_path: Path) -> None:
    both = CliRunner().invoke(app, ["--pristine", str(pristine), "--recipe", "r.toml", "--out", str(tmp_path)])
    assert both.exit_code == 2
    empty = tmp_path / "empty"
    empty.mkdir()
    absent = CliRunner().invoke(app, ["--pristine", str(empty), "--out", str(tmp_path)])
    assert absent.exit_code == 1
    assert isinstance(absent.exception, SystemExit)
    assert str(empty) in str(absent.exception)
