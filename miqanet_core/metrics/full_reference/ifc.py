"""IFC: information fidelity criterion, the information that the distorted image shares with the reference.

Sheikh, Bovik, de Veciana: An information fidelity criterion for image quality assessment using natural scene statistics, IEEE
TIP 14, 2005, with the bands and windows of the authors' program.
"""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.metrics.building_blocks.pair import grey_levels
from miqanet_core.metrics.full_reference.vif import channels

LEAST_NOISE = 1e-10


def ifc(distorted: Tensor, reference: Tensor) -> Tensor:
    """IFC of grey images (B, 1, H, W) in 0..1, in bits a pixel -> (B,), 0 or more, higher is better; no value means identical.

    For nearly identical images it is governed by the least noise that the authors' program assumes. At least 96 x 96 pixels.
    """
    distorted, reference = grey_levels(distorted, reference)
    shared = [
        torch.log2(1 + (gain**2 / (noise + LEAST_NOISE))[..., None] * energy[..., None] * spectrum[:, None, None]).sum(
            (1, 2, 3)
        )
        for gain, noise, energy, spectrum in channels(distorted, reference)
    ]
    return torch.stack(shared).sum(0) / reference[0].numel()
