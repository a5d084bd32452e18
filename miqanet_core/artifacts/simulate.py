"""The catalogue of artefacts, and the one way to make them.

Every artefact is a function of a slice (rows, columns), a severity and a random generator. What is drawn from the generator
does not depend on the severity, so one seed gives a ladder: the same artefact, only stronger. Severity 0 is the slice itself,
1 is an image nobody could read.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from miqanet_core.artifacts.bias_field import bias_field
from miqanet_core.artifacts.ghosting import edge_ghosting, ghosting
from miqanet_core.artifacts.motion import motion
from miqanet_core.artifacts.noise import coloured_noise, white_noise
from miqanet_core.artifacts.resolution import blur, low_resolution
from miqanet_core.artifacts.spike import spike
from miqanet_core.artifacts.wrap_around import wrap_around

_ARTIFACTS: dict[str, Callable[[np.ndarray, float, np.random.Generator], np.ndarray]] = {
    artifact.__name__: artifact
    for artifact in (
        ghosting,
        edge_ghosting,
        white_noise,
        coloured_noise,
        motion,
        low_resolution,
        blur,
        spike,
        bias_field,
        wrap_around,
    )
}


# What a reader would call them: artefacts that look alike under one name.
_FAMILIES = {
    "ghosting": ("ghosting", "edge_ghosting"),
    "motion": ("motion",),
    "noise": ("white_noise", "coloured_noise"),
    "blur": ("low_resolution", "blur"),
    "shading": ("bias_field",),
    "wrap_around": ("wrap_around",),
    "spike": ("spike",),
}


def families() -> dict[str, tuple[str, ...]]:
    """What a model can tell apart: the name of each family, and which of :func:`names` belong to it."""
    return dict(_FAMILIES)


def names() -> tuple[str, ...]:
    """The artefacts that can be simulated."""
    return tuple(_ARTIFACTS)


def simulate(image: np.ndarray, name: str, severity: float, seed: int) -> np.ndarray:
    """``image`` with one artefact: float32, same shape.

    ``image``: a magnitude slice, (rows, columns), any intensity scale. ``name``: one of :func:`names`. ``severity``: 0 (none)
    to 1. ``seed``: what is random about the artefact; the same seed gives the same artefact at every severity. Raises
    ValueError for an unknown name, a severity outside 0..1, or an image that is not 2-D and finite.
    """
    if name not in _ARTIFACTS:
        raise ValueError(f"no artefact is called {name!r}; there are {', '.join(names())}")
    if not 0 <= severity <= 1:
        raise ValueError(f"severity must be 0..1, got {severity}")
    if image.ndim != 2 or not np.isfinite(image).all():
        raise ValueError(f"the image must be 2-D and finite, got shape {image.shape}")
    if severity == 0:
        return image.astype(np.float32)
    return _ARTIFACTS[name](image.astype(np.float64), severity, np.random.default_rng(seed)).astype(np.float32)
