"""From a preset's name to a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from miqanet_core.errors import ModelError
from miqanet_core.model.branches import create_global_backbone, create_local_backbone
from miqanet_core.model.config import PRESETS, NetworkConfig
from miqanet_core.model.network import MIQANet


def model_names() -> list[str]:
    """The presets that :func:`create_model` knows."""
    return list(PRESETS)


def create_model(name_or_config: str | NetworkConfig, pretrained: bool = False) -> MIQANet:
    """A network with fresh weights, in training mode as torch makes it.

    ``pretrained`` starts both backbones from timm's weights, which are fetched from a hub or found in its cache.
    ModelError when the name is unknown, the config's parts do not fit, or those weights cannot be had.
    """
    if isinstance(name_or_config, str) and name_or_config not in PRESETS:
        raise ModelError(f"unknown model {name_or_config!r}; known: {', '.join(PRESETS)}")
    config = PRESETS[name_or_config] if isinstance(name_or_config, str) else name_or_config
    network = MIQANet(config)
    if pretrained:
        network.global_branch.backbone = _pretrained(create_global_backbone, config, config.global_backbone)
        network.local_branch.backbone = _pretrained(create_local_backbone, config, config.local_backbone)
    return network


def _pretrained(create: Callable[..., Any], config: NetworkConfig, name: str) -> Any:
    try:
        return create(config, pretrained=True)
    except Exception as error:  # the hub's client has its own errors, and the sockets under it theirs; all mean the same here
        # The first line only: some of these messages run over a page.
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ModelError(
            f"no pre-trained weights for {name!r}: no hub could be reached or it has none ({type(error).__name__}: {reason}); "
            "use pretrained=False, or load a weights file"
        ) from error
