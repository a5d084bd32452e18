"""Metrics of pyiqa by name: with the real package where it is installed, and errors with their cure where it is not."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from miqanet_core import metrics
from miqanet_core.errors import ModelError
from miqanet_core.metrics import pyiqa_adapter


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(2, 1, 64, 72, generator=generator)
    return (clean + 0.05 * torch.randn(clean.shape, generator=generator)).clamp(0, 1), clean


@pytest.fixture(autouse=True)
def nothing_made_before() -> None:
    pyiqa_adapter._made.cache_clear()


def test_without_pyiqa_the_cure_is_named(monkeypatch: pytest.MonkeyPatch, pair: tuple[Tensor, Tensor]) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ModelError, match="pyiqa:psnr: pyiqa is not installed.*pip install pyiqa"):
        metrics.compute("pyiqa:psnr", *pair)


def test_weights_that_cannot_be_fetched_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str, device: torch.device) -> None:
        raise OSError("<urlopen error [Errno -2] Name or service not known>")

    # A stand-in for the package, since a machine that has it may be online or have the weights already.
    stand_in = SimpleNamespace(list_models=lambda: ["musiq"], create_metric=offline)
    monkeypatch.setitem(sys.modules, "pyiqa", stand_in)
    with pytest.raises(ModelError, match="pyiqa:musiq: pyiqa cannot make it .*not known.*connect once"):
        metrics.info("pyiqa:musiq")


def test_what_gives_no_value_an_image_is_refused(monkeypatch: pytest.MonkeyPatch, pair: tuple[Tensor, Tensor]) -> None:
    class OfSets:
        """A stand-in for metrics that compare sets of images, such as FID."""

        metric_mode, lower_better = "NR", True

        def __call__(self, images: Tensor) -> Tensor:
            return images.mean()

    stand_in = SimpleNamespace(list_models=lambda: ["of_sets"], create_metric=lambda name, device: OfSets())
    monkeypatch.setitem(sys.modules, "pyiqa", stand_in)
    with pytest.raises(ModelError, match="gives 1 values for 2 images"):
        metrics.compute("pyiqa:of_sets", pair[0])


def test_real_metrics_are_offered_by_name(capsys: pytest.CaptureFixture[str], pair: tuple[Tensor, Tensor]) -> None:
    pytest.importorskip("pyiqa", reason="pyiqa is not installed; it is no dependency, and its licence forbids commercial use")
    metric = metrics.info("pyiqa:psnr")
    assert (metric.kind, metric.better, metric.origin) == ("full_reference", "higher", "pyiqa's")
    # Of grey images, colours and luminance have the same error.
    assert metrics.compute("pyiqa:psnr", *pair).tolist() == pytest.approx(metrics.compute("psnr", *pair).tolist(), abs=1e-3)
    assert metrics.info("pyiqa:piqe").kind == "no_reference"
    assert metrics.info("pyiqa:piqe").better == "lower"
    assert metrics.compute("pyiqa:piqe", pair[0]).shape == (2,)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="no metric called 'psnrr'; it has psnr"):
        metrics.info("pyiqa:psnrr")
    with pytest.raises(ValueError, match="needs a reference"):
        metrics.compute("pyiqa:psnr", pair[0])
