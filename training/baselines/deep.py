"""The nine deep baselines: networks that others have published, rebuilt from their papers, all trained by one loop.

``learner("cnniqa")`` is a ``Learn`` of :mod:`cross_validation`. A baseline's defaults are a small budget, made for a core
of a CPU; the backbone of the paper, which its file names, takes ``settings.model_copy(update={"backbone": "resnet50"})``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from baselines.cnniqa import CNNIQA
from baselines.dbcnn import DBCNN
from baselines.hyperiqa import HyperIQA
from baselines.maniqa import MANIQA
from baselines.musiq import MUSIQ
from baselines.network import QualityNetwork
from baselines.nima import NIMA
from baselines.topiq import TOPIQ
from baselines.tres import TReS
from baselines.wadiqam import WaDIQaM
from cross_validation import Learn, Predict
from rated import RatedImage
from settings import BaselineSettings

CNN, VIT = "tf_efficientnet_lite0", "vit_small_patch14_dinov2"


@dataclass(frozen=True)
class DeepBaseline:
    """A published method. ``title``: its name. ``paper``: authors, title, where. ``simplified``: how this one differs from it.
    ``build``: a fresh network as settings say; ModelError when its backbone cannot be had. ``settings``: the small budget.
    """

    title: str
    paper: str
    simplified: str
    build: Callable[[BaselineSettings], QualityNetwork]
    settings: BaselineSettings


def _baseline(network: type[QualityNetwork], **settings: Any) -> DeepBaseline:
    """What the file of ``network`` says of it in its first lines, so that it is written once."""
    module = import_module(network.__module__)
    name, paper, simplified = (" ".join(paragraph.split()) for paragraph in (module.__doc__ or "").strip().split("\n\n"))

    def build(told: BaselineSettings) -> QualityNetwork:
        return network() if told.backbone is None else network(told.backbone, told.pretrained)

    return DeepBaseline(
        name.split(":")[0],
        paper,
        simplified.removeprefix("Simplified: "),
        build,
        BaselineSettings(file=Path("baselines") / Path(str(module.__file__)).name, **settings),
    )


DEEP: Mapping[str, DeepBaseline] = {
    "cnniqa": _baseline(CNNIQA, steps=200, batch_size=8, learning_rate=1e-3),
    "wadiqam": _baseline(WaDIQaM, steps=160, batch_size=4, learning_rate=3e-4),
    "nima": _baseline(NIMA, steps=300, batch_size=8, learning_rate=3e-3, backbone=CNN),
    "dbcnn": _baseline(DBCNN, steps=80, batch_size=8, learning_rate=1e-3, backbone=CNN),
    "hyperiqa": _baseline(HyperIQA, steps=300, batch_size=8, learning_rate=1e-3, backbone=CNN),
    "musiq": _baseline(MUSIQ, steps=200, batch_size=8, learning_rate=3e-4, backbone=CNN),
    "tres": _baseline(TReS, steps=160, batch_size=8, learning_rate=5e-4, backbone=CNN),
    "maniqa": _baseline(MANIQA, steps=130, batch_size=8, learning_rate=5e-4, backbone=VIT),
    "topiq": _baseline(TOPIQ, steps=200, batch_size=8, learning_rate=5e-4, backbone=CNN),
}


def learner(name: str, settings: BaselineSettings | None = None, workers: int = 0) -> Learn:
    """A baseline of :data:`DEEP`, trained by ``settings``, its own where None; the checkpoint is the one that orders the
    validation images best. One seed gives one result.

    ``workers``: processes that load images. A split that was interrupted goes on from its last checkpoint; of a finished one no
    checkpoint is left. Predictions are 0..100, the mean of five crops. KeyError for an unknown name; learning raises InputError
    or ModelError.
    """
    baseline = DEEP[name]
    told = settings or baseline.settings

    def learn(train: list[RatedImage], validation: list[RatedImage], out: Path) -> Predict:
        from baseline_training import scores, trained  # Lightning takes seconds to load

        network = trained(baseline.build, told, train, validation, out, workers)

        def predict(images: list[RatedImage]) -> np.ndarray:
            return scores(network, images, told)

        return predict

    return learn
