"""Ghost-to-signal ratio: how much brighter air is where a Nyquist ghost of the anatomy would lie.

Giannelli, Diciotti, Tessa, Mascalchi: Characterization of Nyquist ghost in EPI-fMRI acquisition sequences, Journal of Applied
Clinical Medical Physics 11, 2010; MRIQC's ``gsr_x`` and ``gsr_y``. A ghost lies half the field of view away along the phase
encoding direction, which an image does not tell: there is one measure for each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.no_reference.regions import foreground


def _ghost_to_signal(images: Tensor, axis: int) -> Tensor:
    ratios = []
    for image, mask in zip(images[:, 0].double(), foreground(images), strict=True):
        ghost = mask.roll(mask.shape[axis] // 2, axis) & ~mask
        rest = ~ghost & ~mask
        if mask.any() and ghost.any() and rest.any():
            signal = image[mask].quantile(0.5)
            ratios.append((image[ghost].mean() - image[rest].mean()) / signal)
        else:
            ratios.append(image.new_tensor(torch.nan))
    return torch.stack(ratios)


def gsr_rows(images: Tensor) -> Tensor:
    """Ghost-to-signal ratio of ghosts moved along the rows' direction (up and down): grey (B, 1, H, W) -> (B,), float64.

    About 0 without ghosts, lower is better; negative where air is brighter elsewhere. Does not depend on the intensity scale.
    NaN without anatomy, and when it leaves no air within or beside its ghost.
    """
    return _ghost_to_signal(images, 0)


def gsr_columns(images: Tensor) -> Tensor:
    """As :func:`gsr_rows`, of ghosts moved along the columns' direction (left and right)."""
    return _ghost_to_signal(images, 1)
