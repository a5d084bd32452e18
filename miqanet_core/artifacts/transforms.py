"""The artefacts as MONAI transforms: one that is fixed, and one that draws a fixed one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable, Transform

from miqanet_core.artifacts.simulate import names, simulate


class SimulateArtifact(Transform):
    """One artefact at one severity; arguments as for :func:`simulate`. Slices are (C, rows, columns).

    Every channel gets the same artefact, so that echoes or contrasts of one acquisition stay consistent.
    """

    def __init__(self, name: str, severity: float, seed: int) -> None:
        self.name, self.severity, self.seed = name, severity, seed

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return np.stack([simulate(np.asarray(channel), self.name, self.severity, self.seed) for channel in image])


class RandSimulateArtifact(Randomizable, Transform):
    """With probability ``prob`` an artefact out of ``artifacts`` (None for all), its severity drawn evenly from ``severity``.

    ``fixed`` is the deterministic twin last drawn, None when the slice was left alone: it tells and repeats what was done.
    """

    def __init__(
        self, prob: float = 1.0, severity: tuple[float, float] = (0.0, 1.0), artifacts: Sequence[str] | None = None
    ) -> None:
        self.prob, self.severity, self.artifacts = prob, severity, tuple(artifacts or names())
        self.fixed: SimulateArtifact | None = None

    def randomize(self, data: Any = None) -> None:
        """Draw the twin, or none."""
        drawn = self.R.random() < self.prob
        name = self.artifacts[self.R.randint(len(self.artifacts))]
        self.fixed = SimulateArtifact(name, self.R.uniform(*self.severity), int(self.R.randint(2**31 - 1))) if drawn else None

    def __call__(self, image: np.ndarray, randomize: bool = True) -> np.ndarray:
        if randomize:
            self.randomize()
        return image if self.fixed is None else self.fixed(image)


class RandSimulateArtifactd(Randomizable, MapTransform):
    """:class:`RandSimulateArtifact` for dictionaries: the same draw for every key; "artifact" then tells name and severity."""

    def __init__(
        self,
        keys: KeysCollection,
        prob: float = 1.0,
        severity: tuple[float, float] = (0.0, 1.0),
        artifacts: Sequence[str] | None = None,
    ) -> None:
        MapTransform.__init__(self, keys)
        self.transform = RandSimulateArtifact(prob, severity, artifacts)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandSimulateArtifactd:
        """As for every MONAI transform."""
        self.transform.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        self.transform.randomize()
        result = {**data, **{key: self.transform(data[key], randomize=False) for key in self.key_iterator(dict(data))}}
        fixed = self.transform.fixed
        return {**result, "artifact": None if fixed is None else {"name": fixed.name, "severity": fixed.severity}}
