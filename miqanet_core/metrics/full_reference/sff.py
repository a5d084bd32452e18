"""SFF: fidelity of sparse features, the independent components of image blocks.

Chang, Yang, Gan, Wang: Sparse feature fidelity for perceptual image quality assessment, IEEE TIP 22, 2013.

Known disagreement: the authors' feature detector, fitted to colour photographs, is not to be had here. Ours has 24 components
of grey 8 x 8 blocks and was fitted by ``training/fit_sparse_features.py`` to the photographs that scikit-image ships, of which
``sff_features.txt`` tells. Its constants, and what fidelity of features and correlation of luminance each add to the score, are
set here: the paper's could not be looked up. No reference values are known.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import torch
from safetensors.torch import load
from torch import Tensor

from miqanet_core.metrics.building_blocks.dct import blocks
from miqanet_core.metrics.building_blocks.pair import grey_levels, similarity

# Constants of features, whose scale is that of unit variance on photographs, and of block means.
C_FEATURE, C_MEAN = 0.6, 0.01
# What the fidelity of features and the correlation of block means add to the score.
FEATURE_SHARE = 0.8


@cache
def _detector() -> Tensor:
    """Independent components (24, 64) of blocks in 0..255 whose mean was taken off."""
    return load(files("miqanet_core.metrics.full_reference").joinpath("sff_features.safetensors").read_bytes())["components"]


def sff(distorted: Tensor, reference: Tensor) -> Tensor:
    """SFF of grey images (B, 1, H, W) in 0..1 -> (B,), about 0..1, higher is better, 1 for identical images; symmetric.

    What is left beyond whole blocks of 8 x 8 is not looked at. NaN for two flat images.
    """
    features, means = [], []
    for image in grey_levels(distorted, reference):
        vectors = blocks(image).flatten(1, 2).flatten(-2)
        means.append(vectors.mean(-1))
        features.append((vectors - vectors.mean(-1, keepdim=True)) @ _detector().to(vectors).t())
    # Only blocks in which either image has a feature say anything of their fidelity.
    weight = torch.maximum(*(x.square().sum(-1) for x in features)).sqrt()
    alike = (similarity(features[0], features[1], C_FEATURE).mean(-1) * weight).sum(1) / weight.sum(1)
    one, other = (x - x.mean(1, keepdim=True) for x in means)
    energy = (one.square().sum(1) * other.square().sum(1)).sqrt()
    correlation = ((one * other).sum(1) + C_MEAN) / (energy + C_MEAN)
    return FEATURE_SHARE * alike + (1 - FEATURE_SHARE) * correlation
