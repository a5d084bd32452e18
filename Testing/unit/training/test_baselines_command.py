"""``evaluate.py baselines``: its set of simulated artefacts, kept as files, and its table of who has learned."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from typer.testing import CliRunner

import simulated_set
from baselines.deep import DEEP
from deep_baselines import markdown
from evaluate import app
from miqanet_core import artifacts
from miqanet_core.errors import InputError
from mr_samples import stack_like
from rated import RatedImage
from sources import Source, read_recipe

SPLITS = {"train": 2, "validation": 1, "test": 2}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Subjects of three slices each, and a recipe that names them."""
    folder = tmp_path_factory.mktemp("sources")
    text = "[training]\n"
    for split, subjects in SPLITS.items():
        for number in range(subjects):
            name = f"{split}{number}"
            sitk.WriteImage(sitk.GetImageFromArray(stack_like(3, 96, 80)), folder / f"{name}.nii.gz")
            text += f'[[source]]\npath = "{name}.nii.gz"\nsubject = "{name}"\nanatomy = "head"\ncontrast = "T1"\n'
            text += f'vendor = "none"\nlicence = "CC0-1.0"\nsplit = "{split}"\n'
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    return folder / "recipe.toml"


@pytest.fixture(scope="module")
def sources(recipe: Path) -> list[Source]:
    return list(read_recipe(recipe)["source"])


@pytest.fixture(scope="module")
def made(recipe: Path, sources: list[Source], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "images"
    simulated_set.simulated_set(sources, [recipe.parent], out)
    return out


def images_in(folder: Path) -> dict[str, bytes]:
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*/*"))}


def test_each_clean_slice_comes_with_one_copy_for_each_artefact(recipe: Path, sources: list[Source], made: Path) -> None:
    images = simulated_set.simulated_set(sources, [recipe.parent], made)
    names = ["clean", *artifacts.names()]
    for split, subjects in SPLITS.items():
        slices = subjects * simulated_set.SLICES[split]
        assert len(images[split]) == slices * len(names)
        assert {image.reference for image in images[split]} == {f"{split}{number}" for number in range(subjects)}
        clean = [image for image in images[split] if image.path.stem.endswith("_clean")]
        assert [image.score for image in clean] == pytest.approx([100] * slices, abs=0.001)
        assert all(0 <= image.score < 99.9 for image in images[split] if image not in clean)
        pixels = np.asarray(Image.open(clean[0].path))
        assert pixels.shape == (96, 80) and pixels.dtype == np.uint8 and np.ptp(pixels) == 255


def test_no_subject_is_in_two_splits(sources: list[Source], made: Path) -> None:
    told = {}
    for split in SPLITS:
        with (made / split / "scores.csv").open(encoding="utf-8") as stream:
            told[split] = {row["reference"] for row in csv.DictReader(stream)}
    assert sorted(subject for found in told.values() for subject in found) == sorted({one.subject for one in sources})


def test_what_is_there_is_not_made_again_and_what_was_left_half_made_is(
    recipe: Path, sources: list[Source], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(made, tmp_path / "images")
    before = images_in(out)
    (out / "test" / "scores.csv").unlink()
    (out / "test" / "000_clean.png").write_bytes(b"half a picture")
    makes, done = simulated_set._make, []

    def noted(clean: list[simulated_set.Reference], folder: Path) -> None:
        done.append(folder.name)
        makes(clean, folder)

    monkeypatch.setattr(simulated_set, "_make", noted)
    simulated_set.simulated_set(sources, [recipe.parent], out)
    assert done == ["test"]
    assert images_in(out) == before


def test_a_folder_made_from_other_sources_is_refused(recipe: Path, sources: list[Source], made: Path, tmp_path: Path) -> None:
    out = shutil.copytree(made, tmp_path / "images")
    with pytest.raises(InputError, match=r"made_with\.json: says that these images were made from other sources; .*--out"):
        simulated_set.simulated_set(sources[:-1], [recipe.parent], out)


def test_the_command_trains_judges_and_goes_on_where_it_was(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"steps": 2, "validations": 1, "batch_size": 2, "precision": "32-true"}
    for name in ("cnniqa", "wadiqam"):
        monkeypatch.setitem(DEEP, name, replace(DEEP[name], settings=DEEP[name].settings.model_copy(update=few)))
    command = ["baselines", "--recipe", str(recipe), "--data", str(recipe.parent), "--out", str(tmp_path / "out")]
    first = CliRunner().invoke(app, [*command, "--method", "cnniqa"])
    assert first.exit_code == 0, first.output
    assert "1/1 CNNIQA" in first.output
    kept = (tmp_path / "out" / "cnniqa.json").read_bytes()
    again = CliRunner().invoke(app, [*command, "--method", "cnniqa", "--method", "wadiqam"])
    assert again.exit_code == 0, again.output
    assert "1/2 CNNIQA" not in again.output and "2/2 WaDIQaM-NR" in again.output
    assert (tmp_path / "out" / "cnniqa.json").read_bytes() == kept
    results = json.loads((tmp_path / "out" / "deep_baselines.json").read_text(encoding="utf-8"))
    assert list(results) == ["cnniqa", "wadiqam"]
    for found in results.values():
        assert found["settings"]["steps"] == 2 and found["low"] <= found["srocc"] <= found["high"]
        assert found["learned"] == (found["srocc"] >= 0.7)
    table = (tmp_path / "out" / "deep_baselines.md").read_text(encoding="utf-8")
    assert table.strip() in again.output and "2 subjects to test" in table
    for found in results.values():
        assert f"| {found['title']} | {found['srocc']:.3f} |" in table


def test_the_table_names_who_did_not_learn() -> None:
    told = {"backbone": None, "steps": 5, "batch_size": 2}
    results = {
        "a": {"title": "Learner", "srocc": 0.81, "low": 0.7, "high": 0.9, "learned": True, "settings": told},
        "b": {"title": "Dullard", "srocc": None, "low": None, "high": None, "learned": False, "settings": told},
    }
    images = {split: [RatedImage(Path("a.png"), 50.0, "one")] for split in SPLITS}
    lines = markdown(results, images).splitlines()
    assert lines[-1] == "Below 0.7: Dullard."
    assert lines.index("| Learner | 0.810 | 0.700 to 0.900 | none | 5 of 2 images |") + 1 == lines.index(
        "| Dullard | not defined |  | none | 5 of 2 images |"
    )


def test_a_method_that_does_not_exist_is_told_of_with_those_that_do(recipe: Path, tmp_path: Path) -> None:
    command = ["baselines", "--recipe", str(recipe), "--data", str(recipe.parent), "--out", str(tmp_path), "--method", "cnn"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and "wadiqam" in done.output
    assert not list(tmp_path.iterdir())
