"""Two tissues without a segmentation: the middle and the bright class of the anatomy's intensities."""

from __future__ import annotations

import SimpleITK as sitk
import torch
from torch import Tensor


def two_tissues(inside: Tensor) -> tuple[Tensor, Tensor]:
    """Intensities (N,) of the anatomy split by Otsu's two thresholds: the middle and the bright of three classes."""
    classes = sitk.OtsuMultipleThresholds(sitk.GetImageFromArray(inside.cpu().numpy()[None]), 2)
    labels = torch.from_numpy(sitk.GetArrayFromImage(classes)[0]).to(inside.device)
    return inside[labels == 1], inside[labels == 2]
