"""Our weights files: safetensors, with the network's configuration and version beside the tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from miqanet_core.errors import ModelError
from miqanet_core.model.config import NetworkConfig
from miqanet_core.model.factory import create_model
from miqanet_core.model.network import MIQANet
from miqanet_core.model.released import check_entries, read_released_checkpoint, released_to_native
from miqanet_core.quality import ModelIdentity

FORMAT = "miqanet-weights/1"
DEFAULT = "miqanet_tiny"
SHIPPED = Path(__file__).parent.parent / "weights"

# A running variance of a CNN spans more than float16 does, and it is small: kept as it is.
_KEPT = ("running_mean", "running_var", "num_batches_tracked")

# Endings of a checkpoint of the released MIQANet.
_RELEASED = (".pt", ".pth")

# How the names of a file's extra tensors begin.
_EXTRA = "extra."


@dataclass(frozen=True)
class LoadedModel:
    """A network that is ready to score: on the CPU, float32, eval mode.

    ``metadata``: what the weights file says of itself besides format and config; empty for a released checkpoint.
    ``extras``: tensors in the file that are not the network's, such as what the in-domain check was fitted to.
    """

    network: MIQANet
    identity: ModelIdentity
    config: NetworkConfig
    metadata: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, Tensor] = field(default_factory=dict)


def save_weights(
    model: MIQANet,
    path: str | Path,
    metadata: Mapping[str, str],
    dtype: torch.dtype = torch.float16,
    extras: Mapping[str, Tensor] | None = None,
) -> None:
    """Write ``model`` to ``path`` (.safetensors), its parameters in ``dtype``; batch norm's statistics stay float32.

    ``metadata``: text about the weights; ``version`` is shown beside every score. ``extras``: tensors that belong to these
    weights without being the network's, kept as they are. The file appears whole or not at all.
    ModelError when a weight is not finite, or not any more in ``dtype``.
    """
    path = Path(path)
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        kept = name.endswith(_KEPT) or not tensor.is_floating_point()
        tensors[name] = tensor.detach().cpu().to(tensor.dtype if kept else dtype).contiguous()
        if not tensors[name].isfinite().all():
            raise ModelError(f"{path}: not written, {name} is not finite as {tensors[name].dtype}")
    tensors |= {_EXTRA + name: tensor.detach().cpu().contiguous() for name, tensor in (extras or {}).items()}
    about = {"version": "unversioned", **metadata, "format": FORMAT, "config": model.config.to_json()}
    draft = path.with_name(path.name + ".part")
    save_file(tensors, draft, metadata=about)
    draft.replace(path)


def load_model(name_or_file: str | Path = "default") -> LoadedModel:
    """A trained network, by name ("default" or a preset whose weights ship with MIQA) or from a weights file.

    ``.safetensors`` is a file of :func:`save_weights`; ``.pt`` and ``.pth`` are checkpoints of the released MIQANet, read
    without running anything in them. ModelError, in one line, when there are no such weights or they do not fit.
    """
    path = weights_file(name_or_file)
    return _load_released(path) if path.suffix in _RELEASED else _load_ours(path)


def weights_file(name_or_file: str | Path = "default") -> Path:
    """The file that :func:`load_model` reads; ModelError when a name has no weights here. A file need not exist."""
    path = Path(name_or_file)
    if path.suffix in (".safetensors", *_RELEASED):
        return path
    name = DEFAULT if str(name_or_file) == "default" else str(name_or_file)
    shipped = {file.stem: file for file in sorted(SHIPPED.glob("*.safetensors"))}
    if name not in shipped:
        raise ModelError(
            f"no weights of {name!r} ship with this MIQA (there are: {', '.join(shipped) or 'none'}); "
            "name a weights file instead, .safetensors or a released checkpoint, .pt or .pth"
        )
    return shipped[name]


def _load_ours(path: Path) -> LoadedModel:
    sha256 = _sha256(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a weights file: {error}") from None
    if metadata.pop("format", None) != FORMAT or "config" not in metadata:
        raise ModelError(f"{path}: not a weights file of MIQA: its metadata does not say {FORMAT}")
    try:
        network = create_model(NetworkConfig.from_json(metadata.pop("config")))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    extras = {name.removeprefix(_EXTRA): tensors.pop(name) for name in list(tensors) if name.startswith(_EXTRA)}
    _fill(network, tensors, path)
    identity = ModelIdentity(network.config.name, metadata.get("version", "unversioned"), sha256)
    return LoadedModel(network, identity, network.config, metadata, extras)


def _load_released(path: Path) -> LoadedModel:
    entries = read_released_checkpoint(path)
    try:
        tensors = released_to_native(entries)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    network = create_model("miqanet_b8")
    _fill(network, tensors, path)
    return LoadedModel(network, ModelIdentity("miqanet_b8", "released", _sha256(path)), network.config)


def _fill(network: MIQANet, tensors: Mapping[str, Tensor], path: Path) -> None:
    check_entries(tensors, {name: tensor.shape for name, tensor in network.state_dict().items()}, f"{path}: does not fit")
    network.load_state_dict(tensors)  # copies, so the parameters stay float32 whatever the file has
    network.eval()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()
