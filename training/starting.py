"""The network that a training starts from."""

from __future__ import annotations

import torch

from backbones import load_packaged_backbones
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import MIQANet, create_model, load_model, model_names
from settings import Settings

# The only preset whose two backbones ship in registry packages.
PACKAGED = "miqanet_tiny"


def starting_network(settings: Settings) -> MIQANet:
    """The network of ``settings.model``, its weights as ``settings.start_from`` says; what that leaves open is drawn by torch.

    InputError, naming the recipe, or ModelError, naming the weights file, when they cannot be had or do not fit.
    """
    network = _network(settings)
    network.local_branch.to(memory_format=torch.channels_last)
    return network


def _network(settings: Settings) -> MIQANet:
    file, model, start = settings.file, settings.model, settings.start_from
    if start not in ("packaged", "timm"):
        loaded = load_model(start)
        if loaded.config.name != model:
            raise InputError(file, f"trains {model}, but {start} is {loaded.config.name}", "correct model or start_from")
        return loaded.network
    if model not in model_names():
        raise InputError(file, f"trains {model!r}, which is no preset", f"name one of {', '.join(model_names())}")
    if start == "timm":
        try:
            return create_model(model, pretrained=True)
        except ModelError as error:
            cure = "run it once where timm reaches its hub, which keeps a copy, or name a weights file with start_from"
            raise InputError(file, f"starts from timm: {str(error).split(';')[0]}", cure) from None
    if model != PACKAGED:
        cure = 'write start_from = "timm", or name a weights file'
        raise InputError(file, f"starts {model} from packaged backbones, but only {PACKAGED}'s are packaged", cure)
    network = create_model(model)
    load_packaged_backbones(network)
    return network
