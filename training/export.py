"""Export a model for other tools: ``python training/export.py --model default --format bundle|onnx|torch --out PATH``.

Each is scored on real slices and compared with MIQA's own scorer; what does not score equally is not written.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from exports import bundle, onnx_file, torch_file
from exports.equality import TOLERANCE
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import load_model, weights_file

FORMATS: dict[str, ModuleType] = {"bundle": bundle, "onnx": onnx_file, "torch": torch_file}


def export(model: str, name: str, out: Path) -> float:
    """Write ``model`` in the format ``name`` to ``out``, which must not exist yet, whole or not at all.

    Returns the largest difference between its slice scores and the scorer's, in points of 100. InputError when ``out`` cannot
    be written; ModelError when the format, the model or a package is not there, or the scores differ.
    """
    if name not in FORMATS:
        raise ModelError(f"no format is called {name!r}; use {', '.join(FORMATS)}")
    target = FORMATS[name]
    if absent := [package for package in target.PACKAGES if find_spec(package) is None]:
        raise ModelError(f"--format {name} needs {', '.join(absent)}; pip install '.[export]'")
    if out.suffix != target.SUFFIX and target.SUFFIX:
        raise InputError(out, f"is no name of a file of --format {name}", f"end it in {target.SUFFIX}")
    if out.exists() or out.is_symlink():
        raise InputError(out, "is there already", "remove it, or name another --out")
    loaded = load_model(model)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".miqa-") as work:
            draft = Path(work) / out.name
            difference: float = target.write(loaded, weights_file(model), draft)
            draft.rename(out)
    except OSError as error:
        cure = "name a folder that you may write to and that has room"
        raise InputError(out, f"cannot be written ({error.strerror or error})", cure) from error
    except ModelError as error:
        raise ModelError(f"{out}: not written, {error}; try another --format") from None
    return difference


def main(
    out: Annotated[Path, typer.Option(help="The file or folder to write; it must not exist yet.")],
    format_name: Annotated[str, typer.Option("--format", help="bundle (MONAI), onnx or torch (torch.export, .pt2).")],
    model: Annotated[str, typer.Option(help="default, the name of a model whose weights ship, or a file.")] = "default",
) -> None:
    """Export a model for other tools, checked for equal scores."""
    try:
        difference = export(model, format_name, out)
    except (InputError, ModelError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"scores equal: largest difference {difference:.2g} of 100 points (allowed: {TOLERANCE:g})")
    print(f"{format_name}: {out}")


if __name__ == "__main__":
    typer.run(main)
