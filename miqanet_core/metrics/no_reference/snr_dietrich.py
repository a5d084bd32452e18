"""Signal in the anatomy over the noise seen in air, whose magnitude follows Rayleigh's law.

Dietrich, Raya, Reeder, Reiser, Schoenberg: Measurement of signal-to-noise ratios in MR images, JMRI 26, 2007, equation A.12;
MRIQC's ``snrd``. MRIQC looks at air above the head where no artefact should be, and takes its median absolute deviation; here
all that is not anatomy is air, and its standard deviation is taken, as in the paper.
"""

from __future__ import annotations

from math import pi, sqrt

import torch
from torch import Tensor

from miqanet_core.metrics.no_reference.regions import foreground

# Rayleigh-distributed magnitudes vary by this part of the noise in the real and the imaginary channel.
RAYLEIGH = sqrt((4 - pi) / 2)


def snr_dietrich(images: Tensor) -> Tensor:
    """Median of the anatomy over the noise that the deviation of air tells of: grey (B, 1, H, W) -> (B,), float64.

    0 or more, higher is better. Does not depend on the intensity scale. NaN without anatomy, and where air is all the same, as
    scanners that blank it leave it.
    """
    ratios = []
    for image, mask in zip(images[:, 0].double(), foreground(images), strict=True):
        air = image[~mask]
        deviation = air.std(correction=0) if len(air) else image.new_zeros(())
        signal = image[mask].quantile(0.5) if mask.any() else image.new_tensor(torch.nan)
        ratios.append(torch.where(deviation > 0, RAYLEIGH * signal / deviation, torch.nan))
    return torch.stack(ratios)
