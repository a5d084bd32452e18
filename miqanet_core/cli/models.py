"""``miqanet models``: what can be asked for with ``--model``."""

from __future__ import annotations

import torch
from rich.table import Table

from miqanet_core.cli.terminal import stdout
from miqanet_core.errors import ModelError
from miqanet_core.model import create_model, load_model, model_names
from miqanet_core.report.model_card import shipped_model_card, summary


def run() -> None:
    """Print the table and the model card in short."""
    table = Table("Model", "Weights", "Parameters", "Tile", box=None, pad_edge=False, header_style="bold")
    for name in model_names():
        with torch.device("meta"):  # shapes only: nothing is allocated or drawn
            network = create_model(name)
        millions = sum(p.numel() for p in network.parameters()) / 1e6
        table.add_row(name, _weights(name), f"{millions:.1f} M", f"{network.config.tile_size} px")
    console = stdout()
    console.print(table)
    for paragraph in summary(shipped_model_card()):
        console.print(f"\n{paragraph}")
    console.print("\nA weights file of your own: --model FILE.safetensors")


def _weights(name: str) -> str:
    """Whether the model can be used as it is. The default names the preset that it is made of."""
    try:
        loaded = load_model("default")
    except ModelError:
        return "none here"
    if loaded.config.name != name:
        return "not shipped"
    return f"shipped, version {loaded.identity.version} (default)"
