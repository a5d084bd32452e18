"""Networks that several files test, made once."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small_config import SMALL

from miqanet_core.model import MIQANet, create_model, released_to_native

# One thread: two that wait for each other crawl when a machine is busy, and xdist can use the other cores.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference(shared: Path) -> SimpleNamespace:
    """The released network's numbers (``numbers``) and what makes its weights and inputs (``fill``, ``image``)."""
    folder = shared / "reference"
    if not (folder / "released_network.json").is_file():
        pytest.skip("shared data is absent: reference/released_network.json")
    spec = importlib.util.spec_from_file_location("released_network", folder / "released_network.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    numbers = json.loads((folder / "released_network.json").read_text())
    return SimpleNamespace(numbers=numbers, fill=module.fill, image=module.image)


@pytest.fixture(scope="session")
def released_state(reference: SimpleNamespace) -> dict[str, torch.Tensor]:
    """A state dict with the released names, filled; the integer buffers are zeros, of which nothing depends."""
    shapes, seed = reference.numbers["state_dict_shapes"], reference.numbers["weight_seed"]
    unfilled = ("relative_position_index", "num_batches_tracked", "attn_mask")
    return {
        name: torch.zeros(shape, dtype=torch.long)
        if name.endswith(unfilled)
        else torch.from_numpy(reference.fill(name, shape, seed))
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="session")
def released_b8(released_state: dict[str, torch.Tensor]) -> MIQANet:
    network = create_model("miqanet_b8").eval()
    network.load_state_dict(released_to_native(released_state))
    return network


@pytest.fixture(scope="session")
def tiny() -> MIQANet:
    torch.manual_seed(0)
    return create_model("miqanet_tiny").eval()


@pytest.fixture
def small() -> MIQANet:
    """A network of every part, small enough to build for each test."""
    torch.manual_seed(0)
    return create_model(SMALL)
