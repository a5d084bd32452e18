"""Released checkpoints are pickles: read right, and never run."""

from __future__ import annotations

import collections
import functools
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from miqanet_core.errors import ModelError
from miqanet_core.model import MIQANet, load_model, read_released_checkpoint


class Keeper:
    """Like the object that gathers a hook's outputs in the released module: no module, no weights."""

    def __init__(self) -> None:
        self.outputs: dict[Any, Any] = collections.defaultdict(list)

    def __call__(self, *_args: Any) -> None: ...


class Node(nn.Module):
    """A module of any structure; ``grown`` gives it the names of a state dict."""


def grown(state: dict[str, Tensor]) -> Node:
    root = Node()
    for name, tensor in state.items():
        *path, leaf = name.split(".")
        node = root
        for step in path:
            if step not in node._modules:
                node.add_module(step, Node())
            node = node._modules[step]  # type: ignore[assignment]
        if tensor.is_floating_point() and "running" not in leaf:
            node.register_parameter(leaf, nn.Parameter(tensor))
        else:
            node.register_buffer(leaf, tensor)
    return root


def test_whole_module_is_imported(released_state: dict[str, Tensor], released_b8: MIQANet, tmp_path: Path) -> None:
    module = grown(released_state)
    module.keeper = Keeper()  # type: ignore[assignment]
    module.handle = module.vit.register_forward_hook(module.keeper)  # type: ignore[assignment,operator,union-attr,arg-type]
    file = tmp_path / "released.pt"
    torch.save(nn.DataParallel(module), file)
    loaded = load_model(file)
    assert loaded.identity.name == loaded.config.name == "miqanet_b8"
    assert len(loaded.identity.weights_sha256) == 64
    assert not loaded.network.training
    want = released_b8.state_dict()
    got = loaded.network.state_dict()
    assert got.keys() == want.keys()
    assert all(torch.equal(got[name], want[name]) for name in want)


def test_state_dict_views_types_and_shared_storage(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    layer = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    layer.register_buffer("scratch", torch.ones(2), persistent=False)
    state = {"turned": base.t(), "tail": base[1:], "half": base.half(), "brain": base.bfloat16(), "count": torch.tensor(7)}
    torch.save(collections.OrderedDict(state), tmp_path / "state.pth")
    read = read_released_checkpoint(tmp_path / "state.pth")
    assert list(read) == list(state)
    for name, tensor in state.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor)
    torch.save(layer, tmp_path / "module.pt")
    read = read_released_checkpoint(tmp_path / "module.pt")
    assert read.keys() == layer.state_dict().keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in layer.state_dict().items())


class Call:
    """Pickles into a call of ``function`` with ``args``."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def attacks(canary: Path) -> dict[str, Any]:
    command = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    return {
        "os.system": Call(os.system, command),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "partial": Call(functools.partial(os.system, command)),
        "getattr": Call(getattr, os, "system"),
        "open": Call(open, str(canary), "w"),
        "torch.load": Call(torch.load, str(canary)),
        "torch.utils": Call(torch.hub.load, "somebody/model", "model"),
    }


@pytest.mark.parametrize("attack", sorted(attacks(Path("x"))))
@pytest.mark.parametrize("place", ["alone", "in a state dict", "in a module"])
def test_nothing_in_a_file_runs(attack: str, place: str, tmp_path: Path) -> None:
    canary, file = tmp_path / "canary", tmp_path / "evil.pt"
    payload = attacks(canary)[attack]
    if attack == "getattr":
        payload = Call(os.path.join, str(canary), "x")
    if place == "in a state dict":
        payload = {"weight": torch.ones(1), "more": payload}
    elif place == "in a module":
        module = nn.Linear(1, 1)
        module.extra = payload
        payload = module
    torch.save(payload, file)
    with pytest.raises(ModelError, match=r"evil\.pt: refused") as caught:
        read_released_checkpoint(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="refused"):
        load_model(file)
    assert not canary.exists()


def test_the_canary_would_have_sung(tmp_path: Path) -> None:
    """The attacks are real: torch's own unsafe reader runs them."""
    canary = tmp_path / "canary"
    torch.save(attacks(canary)["os.system"], tmp_path / "evil.pt")
    torch.load(tmp_path / "evil.pt", weights_only=False)
    assert canary.exists()


def archive(path: Path, program: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/data/0", b"\0" * 16)
    return path


def tensor_program(offset: int, size: int, length: int = 4) -> bytes:
    """The pickle of {"x": a float tensor over storage 0}, written by hand so that its numbers may lie."""
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + f"I{length}\n".encode()
        + b"tQ"
    )
    numbers = f"I{offset}\n(I{size}\nt(I1\nt".encode()
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers + b"\x89}tR"
    return b"\x80\x02}X\x01\x00\x00\x00x" + call + b"s."


def test_sizes_that_lie_are_refused(tmp_path: Path) -> None:
    good = read_released_checkpoint(archive(tmp_path / "good.pt", tensor_program(1, 3)))
    assert torch.equal(good["x"], torch.zeros(3))
    for program in (tensor_program(0, 5), tensor_program(-1, 2), tensor_program(4, 1), tensor_program(0, 4, length=400)):
        with pytest.raises(ModelError, match="refused"):
            read_released_checkpoint(archive(tmp_path / "bad.pt", program))


def test_a_lasting_change_of_our_own_functions_is_impossible(tmp_path: Path) -> None:
    """A pickle may set attributes of what it is given; what it is given is gone with it."""
    program = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__(I1\nts\x86b."
    with pytest.raises(ModelError, match="refused"):
        read_released_checkpoint(archive(tmp_path / "sly.pt", program))
    from miqanet_core.model import released

    assert released._rebuild_tensor.__defaults__ is None


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"weight": 1}))
    torch.save({"a": torch.ones(1)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("text.pt", "plain.pt", "old.pt"):
        with pytest.raises(ModelError, match=rf"{name}: not a checkpoint of torch 1.6 or newer"):
            read_released_checkpoint(tmp_path / name)
    with pytest.raises(ModelError, match="no such file"):
        read_released_checkpoint(tmp_path / "absent.pt")
    with pytest.raises(ModelError, match="compress"):
        read_released_checkpoint(archive(tmp_path / "bomb.pt", tensor_program(0, 4), zipfile.ZIP_DEFLATED))
    torch.save({"weight": 3}, tmp_path / "number.pt")
    with pytest.raises(ModelError, match="neither a module nor a state dict"):
        read_released_checkpoint(tmp_path / "number.pt")
    loop = nn.Sequential(nn.ReLU())
    loop._modules["again"] = loop
    torch.save(loop, tmp_path / "loop.pt")
    with pytest.raises(ModelError, match="refused"):
        read_released_checkpoint(tmp_path / "loop.pt")
