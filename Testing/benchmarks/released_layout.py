"""``miqanet_b8`` computed as it was released: the plain forward that ours is measured against. Same weights, same scores."""

from __future__ import annotations

import copy

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from miqanet_core.model import MIQANet, NetworkOutput
from miqanet_core.model.branches import LocalBranch, to_grid
from miqanet_core.model.swin import WindowAttention
from miqanet_core.model.transposed_attention import TransposedAttention


class _AllBlocks(nn.Module):
    """The whole vision transformer; hooks keep the tapped blocks' outputs, what follows them is computed and dropped."""

    def __init__(self, network: MIQANet) -> None:
        super().__init__()
        config, branch = network.config, network.global_branch
        self.grid = branch.grid
        self.backbone = timm.create_model(config.global_backbone, img_size=config.tile_size)
        self.backbone.load_state_dict(branch.backbone.state_dict(), strict=False)
        self.kept: list[Tensor] = []
        for block in branch.taps:
            self.backbone.blocks[block].register_forward_hook(lambda _module, _inputs, output: self.kept.append(output))

    def forward(self, tiles: Tensor) -> Tensor:
        self.kept.clear()
        self.backbone(tiles)
        tokens = torch.cat([kept[:, 1:] for kept in self.kept], 2)
        return tokens.transpose(1, 2).reshape(len(tiles), -1, self.grid, self.grid)


class _WrittenTransposedAttention(nn.Module):
    """Logits and their softmax, 3072 x 3072 each, written out."""

    def __init__(self, block: TransposedAttention) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.block.query(x), self.block.key(x), self.block.value(x)
        mixed = (q @ k.transpose(1, 2) * x.shape[-1] ** -0.5).softmax(-1) @ v
        return x + mixed.transpose(1, 2).reshape(x.shape)


class _WrittenWindowAttention(nn.Module):
    """Bias, then mask, added to logits that are written out."""

    def __init__(self, attention: WindowAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:
        b, windows, places, c = x.shape
        of = self.attention
        q, k, v = of.qkv(x).reshape(b, windows, places, 3, of.heads, -1).permute(3, 0, 1, 4, 2, 5).unbind(0)
        logits = q * (c // of.heads) ** -0.5 @ k.transpose(-2, -1)
        logits = logits + of.relative_position_bias[of.relative_position_index].permute(2, 0, 1)
        mixed = (logits + of.mask).softmax(-1) @ v
        out: Tensor = of.proj(mixed.transpose(2, 3).reshape(b, windows, places, c))
        return out


class _PlainLocalBranch(nn.Module):
    """The CNN in torch's own memory order, batch norm apart."""

    def __init__(self, branch: LocalBranch) -> None:
        super().__init__()
        self.branch = branch

    def levels(self, tiles: Tensor) -> list[Tensor]:
        of = self.branch.backbone
        x = F.relu(of.bn1(of.conv1(tiles)))
        for layer in (of.layer1, of.layer2, of.layer3, of.layer4):
            x = layer(x)
        return [x]

    def merged(self, levels: list[Tensor]) -> Tensor:
        (last,) = levels
        return to_grid(self.branch.norm(self.branch.project(last)), self.branch.grid)


def released_layout(network: MIQANet) -> MIQANet:
    """A copy of ``network``, a miqanet_b8, in eval mode that computes what the released code computes."""
    plain = copy.deepcopy(network).eval()
    plain.global_branch = _AllBlocks(network).eval()  # type: ignore[assignment]
    plain.local_branch = _PlainLocalBranch(plain.local_branch)  # type: ignore[assignment]
    for module in list(plain.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, TransposedAttention):
                setattr(module, name, _WrittenTransposedAttention(child))
            elif isinstance(child, WindowAttention):
                setattr(module, name, _WrittenWindowAttention(child))
    return plain


def five_crops(plain: MIQANet, image: Tensor) -> Tensor:
    """The released evaluation of one image (1, 3, H, W): mean score of the crops at four corners and the centre, one by one."""
    size = plain.config.tile_size
    bottom, right = (side - size for side in image.shape[2:])
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    outputs: list[NetworkOutput] = [plain(image[:, :, row : row + size, column : column + size]) for row, column in corners]
    return torch.stack([output.score for output in outputs]).mean(0)
