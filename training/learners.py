"""What the protocol puts to the test: each is a ``Learn`` of :mod:`cross_validation`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from baselines.ridge import features, fit
from cross_validation import Learn, Predict
from miqanet_core.errors import InputError
from miqanet_core.scorer import Scorer
from miqanet_core.series import MRSeries
from rated import RatedImage, read_image
from settings import RatedSettings


def ridge() -> Learn:
    """The frozen-feature ridge; the features of an image are taken once, when it is first learned from or asked for.

    Its penalty is chosen between the references of the training and the validation images, and it learns from both. Learning
    raises InputError when an image cannot be read.
    """
    taken: dict[Path, np.ndarray] = {}

    def seen(images: list[RatedImage]) -> np.ndarray:
        new = [image.path for image in images if image.path not in taken]
        if new:
            taken.update(zip(new, features([read_image(path) for path in new]), strict=True))
        return np.stack([taken[image.path] for image in images])

    def learn(train: list[RatedImage], validation: list[RatedImage], _: Path) -> Predict:
        known = train + validation
        model = fit(seen(known), np.array([image.score for image in known]), [image.reference for image in known])
        return lambda asked: model(seen(asked))

    return learn


def miqanet(settings: RatedSettings, workers: int, data_title: str) -> Learn:
    """A network trained by a recipe's ``settings``; the checkpoint is the one that orders the validation images best.

    ``workers``: processes that load images. ``data_title``: what the weights say they learned from. A split that was
    interrupted goes on from its last checkpoint.
    """

    def learn(train: list[RatedImage], validation: list[RatedImage], out: Path) -> Predict:
        from rated_training import train_rated  # Lightning takes seconds to load, and the ridge does without

        last = out / "last.ckpt"
        weights = train_rated(settings, train, validation, out, workers, last if last.exists() else None, data_title)
        scorer = Scorer(weights)

        def predict(images: list[RatedImage]) -> np.ndarray:
            return np.array([_scored(scorer, image) for image in images])

        return predict

    return learn


def _scored(scorer: Scorer, image: RatedImage) -> float:
    score = scorer.score(MRSeries(read_image(image.path)[np.newaxis], None, image.path.name)).slices[0].score
    if score is None:
        raise InputError(image.path, "shows no anatomy that could be scored", "leave it out of the rated images")
    return score
