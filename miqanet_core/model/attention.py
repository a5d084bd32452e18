"""Softmax attention, by the kernel that is fastest where it runs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Queries at once where logits are written out: few enough that they stay in a core's cache, enough for full matrix products.
_ROWS = 256


def attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(query key^T / sqrt(d) + bias) value. (B, H, N, d) each -> (B, H, N, d); ``bias`` broadcasts to (B, H, N, N)."""
    if not (query.device.type == "cpu" and query.dtype == torch.bfloat16):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    # torch's fused kernel for bfloat16 on a CPU takes 1.5 times as long as its matrix products and its softmax one by one.
    key = key.transpose(-2, -1)
    rows = []
    for first in range(0, query.shape[-2], _ROWS):
        logits = query[..., first : first + _ROWS, :] * query.shape[-1] ** -0.5 @ key
        if bias is not None:
            logits = logits + bias[..., first : first + _ROWS, :]
        rows.append(logits.softmax(-1) @ value)
    return torch.cat(rows, -2)


def unfuse_attention(module: nn.Module) -> None:
    """Has timm's blocks in ``module`` do what :func:`attention` does for bfloat16 on a CPU."""
    for part in module.modules():
        if hasattr(part, "fused_attn"):
            part.fused_attn = False  # type: ignore[assignment]
