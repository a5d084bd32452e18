"""Layers folded into one another once, so that scoring need not run them each time: the same scores, sooner."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from miqanet_core.model.network import MIQANet
from miqanet_core.model.transposed_attention import TransposedAttention


def fold_for_scoring(network: MIQANet) -> MIQANet:
    """A copy for scoring only, in eval mode: batch norm within convolutions, keys within queries. ``network`` stays as it is.

    The copy has other entries than its config says, so it can be neither trained further nor saved.
    """
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, TransposedAttention):
            _fold_keys(module)
    _fold_batch_norm(folded.local_branch)
    # Only the order in which a CNN registers its parts says which batch norm follows which convolution. That holds for
    # timm's usual CNNs but is no law, so a folded branch that says something else is not used.
    size = network.config.tile_size
    tiles = torch.linspace(-1, 1, 3 * size * size).sin().reshape(1, 3, size, size).to(next(network.parameters()))
    with torch.inference_mode():
        want = copy.deepcopy(network.local_branch).eval()(tiles)
        if not torch.allclose(folded.local_branch(tiles), want, rtol=1e-3, atol=1e-3 * float(want.abs().max())):
            folded.local_branch = copy.deepcopy(network.local_branch).eval()
    return folded


def _fold_batch_norm(module: nn.Module) -> None:
    before: tuple[str, nn.Module] = ("", module)
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and isinstance(before[1], nn.Conv2d):
            setattr(module, before[0], fuse_conv_bn_eval(before[1], child))
            # timm's batch norm carries the activation that follows it.
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            _fold_batch_norm(child)
        before = (name, child)


@torch.no_grad()
def _fold_keys(block: TransposedAttention) -> None:
    """A logit, (Q x + q) . (K y + k), is K^T (Q x + q) . y and a term without y, which the softmax over y does not see."""
    assert isinstance(block.key, nn.Linear)
    turned = block.key.weight.double().T
    block.query.weight.copy_(turned @ block.query.weight.double())
    block.query.bias.copy_(turned @ block.query.bias.double())
    block.key = nn.Identity()
