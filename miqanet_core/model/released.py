"""Checkpoints of the released MIQANet: read without running what is in them, and renamed to ours."""

from __future__ import annotations

import collections
import itertools
import pickle
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from miqanet_core.errors import ModelError
from miqanet_core.model.config import PRESETS
from miqanet_core.model.network import MIQANet

# Names ------------------------------------------------------------------------------------------------------------------

# Released name -> ours; the first pattern that fits counts.
_RENAMES = [
    (r"ap", "fusion.balance"),
    (r"vit\.(.*)", r"global_branch.backbone.\1"),
    (r"tablock([12])\.(\d+)\.c_q\.(.*)", r"attention\1.\2.query.\3"),
    (r"tablock([12])\.(\d+)\.c_k\.(.*)", r"attention\1.\2.key.\3"),
    (r"tablock([12])\.(\d+)\.c_v\.(.*)", r"attention\1.\2.value.\3"),
    (r"swintransformer([12])\.(.*)\.attn\.relative_position_bias_table", r"stage\1.\2.attention.relative_position_bias"),
    (r"swintransformer([12])\.(.*)\.attn\.(.*)", r"stage\1.\2.attention.\3"),
    (r"swintransformer([12])\.(.*)\.mlp\.fc1\.(.*)", r"stage\1.\2.mlp.0.\3"),
    (r"swintransformer([12])\.(.*)\.mlp\.fc2\.(.*)", r"stage\1.\2.mlp.2.\3"),
    (r"swintransformer([12])\.(.*)", r"stage\1.\2"),
    (r"conv12\.(.*)", r"local_branch.backbone.conv1.\1"),
    (r"conv22\.(.*)", r"local_branch.project.\1"),
    (r"bn2\.(.*)", r"local_branch.norm.\1"),
    (r"(bn1|layer[1-4])\.(.*)", r"local_branch.backbone.\1.\2"),
    (r"conv([12])\.(.*)", r"project\1.\2"),
    (r"fc_(score|weight)\.(.*)", r"head.\1.\2"),
]

# Entries of a released checkpoint that feed nothing, or that follow from the sizes.
_UNUSED = re.compile(
    r"vit\.(blocks\.1[01]|norm|fc_norm|head)\..*"
    r"|swintransformer[12]\.downsample\..*"
    r"|.*\.(attn_mask|relative_position_index)"
)


def released_to_native(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of a released state dict that ``miqanet_b8`` uses, under our names. Tensors are shared, not copied.

    A ``module.`` before every name (DataParallel) is taken off. ModelError when, without what feeds nothing, a name is
    missing or unexpected or a shape differs; it names the first few.
    """
    native: dict[str, Tensor] = {}
    unexpected = []
    for name, tensor in _without_data_parallel(state_dict).items():
        if _UNUSED.fullmatch(name):
            continue
        for pattern, ours in _RENAMES:
            if found := re.fullmatch(pattern, name):
                native[found.expand(ours)] = tensor
                break
        else:
            unexpected.append(name)
    check_entries({**native, **{name: torch.empty(0) for name in unexpected}}, _b8_shapes(), "not a released MIQANet")
    return native


def check_entries(entries: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], what: str) -> None:
    """ModelError, opening with ``what``, unless ``entries`` has exactly the names and shapes of ``shapes``."""
    faults = [f"missing {name}" for name in shapes if name not in entries]
    faults += [f"unexpected {name}" for name in entries if name not in shapes]
    faults += [
        f"{name} is {tuple(entries[name].shape)} and should be {tuple(shape)}"
        for name, shape in shapes.items()
        if name in entries and entries[name].shape != shape
    ]
    if faults:
        more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ModelError(f"{what}: {', '.join(faults[:3])}{more}")


def _b8_shapes() -> dict[str, torch.Size]:
    with torch.device("meta"):  # shapes only: nothing is allocated or drawn
        return {name: tensor.shape for name, tensor in MIQANet(PRESETS["miqanet_b8"]).state_dict().items()}


def _without_data_parallel(state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    if state_dict and all(name.startswith("module.") for name in state_dict):
        return {name.removeprefix("module."): tensor for name, tensor in state_dict.items()}
    return state_dict


# Files ------------------------------------------------------------------------------------------------------------------

# A released checkpoint is a whole pickled nn.Module, and a pickle is a program: loading one as torch does would run whatever
# its author put in. The reader below imports nothing that a file names. It knows torch's few tensor-building functions (its
# own versions of them) and plain containers; a class becomes an inert stand-in that only keeps what it was given.


class _Inert:
    """Stands in for an instance of a class that the file names; ``state`` is what the file gave it."""

    state: Any = None

    def __new__(cls, *_args: Any, **_kwargs: Any) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        # object.__setattr__ with a fixed name: the file chooses the value only.
        object.__setattr__(self, "state", state)


_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Storage(NamedTuple):
    """A block of numbers in the archive, not read yet."""

    dtype: torch.dtype
    key: str
    length: int


class _TensorRecipe(NamedTuple):
    """A tensor that is built only when the pickle has been read: a pickle can call the methods of a real one."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_rest: Any) -> _TensorRecipe:
    """torch._utils._rebuild_tensor_v2, without its hooks."""
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    return _TensorRecipe(storage, offset, size, stride)


def _rebuild_parameter(data: Any, *_rest: Any) -> Any:
    return data


def _rebuild_default_dict(*_factory: Any) -> dict[Any, Any]:
    return {}


def _inert_text(*_args: Any) -> str:
    return ""


_CONTAINERS = (set, frozenset, list, dict, tuple)
_VALUES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): tuple,
    **{(module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in _CONTAINERS},
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}
_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "defaultdict"): _rebuild_default_dict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter,
    ("torch", "device"): _inert_text,
}

_BUILTIN_MODULES = {*sys.stdlib_module_names, "__builtin__", "nt", "posix"}
# Classes of torch that a module is made of. Everything else there does things, so it is refused.
_TORCH_CLASSES = ("torch.nn.modules.", "torch.nn.parallel.", "torch.utils.hooks")


class _Unpickler(pickle.Unpickler):
    """Reads tensors, containers and inert stand-ins; whatever else a file names is refused before it could run."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(archive.open(f"{root}/data.pkl"))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _VALUES:
            return _VALUES[module, name]
        if function := _FUNCTIONS.get((module, name)):
            # A new one each time: a pickle can also set attributes of what it is given.
            return lambda *args: function(*args)
        top = module.partition(".")[0]
        refused = top in _BUILTIN_MODULES or (top == "torch" and not module.startswith(_TORCH_CLASSES))
        # A class is spelt with a capital. Functions are not stood in for: nothing in a module's weights calls one.
        if refused or not name.lstrip("_")[:1].isupper() or not name.isidentifier():
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which holds no weights")
        return type(name, (_Inert,), {})

    def persistent_load(self, pid: Any) -> _Storage:
        if not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and isinstance(pid[1], torch.dtype)):
            raise pickle.UnpicklingError("a storage of an unknown kind")
        _, dtype, key, _location, length = pid
        return _Storage(dtype, str(key), length)


def read_released_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The state dict of a released checkpoint: a file of ``torch.save(model)`` or ``torch.save(model.state_dict())``.

    Nothing in the file is executed or imported. Tensors lie on the CPU; ``module.`` of DataParallel is taken off.
    ModelError, naming the file, when it is absent, is not of torch >= 1.6, or holds anything but modules and tensors.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return dict(_without_data_parallel(_read(archive)))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except zipfile.BadZipFile:
        raise ModelError(
            f"{path}: not a checkpoint of torch 1.6 or newer; if you trust it, load it in torch and save its state_dict() again"
        ) from None
    # A broken or hostile pickle fails in any of these ways; KeyError is also a storage that the archive lacks.
    except (
        *(pickle.UnpicklingError, AttributeError, EOFError, IndexError, ImportError, KeyError, MemoryError, OSError),
        *(NotImplementedError, OverflowError, RecursionError, RuntimeError, TypeError, ValueError, zipfile.LargeZipFile),
    ) as error:
        raise ModelError(f"{path}: refused, this is not a checkpoint of modules and tensors: {error}") from None


def _read(archive: zipfile.ZipFile) -> dict[str, Tensor]:
    pickles = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(pickles) != 1:
        raise ValueError("it has no data.pkl")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
        raise ValueError("torch does not compress, and this file is compressed")  # a zip bomb would be
    root = pickles[0].removesuffix("/data.pkl")
    order = f"{root}/byteorder"
    if order in archive.namelist() and archive.read(order).decode() != sys.byteorder:
        raise ValueError(f"it was written on a machine that is not {sys.byteorder}-endian")
    document = _Unpickler(archive, root).load()
    entries = document if isinstance(document, dict) else dict(_entries(document, "", itertools.count()))
    if not entries or not all(isinstance(k, str) and isinstance(v, _TensorRecipe) for k, v in entries.items()):
        raise ValueError("it is neither a module nor a state dict")
    storages: dict[str, Tensor] = {}
    return {name: _build(recipe, archive, root, storages) for name, recipe in entries.items()}


def _build(recipe: _TensorRecipe, archive: zipfile.ZipFile, root: str, storages: dict[str, Tensor]) -> Tensor:
    dtype, key, length = recipe.storage
    if key not in storages:
        # bytearray: torch wants memory that it may write to. An empty one it does not take at all.
        data = bytearray(archive.read(f"{root}/data/{key}"))
        storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
    if storages[key].dtype != dtype or storages[key].numel() != length:
        raise ValueError(f"storage {key} is not as long as it should be")
    # Bounds are checked against the storage, so a false size reads nothing that is not the file's.
    return torch.as_strided(storages[key], recipe.size, recipe.stride, recipe.offset)


def _entries(module: Any, prefix: str, visits: Iterator[int]) -> Iterator[tuple[str, _TensorRecipe]]:
    """What ``module.state_dict()`` would hold, from the state that the stand-in was given."""
    if next(visits) > 10_000:
        raise ValueError("its modules are nested without end")
    state = module.state if isinstance(module, _Inert) else None
    if not isinstance(state, dict) or not all(isinstance(state.get(k), dict) for k in ("_parameters", "_buffers", "_modules")):
        raise ValueError(f"{prefix.rstrip('.') or 'its root'} is no module")
    transient = state.get("_non_persistent_buffers_set", ())
    for name, tensor in (*state["_parameters"].items(), *state["_buffers"].items()):
        if tensor is not None and name not in transient:
            yield f"{prefix}{name}", tensor
    for name, child in state["_modules"].items():
        if child is not None:
            yield from _entries(child, f"{prefix}{name}.", visits)
