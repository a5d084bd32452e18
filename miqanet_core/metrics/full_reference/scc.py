"""SCC: spatial correlation coefficient of high-pass filtered images.

Zhou, Civco, Silander: A wavelet transform method to merge Landsat TM and SPOT panchromatic data, International Journal of
Remote Sensing 19, 1998: one coefficient of the whole images. sewar and torchmetrics average coefficients of windows instead.
"""

from __future__ import annotations

from torch import Tensor

from miqanet_core.metrics.building_blocks.filtering import valid
from miqanet_core.metrics.building_blocks.pair import grey_levels

LAPLACIAN = ((-1.0, -1.0, -1.0), (-1.0, 8.0, -1.0), (-1.0, -1.0, -1.0))


def scc(distorted: Tensor, reference: Tensor) -> Tensor:
    """SCC of grey images (B, 1, H, W) in 0..1 -> (B,), -1..1, higher is better, 1 for identical images; symmetric.

    Does not see changes of brightness and contrast. NaN when either image is flat.
    """
    details = [valid(x, x.new_tensor(LAPLACIAN)).flatten(1) for x in grey_levels(distorted, reference)]
    one, other = (x - x.mean(1, keepdim=True) for x in details)
    return (one * other).sum(1) / (one.square().sum(1) * other.square().sum(1)).sqrt()
