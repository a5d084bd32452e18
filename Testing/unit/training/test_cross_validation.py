"""The protocol: test references are seen by nothing that is learned, finished splits are kept, a stand-in is marked."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from cross_validate import main
from cross_validation import SCHEMES, Predict, Split, cross_validate, fingerprint, folds_of, kept, splits_of, summary
from cross_validation_report import latex, write_report
from learners import ridge
from miqanet_core.errors import InputError
from mr_samples import slice_like
from rated import STAND_IN_FILE, STAND_IN_TITLE, RatedImage, read_rated
from rated_facts import with_facts, with_references
from sources import Source
from stand_in import CONTENTS, degraded, make

MADE_WITH: dict[str, Any] = {"images": "x", "method": "known", "settings": {}}


def command(*options: str | Path) -> Any:
    """What the command does with these options: exit_code, stdout, stderr, output, exception."""
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, [str(option) for option in options])


def rated_images(references: int = 8, each: int = 14) -> list[RatedImage]:
    rng = np.random.default_rng(0)
    return [
        RatedImage(Path(f"r{r}_{i}.png"), f"r{r}", float(rng.uniform(0, 100))) for r in range(references) for i in range(each)
    ]


class Watched:
    """Learns by heart what it was given, so that whatever leaks shows; guesses the rest from the score with an error."""

    def __init__(self) -> None:
        self.learned: list[tuple[set[str], set[str]]] = []
        self.asked: list[set[str]] = []

    def __call__(self, train: list[RatedImage], validation: list[RatedImage], out: Path) -> Predict:
        assert out.is_dir()
        self.learned.append(({i.reference for i in train}, {i.reference for i in validation}))

        def predict(images: list[RatedImage]) -> np.ndarray:
            self.asked.append({i.reference for i in images})
            return np.array([i.score / 2 + 5 * np.sin(i.score) for i in images])

        return predict


@pytest.mark.parametrize(("scheme", "count"), [("leave-one-out", 8), ("leave-two-out", 28)])
def test_splits_are_all_there_and_keep_references_apart(tmp_path: Path, scheme: str, count: int) -> None:
    images, learner = rated_images(), Watched()
    splits = splits_of(images, scheme)
    assert len(splits) == len({split.test for split in splits}) == count
    assert all(len(split.test) == SCHEMES[scheme] for split in splits)
    assert {split.validation for split in splits} == {image.reference for image in images}
    finished = cross_validate(images, [scheme], learner, MADE_WITH, tmp_path, lambda _: None)[scheme]
    for split, (train, validation), tested in zip(splits, learner.learned, finished, strict=True):
        assert validation == {split.validation}
        assert not set(split.test) & (train | validation)
        assert len(train) == 8 - 1 - len(split.test)
        assert set(tested.references) == set(split.test)
    # Each learner is asked for the test part, to report, and for all that it learned from, to fit the mapping.
    assert learner.asked[::2] == [set(split.test) for split in splits]
    assert learner.asked[1::2] == [train | validation for train, validation in learner.learned]


@pytest.mark.parametrize(("folds", "sizes"), [(4, [2, 2, 2, 2]), (3, [3, 3, 2]), (20, [1] * 8)])
def test_folds_test_each_reference_once(folds: int, sizes: list[int]) -> None:
    found = folds_of(rated_images(), folds)
    assert [len(split.test) for split in found] == sizes
    assert sorted(name for split in found for name in split.test) == [f"r{i}" for i in range(8)]
    assert all(split.validation not in split.test for split in found)


def test_folds_that_leave_nothing_to_learn_from_are_refused() -> None:
    with pytest.raises(ValueError, match="1 folds of 8 references leave none to train on"):
        folds_of(rated_images(), 1)


def test_the_mapping_knows_the_training_part_alone(tmp_path: Path) -> None:
    def learn(train: list[RatedImage], validation: list[RatedImage], _: Path) -> Predict:
        known = {image.path for image in train + validation}
        # Test images come on another scale: a mapping that had seen them would bring them back.
        return lambda asked: np.array([i.score if i.path in known else i.score / 10 for i in asked])

    found = summary(
        cross_validate(rated_images(), ["leave-one-out"], learn, MADE_WITH, tmp_path, lambda _: None)["leave-one-out"]
    )
    assert found["pooled"]["SROCC"]["value"] == pytest.approx(1)
    assert found["pooled"]["RMSE"]["value"] > 30
    assert found["notes"] == []


def test_finished_splits_are_kept_and_the_rest_is_learned(tmp_path: Path) -> None:
    images, whole, broken = rated_images(), Watched(), Watched()
    wanted = cross_validate(images, ["leave-one-out"], whole, MADE_WITH, tmp_path / "whole", lambda _: None)

    def breaking(train: list[RatedImage], validation: list[RatedImage], out: Path) -> Predict:
        if len(broken.learned) == 3:
            raise KeyboardInterrupt
        return broken(train, validation, out)

    with pytest.raises(KeyboardInterrupt):
        cross_validate(images, ["leave-one-out"], breaking, MADE_WITH, tmp_path / "cut", lambda _: None)
    rest, told = Watched(), []
    assert cross_validate(images, ["leave-one-out"], rest, MADE_WITH, tmp_path / "cut", told.append) == wanted
    assert len(rest.learned) == 5
    assert ["kept" in line for line in told] == [True] * 3 + [False] * 5


def test_a_run_that_was_begun_otherwise_is_not_mixed_with(tmp_path: Path) -> None:
    images = rated_images()
    cross_validate(images, ["leave-one-out"], Watched(), MADE_WITH, tmp_path, lambda _: None)
    with pytest.raises(InputError, match="begun with other settings"):
        cross_validate(images, ["leave-one-out"], Watched(), MADE_WITH | {"settings": {"steps": 2}}, tmp_path, lambda _: None)
    (tmp_path / "splits" / "leave-one-out-003" / "tested.json").write_text("{}")
    with pytest.raises(InputError, match=r"tested\.json: is not a finished split"):
        cross_validate(images, ["leave-one-out"], Watched(), MADE_WITH, tmp_path, lambda _: None)


def test_the_fingerprint_follows_scores_files_and_settings(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    image = RatedImage(tmp_path / "a.png", "a", 5.0)
    before = fingerprint([image], "ridge", {"steps": (1, 2)})
    assert before == fingerprint([image], "ridge", {"steps": [1, 2]})  # as it reads back from JSON
    assert before["images"] != fingerprint([RatedImage(image.path, "a", 5.5)], "ridge", {})["images"]
    (tmp_path / "a.png").write_bytes(b"12")
    assert before["images"] != fingerprint([image], "ridge", {})["images"]


@pytest.mark.parametrize(
    ("images", "message"),
    [(rated_images(2), "needs 3 references"), (rated_images(5, 2), "needs three images of each reference; r0 has 2")],
)
def test_a_set_that_is_too_small_is_refused_before_learning(tmp_path: Path, images: list[RatedImage], message: str) -> None:
    learner = Watched()
    with pytest.raises(InputError, match=message):
        cross_validate(images, ["leave-one-out"], learner, MADE_WITH, tmp_path, lambda _: None)
    assert learner.learned == []


def test_constant_predictions_are_reported_not_hidden(tmp_path: Path) -> None:
    def learn(train: list[RatedImage], _: list[RatedImage], __: Path) -> Predict:
        return lambda asked: np.full(len(asked), 50.0)

    finished = cross_validate(rated_images(), ["leave-one-out"], learn, MADE_WITH, tmp_path, lambda _: None)
    found = summary(finished["leave-one-out"])
    assert found["pooled"]["SROCC"] is None
    assert found["pooled"]["RMSE"]["value"] == pytest.approx(np.sqrt(np.mean([(i.score - 50) ** 2 for i in rated_images()])))
    assert any("SROCC is not defined in 8 of 8 splits" in note for note in found["notes"])
    assert sum("predictions were not mapped" in note for note in found["notes"]) == 8
    table = write_report("t", "constant", MADE_WITH, finished, tmp_path)
    assert "| not defined |" in table
    assert "SROCC is not defined in 8 of 8 splits" in table


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout of RAD-IQMRI, from small images: 8 contents of 14."""
    root = tmp_path_factory.mktemp("stand-in")
    for number, content in enumerate(CONTENTS):
        part = ("train", "val")[number > 5]
        folder = root / f"{part.capitalize()}_Distort"
        folder.mkdir(exist_ok=True)
        with (root / f"mri_{part}.txt").open("a") as labels:
            for name, pixels, score in degraded(content, slice_like(97, 128, number), number):
                Image.fromarray(pixels).save(folder / name)
                labels.write(f"{name}, {score:.4f}\n")
    (root / STAND_IN_FILE).touch()
    return root


def test_the_command_marks_all_that_it_makes_of_a_stand_in(tmp_path: Path, stand_in: Path) -> None:
    assert len(read_rated("rad-iqmri", stand_in)) == 112
    options = [
        "--dataset",
        "rad-iqmri",
        "--root",
        stand_in,
        "--splits",
        "leave-one-out",
        "--method",
        "ridge",
        "--out",
        tmp_path,
    ]
    first = command(*options)
    assert first.exit_code == 0, first.output
    assert STAND_IN_TITLE in first.stdout
    for name in ("predictions.csv", "table.csv", "table.md", "table.tex", "results.json", "settings.json"):
        assert STAND_IN_TITLE in (tmp_path / name).read_text(), name
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 112
    assert {row["data"] for row in rows} == {STAND_IN_TITLE}
    assert {row["image"] for row in rows} == {image.path.name for image in read_rated("rad-iqmri", stand_in)}
    figures = json.loads((tmp_path / "results.json").read_text())["schemes"]["leave-one-out"]
    low, value, high = (figures["pooled"]["SROCC"][key] for key in ("low", "value", "high"))
    assert -1 <= low <= value <= high <= 1
    assert value > 0.5  # noise and ghosts are seen on contents that were not learned from
    assert f"{value:.3f} ({low:.3f} to {high:.3f})" in first.stdout
    with Image.open(tmp_path / "scatter-leave-one-out.png") as picture:
        assert min(picture.size) > 800
    again = command(*options)
    assert again.stdout == first.stdout
    assert again.stderr.count("(kept)") == 8


@pytest.mark.parametrize(
    ("options", "message", "status"),
    [(["--method", "ridge"], "error: ", 1), (["--method", "miqanet"], "needs a recipe", 2)],
)
def test_mistakes_end_the_command_in_one_line(tmp_path: Path, options: list[str], message: str, status: int) -> None:
    run = command("--dataset", "rad-iqmri", "--root", tmp_path, "--out", tmp_path / "out", *options)
    assert run.exit_code == status
    assert message in run.output
    assert isinstance(run.exception, SystemExit)


def test_the_ridge_says_which_image_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    with pytest.raises(InputError, match=r"a\.png"):
        ridge()([RatedImage(tmp_path / "a.png", "a", 1.0)], [], tmp_path)


def test_the_stand_in_has_the_energies_of_the_set() -> None:
    image = slice_like(128, 128)
    made = degraded("knee", image, 1)
    assert len(made) == 14
    scores = {name: score for name, _, score in made}
    for kind in ("ghosting", "edge-ghosting", "white-noise", "coloured-noise"):
        assert scores[f"knee_{kind}_low_1.png"] > scores[f"knee_{kind}_high_1.png"]
    assert all(0 <= score <= 100 for score in scores.values())
    again = degraded("knee", image, 1)
    assert all(np.array_equal(a[1], b[1]) and a[2] == b[2] for a, b in zip(made, again, strict=True))


def test_the_stand_in_is_made_from_real_mr_and_read_back(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The simulation itself is tested above; here each content is one real slice, its 14 images all alike.
    monkeypatch.setattr(
        "stand_in.degraded",
        lambda content, image, seed: [
            (f"{content}_artefact_{i}.png", np.full((16, 16), min(255, image.shape[0] // 4), np.uint8), float(i))
            for i in range(14)
        ],
    )
    sources = [Source(path, name, name, "T1", "none", "CC0-1.0", "train") for name, path in CONTENTS.items()]
    make(sources, [shared / "data" / "mri"], tmp_path / "set")
    images = read_rated("rad-iqmri", tmp_path / "set")
    assert {image.reference for image in images} == set(CONTENTS)
    told = with_facts(with_references(images, tmp_path / "set" / "Reference"), tmp_path / "set" / "facts.csv")
    assert {image.reference_image.name for image in told if image.reference_image} == {f"{name}.png" for name in CONTENTS}
    assert {image.artefact for image in told} == {"artefact"}
    assert {image.anatomy for image in told} == set(CONTENTS)
    assert STAND_IN_TITLE in (tmp_path / "set" / STAND_IN_FILE).read_text()
    make(sources, [shared / "data" / "mri"], tmp_path / "set")  # a stand-in may be made anew


def test_a_stand_in_never_goes_into_another_folder(tmp_path: Path) -> None:
    (tmp_path / "mri_train.txt").write_text("real.png, 50\n")
    with pytest.raises(InputError, match="exists and is no stand-in"):
        make([], [], tmp_path)
    with pytest.raises(InputError, match="lists no source brain_T1_studyforrest"):
        make([], [], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_latex_sets_names_as_they_stand() -> None:
    text = latex("my_set 50% {a}", "ridge", {})
    assert r"my\_set 50\% \{a\}" in text


def test_a_split_of_another_set_is_not_taken(tmp_path: Path) -> None:
    images = rated_images()
    cross_validate(images, ["leave-one-out"], Watched(), MADE_WITH, tmp_path, lambda _: None)
    with pytest.raises(InputError, match="holds leave-one-out: r0, not leave-one-out: q"):
        kept(Split("leave-one-out", ("q",), "r1"), tmp_path / "splits" / "leave-one-out-001")
