"""What stands beside a data set's labels: undistorted images and facts; whatever is missing is told with its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from miqanet_core.errors import InputError
from rated import RatedImage, read_rated
from rated_facts import with_facts, with_references

IMAGES = [RatedImage(Path(f"{name}_1.png"), name, 50.0) for name in ("brain", "knee")]


def test_references_go_by_their_stem(tmp_path: Path) -> None:
    for name in ("brain.PNG", "knee.nii.gz", "notes.txt"):
        (tmp_path / name).touch()
    assert [i.reference_image for i in with_references(IMAGES, tmp_path)] == [tmp_path / "brain.PNG", tmp_path / "knee.nii.gz"]


def test_references_that_are_missing_or_double_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: is not a folder"):
        with_references(IMAGES, tmp_path / "nowhere")
    (tmp_path / "brain.png").touch()
    with pytest.raises(InputError, match="has no image of 1 of 2 references: knee"):
        with_references(IMAGES, tmp_path)
    (tmp_path / "knee.png").touch()
    (tmp_path / "knee.bmp").touch()
    with pytest.raises(InputError, match="has several images of knee"):
        with_references(IMAGES, tmp_path)


def test_facts_must_be_there_for_every_image(tmp_path: Path) -> None:
    file = tmp_path / "facts.csv"
    file.write_text("image,artefact,anatomy\nbrain_1.png,ghosting,brain\n")
    with pytest.raises(InputError, match=r"facts\.csv: has no line for knee_1\.png"):
        with_facts(IMAGES, file)
    with file.open("a") as lines:
        lines.write("knee_1.png,noise,knee\n")
    assert [(i.artefact, i.anatomy) for i in with_facts(IMAGES, file)] == [("ghosting", "brain"), ("noise", "knee")]


def test_a_folder_of_ones_own_tells_all_in_its_scores(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "scores.csv").write_text(
        "image,score,reference,reference_image,artefact,anatomy\na.png,40,a,clean/a.png,noise,\n"
    )
    with pytest.raises(InputError, match=r"names reference images that are missing: clean/a\.png"):
        read_rated("folder", tmp_path)
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / "a.png").touch()
    (image,) = read_rated("folder", tmp_path)
    assert (image.reference_image, image.artefact, image.anatomy) == (tmp_path / "clean" / "a.png", "noise", "")
