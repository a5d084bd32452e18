"""What the MR measures take for anatomy and for air."""

from __future__ import annotations

import torch
from torch import Tensor

from miqanet_core.transforms import anatomy_mask


def foreground(images: Tensor) -> Tensor:
    """Anatomy in grey images (B, 1, H, W): bool (B, H, W). What it leaves is called air, ghosts and all."""
    masks = [torch.from_numpy(anatomy_mask(image)) for image in images[:, 0].detach().cpu().float().numpy()]
    return torch.stack(masks).to(images.device)
