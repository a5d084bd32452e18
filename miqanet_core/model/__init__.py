"""The network: branches, attention, Swin stages, fusion, head, presets and weights."""

from miqanet_core.model.attention import unfuse_attention
from miqanet_core.model.config import NetworkConfig
from miqanet_core.model.factory import create_model, model_names
from miqanet_core.model.folding import fold_for_scoring
from miqanet_core.model.head import NetworkOutput
from miqanet_core.model.network import MIQANet
from miqanet_core.model.released import read_released_checkpoint, released_to_native
from miqanet_core.model.weights import LoadedModel, load_model, save_weights, weights_file

__all__ = [
    "LoadedModel",
    "MIQANet",
    "NetworkConfig",
    "NetworkOutput",
    "create_model",
    "fold_for_scoring",
    "load_model",
    "model_names",
    "read_released_checkpoint",
    "released_to_native",
    "save_weights",
    "unfuse_attention",
    "weights_file",
]
