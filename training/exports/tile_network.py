"""What is exported: the network for tiles, its outputs by name, and what a reader of the file must know."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from miqanet_core.findings import ArtifactReader
from miqanet_core.model import LoadedModel, MIQANet, NetworkConfig, NetworkOutput, fold_for_scoring

NOTICE = "A research tool, not a medical device."


def output_names(config: NetworkConfig) -> list[str]:
    """The outputs in order; presence and severity are left out where there is no artefact head to give them."""
    return [name for name in NetworkOutput._fields if config.artifacts or name not in ("presence", "severity")]


class TileNetwork(nn.Module):
    """The network that the scorer runs, layers folded: tiles (B, 3, T, T), -1..1 -> the fields of NetworkOutput by name.

    A dictionary of tensors, because a named tuple could be loaded again only where MIQA is installed.
    """

    def __init__(self, network: MIQANet) -> None:
        super().__init__()
        self.network = fold_for_scoring(network).requires_grad_(False)
        self.names = output_names(network.config)

    def forward(self, tiles: Tensor) -> dict[str, Tensor]:
        output = self.network(tiles)._asdict()
        return {name: output[name] for name in self.names}


def trace(network: MIQANet) -> ExportedProgram:
    """``network`` as a program without Python, for any batch from 1; its one input is called ``tiles``."""
    size = network.config.tile_size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own parts warn of each other
        program = torch.export.export(
            TileNetwork(network).eval(), (torch.zeros(2, 3, size, size),), dynamic_shapes={"tiles": {0: Dim("batch", min=1)}}
        )
    # Where each operation stands in our source: folders of this machine, which are no business of who gets the file.
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)
    return program


def facts(loaded: LoadedModel) -> dict[str, Any]:
    """What goes into the file beside the network: which weights it is, and how its input and outputs are meant."""
    size, reader = loaded.config.tile_size, ArtifactReader.from_extras(loaded.config.artifacts, loaded.extras)
    about: dict[str, Any] = {
        "model": loaded.identity.name,
        "version": loaded.identity.version,
        "weights_sha256": loaded.identity.weights_sha256,
        "notice": NOTICE,
        "tiles": f"float32 (batch, 3, {size}, {size}): a slice scaled to 0..1 by its percentiles 0.5 and 99.8, then "
        "(x - 0.5) / 0.5, in three equal channels",
        "score": "1 is best and 0 worst; times 100 it is the scale of miqanet score",
        "score_map": "the score of each place",
        "weight_map": "how much each place counts; a slice's score is sum(score_map * weight_map) / sum(weight_map)",
        "features": "mean and standard deviation of each channel of the transformer's tokens",
    }
    if loaded.config.artifacts:
        about["artifacts"] = list(loaded.config.artifacts)
        about["presence"] = "a logit for each artefact"
        about["severity"] = "0..1 for each artefact"
    if reader is not None:
        about["presence"] += "; its probability is sigmoid(slope * logit + offset)"
        about |= {"presence_slope": reader.slope.tolist(), "presence_offset": reader.offset.tolist()}
    return about
