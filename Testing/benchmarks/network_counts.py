"""What a network computes and moves, part by part, and what this machine can do at best."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
from torch.utils.module_tracker import ModuleTracker

# torch counts its fused attention on GPUs only.
_CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_args, **_kwargs: sdpa_flop_count(q, k, v)
}


class _Traffic(TorchDispatchMode):
    """Bytes that every operation reads and writes, views apart: what would move if nothing stayed in a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: Counter[str] = Counter()
        self._modules = ModuleTracker()

    def __enter__(self) -> Any:
        self._modules.__enter__()
        return super().__enter__()

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        self._modules.__exit__(*args)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
            size = sum(t.numel() * t.element_size() for t in tensors)
            for name in self._modules.parents:
                self.moved[name] += size
        return out


def count(network: nn.Module, tile: Tensor) -> dict[str, dict[str, float]]:
    """GFLOP and MB of one forward of ``tile`` (1, 3, T, T): of "all" and of every direct part of ``network``.

    A multiplication and an addition are two operations; only matrix products, convolutions and attention are counted.
    """
    name = type(network).__name__
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION) as flops, _Traffic() as traffic:
        network(tile)
    counts = flops.get_flop_counts()
    parts = {"all": "Global"} | {part: f"{name}.{part}" for part, _ in network.named_children()}
    return {
        part: {"gflop": sum(counts.get(key, {}).values()) / 1e9, "mbyte": traffic.moved[key] / 1e6}
        for part, key in parts.items()
        if traffic.moved[key]
    }


def matrix_rate(dtype: torch.dtype, side: int = 2048, repeats: int = 5) -> float:
    """GFLOP a second of torch's product of two square matrices, the best of ``repeats``: the floor under every network."""
    a, b = (torch.randn(side, side).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best / 1e9
