"""Our weights files keep a network, say what they are, and refuse what does not fit."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from miqanet_core.errors import ModelError
from miqanet_core.model import MIQANet, load_model, save_weights
from miqanet_core.model.weights import SHIPPED


def test_round_trip(small: MIQANet, tmp_path: Path) -> None:
    for module in small.modules():
        if isinstance(module, nn.BatchNorm2d):  # beyond float16 on both sides
            nn.init.constant_(module.running_var, 1e-9)
            nn.init.constant_(module.running_mean, 1e5)
    file = tmp_path / "small.safetensors"
    save_weights(small, file, {"version": "7", "trained_on": "nothing"})
    loaded = load_model(file)
    assert loaded.config == small.config
    assert loaded.identity.name == "small" and loaded.identity.version == "7"
    assert loaded.identity.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert loaded.metadata == {"version": "7", "trained_on": "nothing"}
    assert not loaded.network.training
    got, want = loaded.network.state_dict(), small.state_dict()
    for name, tensor in want.items():
        assert got[name].dtype == tensor.dtype
        kept = "running" in name or "num_batches" in name
        assert torch.equal(got[name], tensor if kept else tensor.half().float()), name
    assert [p.name for p in tmp_path.iterdir()] == ["small.safetensors"]


def test_float32_file_is_exact(small: MIQANet, tmp_path: Path) -> None:
    save_weights(small, tmp_path / "a.safetensors", {}, dtype=torch.float32)
    got = load_model(tmp_path / "a.safetensors").network.state_dict()
    assert all(torch.equal(got[name], tensor) for name, tensor in small.state_dict().items())


def test_extras_travel_with_the_weights(small: MIQANet, tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_weights(small, file, {}, extras={"domain.mean": torch.tensor([1 / 3, 2.0])})
    assert torch.equal(load_model(file).extras["domain.mean"], torch.tensor([1 / 3, 2.0]))
    save_weights(small, file, {})
    assert load_model(file).extras == {}


def test_overflow_is_not_written(small: MIQANet, tmp_path: Path) -> None:
    nn.init.constant_(small.project1.bias, 1e6)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"not written, project1\.bias"):
        save_weights(small, tmp_path / "a.safetensors", {})
    assert not list(tmp_path.iterdir())


def test_files_that_do_not_fit(small: MIQANet, tmp_path: Path) -> None:
    file, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_weights(small, file, {})
    tensors = load_file(file)
    about = {"format": "miqanet-weights/1", "config": replace(small.config, stage_widths=(16, 16)).to_json()}
    save_file(tensors, other, metadata=about)
    with pytest.raises(ModelError, match=r"b\.safetensors: does not fit: project2\.weight is \(8, 16, 1, 1\)"):
        load_model(other)
    save_file(tensors, other, metadata={"format": "something else"})
    with pytest.raises(ModelError, match="not a weights file of MIQA"):
        load_model(other)
    other.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="not a weights file"):
        load_model(other)
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path / "absent.safetensors")


def test_a_name_without_weights() -> None:
    with pytest.raises(ModelError, match="no weights of 'miqanet_b8' ship"):
        load_model("miqanet_b8")


def test_default() -> None:
    if (SHIPPED / "miqanet_tiny.safetensors").is_file():
        assert load_model().config.name == "miqanet_tiny"
    else:
        with pytest.raises(ModelError, match="no weights of 'miqanet_tiny' ship"):
            load_model()
