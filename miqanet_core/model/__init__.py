"""The network: branches, attention, Swin stages, fusion, head, presets and weights."""

from miqanet_core.model.config import NetworkConfig
from miqanet_core.model.factory import create_model, model_names
from miqanet_core.model.head import NetworkOutput
from miqanet_core.model.network import MIQANet

__all__ = ["MIQANet", "NetworkConfig", "NetworkOutput", "create_model", "model_names"]
