"""Rated data sets: each is read as published, and whatever is wrong with it is told before any image is read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rated
from miqanet_core.errors import InputError
from rated import STAND_IN_FILE, STAND_IN_TITLE, read_image, read_rated, title


@pytest.fixture(autouse=True)
def small_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real counts would need tens of thousands of files; two references of two images keep every other rule."""
    monkeypatch.setattr(rated, "COUNTS", {"rad-iqmri": (4, 2), "kadid10k": (4, 2), "koniq10k": (4, 4), "pipal": (4, 2)})


def written(root: Path, files: dict[str, str], images: list[str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    for name in images:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()  # no reader of label files looks inside
    return root


RAD = {"mri_train.txt": "a_1.png, 10\na_2.png\t20.5\nb_1.png 90\n", "mri_val.txt": "b_2.png,100\n\n"}
RAD_IMAGES = ["Train_Distort/a_1.png", "Train_Distort/a_2.png", "Train_Distort/b_1.png", "Val_Distort/b_2.png"]
KADID = "dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,1,0.1\nI01_01_02.png,I01.png,3,0.1\n"
KADID += "I02_01_01.png,I02.png,4.5,0.1\nI02_01_02.png,I02.png,5,0.1\n"
KADID_IMAGES = [f"images/I0{r}_01_0{level}.png" for r in (1, 2) for level in (1, 2)]
KONIQ = '"image_name","c1","c2","c3","c4","c5","c_total","MOS","SD","MOS_zscore"\n'
KONIQ += "".join(f'"{i}.jpg",1,1,1,1,1,5,3.1,0.5,{score}\n' for i, score in enumerate((1, 50.5, 75.25, 100)))
KONIQ_IMAGES = [f"{size}/{i}.jpg" for size in ("1024x768", "512x384") for i in range(4)]
PIPAL = {"Train_Label/A0000.txt": "A0000_00_00.bmp,1000\nA0000_00_01.bmp,1500\n"}
PIPAL |= {"Train_Label/A0001.txt": "A0001_00_00.bmp,1250\nA0001_00_01.bmp,1400\n"}
PIPAL_IMAGES = ["Train_Dist/A0000_00_00.bmp", "Train_Dist/A0000_00_01.bmp"]
PIPAL_IMAGES += ["Distortion_1/A0001_00_00.bmp", "Distortion_2/A0001_00_01.bmp"]
OWN = "image,score,reference\nx/1.dcm,0,knee\nx/2.dcm,55,knee\ny.nii.gz,100,\n"
OWN_IMAGES = ["x/1.dcm", "x/2.dcm", "y.nii.gz"]

SETS: dict[str, tuple[dict[str, str], list[str]]] = {
    "rad-iqmri": (RAD, RAD_IMAGES),
    "kadid10k": ({"dmos.csv": KADID}, KADID_IMAGES),
    "koniq10k": ({"koniq10k_scores_and_distributions.csv": KONIQ}, KONIQ_IMAGES),
    "pipal": (PIPAL, PIPAL_IMAGES),
    "folder": ({"scores.csv": OWN}, OWN_IMAGES),
}


@pytest.mark.parametrize(
    ("dataset", "references", "scores"),
    [
        ("rad-iqmri", ["a", "a", "b", "b"], [10, 20.5, 90, 100]),
        ("kadid10k", ["I01", "I01", "I02", "I02"], [0, 50, 87.5, 100]),
        ("koniq10k", ["0.jpg", "1.jpg", "2.jpg", "3.jpg"], [0, 50, 75, 100]),
        ("pipal", ["A0000", "A0000", "A0001", "A0001"], [0, 100, 50, 80]),
        ("folder", ["knee", "knee", "y.nii.gz"], [0, 55, 100]),
    ],
)
def test_each_set_is_read_as_published(tmp_path: Path, dataset: str, references: list[str], scores: list[float]) -> None:
    images = read_rated(dataset, written(tmp_path, *SETS[dataset]))
    assert [image.reference for image in images] == references
    assert [image.score for image in images] == pytest.approx(scores)
    assert all(image.path.is_file() for image in images)
    if dataset == "koniq10k":
        assert {image.path.parent.name for image in images} == {"1024x768"}


@pytest.mark.parametrize("dataset", SETS)
def test_missing_images_are_counted_and_named(tmp_path: Path, dataset: str) -> None:
    files, images = SETS[dataset]
    written(tmp_path, files, images)
    for name in images[:2] + [f"512x384/{i}.jpg" for i in range(4)]:
        (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match=f"2 of its .* images are missing in .*: .*{re.escape(Path(images[0]).name)}"):
        read_rated(dataset, tmp_path)


@pytest.mark.parametrize("dataset", SETS)
@pytest.mark.parametrize(("bad", "message"), [("good", "not a number"), ("nan", "not a number"), ("-inf", "not a number")])
def test_a_score_must_be_a_number(tmp_path: Path, dataset: str, bad: str, message: str) -> None:
    files, images = SETS[dataset]
    name, text = next(iter(files.items()))
    last = text.rstrip("\n").splitlines()[-1]
    worse = re.sub(r"[\d.]+(?=(,0\.1|,)?$)", bad, last)
    written(tmp_path, files | {name: text.replace(last, worse)}, images)
    with pytest.raises(InputError, match=f"{name.rsplit('/')[-1]}: line .*{message}"):
        read_rated(dataset, tmp_path)


@pytest.mark.parametrize(
    ("dataset", "old", "new"),
    [
        ("rad-iqmri", "b_2.png,100", "b_2.png,100.1"),
        ("rad-iqmri", "b_2.png,100", "b_2.png,-1"),
        ("kadid10k", "I02.png,5", "I02.png,5.5"),
        ("kadid10k", "I01.png,1", "I01.png,0"),
        ("koniq10k", "0.5,100", "0.5,101"),
        ("folder", "y.nii.gz,100", "y.nii.gz,1e3"),
    ],
)
def test_a_score_must_lie_on_its_scale(tmp_path: Path, dataset: str, old: str, new: str) -> None:
    files, images = SETS[dataset]
    written(tmp_path, {name: text.replace(old, new) for name, text in files.items()}, images)
    with pytest.raises(InputError, match=r"line \d+: the score .* is outside"):
        read_rated(dataset, tmp_path)


@pytest.mark.parametrize("dataset", SETS)
def test_a_line_twice_is_an_error(tmp_path: Path, dataset: str) -> None:
    files, images = SETS[dataset]
    name, text = list(files.items())[-1]
    written(tmp_path, files | {name: text + text.rstrip("\n").splitlines()[-1] + "\n"}, images)
    with pytest.raises(InputError, match="more than once"):
        read_rated(dataset, tmp_path)


@pytest.mark.parametrize("dataset", [name for name in SETS if name != "folder"])
def test_counts_must_be_those_of_the_set(tmp_path: Path, dataset: str) -> None:
    files, images = SETS[dataset]
    name, text = list(files.items())[-1]
    shorter = {name: "".join(text.splitlines(keepends=True)[:-1])}
    if dataset == "rad-iqmri":
        shorter = {"mri_train.txt": "a_1.png, 10\na_2.png\t20.5\n"}
    written(tmp_path, files | shorter, images)
    with pytest.raises(InputError, match=f"labels 3 images, but {title(dataset, tmp_path)} has 4"):
        read_rated(dataset, tmp_path)


@pytest.mark.parametrize("dataset", SETS)
def test_an_empty_set_is_an_error(tmp_path: Path, dataset: str) -> None:
    files, images = SETS[dataset]
    emptied = {
        name: "".join(text.splitlines(keepends=True)[:1]) if name.endswith(".csv") else "" for name, text in files.items()
    }
    written(tmp_path, emptied, images)
    with pytest.raises(InputError, match="labels no image"):
        read_rated(dataset, tmp_path)


@pytest.mark.parametrize("dataset", SETS)
def test_an_empty_or_absent_folder_is_an_error(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(InputError, match="is missing|has neither"):
        read_rated(dataset, tmp_path)
    with pytest.raises(InputError, match="--root"):
        read_rated(dataset, tmp_path / "absent")


def test_an_unknown_set_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kadid10k"):
        read_rated("tid2013", tmp_path)


@pytest.mark.parametrize(
    ("dataset", "files", "message"),
    [
        ("folder", {"scores.csv": "picture,score\n1.png,3\n"}, "no column image"),
        ("folder", {"scores.csv": "image,score\n1.png,\n"}, "line 2 lacks a value"),
        ("folder", {"scores.csv": "image,score\n1.png\n"}, "line 2 lacks a value"),
        ("folder", {"scores.csv": "image,score\nnotes.txt,3\n"}, "notes.txt, which is no image"),
        ("kadid10k", {"dmos.csv": "dist_img,dmos\n"}, "no column ref_img"),
        ("rad-iqmri", {"mri_train.txt": "a_1.png\n"}, "line 1 is not an image and its score"),
        ("pipal", {"Train_Label.txt": "A0000_00_00.bmp,9\nA0000_00_01.bmp,9\n"}, "rates every image 9"),
    ],
)
def test_a_bad_label_file_is_explained(tmp_path: Path, dataset: str, files: dict[str, str], message: str) -> None:
    written(tmp_path, files, [*SETS[dataset][1], "1.png", "notes.txt"])
    with pytest.raises(InputError, match=message):
        read_rated(dataset, tmp_path)


def test_a_label_file_of_bytes_is_explained(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_bytes(b"\xff\xfe\x00image")
    with pytest.raises(InputError, match="is not a text file"):
        read_rated("folder", tmp_path)


def test_references_that_names_do_not_tell_come_from_a_table(tmp_path: Path) -> None:
    renamed = {name: re.sub(r"([ab])_(\d)", r"\2\1", text) for name, text in RAD.items()}
    written(tmp_path, renamed, [re.sub(r"([ab])_(\d)", r"\2\1", name) for name in RAD_IMAGES])
    with pytest.raises(InputError, match=r"4 references .*references\.csv"):
        read_rated("rad-iqmri", tmp_path)
    (tmp_path / "references.csv").write_text("image,reference\n1a.png,brain\n2a.png,brain\n1b.png,knee\n")
    with pytest.raises(InputError, match=r"references\.csv: has no reference for 2b\.png"):
        read_rated("rad-iqmri", tmp_path)
    with (tmp_path / "references.csv").open("a") as file:
        file.write("2b.png,knee\n")
    assert [image.reference for image in read_rated("rad-iqmri", tmp_path)] == ["brain", "brain", "knee", "knee"]


def test_a_stand_in_says_so(tmp_path: Path) -> None:
    assert title("rad-iqmri", tmp_path) == "RAD-IQMRI"
    assert title("folder", tmp_path) == tmp_path.name
    (tmp_path / STAND_IN_FILE).touch()
    assert title("rad-iqmri", tmp_path) == title("folder", tmp_path) == STAND_IN_TITLE


@pytest.mark.parametrize(("name", "mode"), [("grey.png", "L"), ("grey.bmp", "L"), ("colour.bmp", "RGB"), ("colour.png", "RGB")])
def test_pictures_become_grey_arrays(tmp_path: Path, name: str, mode: str) -> None:
    grey = np.arange(20 * 30, dtype=np.uint8).reshape(20, 30)
    Image.fromarray(grey).convert(mode).save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, grey, atol=1e-4)


def test_a_damaged_bitmap_and_a_stack_are_refused(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "broken.bmp").write_bytes(b"BM nonsense")
    with pytest.raises(InputError, match="not a bitmap"):
        read_image(tmp_path / "broken.bmp")
    with pytest.raises(InputError, match="26 slices"):
        read_image(shared / "data" / "mri" / "brain_FLAIR_torchio" / "t2.nii.gz")
