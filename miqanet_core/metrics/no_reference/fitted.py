"""Reads the fitted models of natural-scene measures: those that ship, and those that training/refit_natural_scene.py writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load

from miqanet_core.errors import ModelError

Model = TypeVar("Model")


@cache
def shipped(kind: Callable[..., Model], name: str) -> Model:
    """A model that lies beside this file; of its origin and licence NAME.txt tells."""
    return _model(kind, files("miqanet_core.metrics.no_reference").joinpath(f"{name}.safetensors").read_bytes(), name)


def read_model(kind: Callable[..., Model], path: Path) -> Model:
    """A model from one's own file. ModelError when it cannot be read, or is none of this kind."""
    try:
        return _model(kind, path.read_bytes(), str(path))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); make it with training/refit_natural_scene.py") from None


def _model(kind: Callable[..., Model], content: bytes, name: str) -> Model:
    wanted = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    try:
        numbers = load(content)
    except SafetensorError:
        numbers = {}
    if numbers.keys() != wanted:
        raise ModelError(
            f"{name}: is no model of this measure, which holds {', '.join(sorted(wanted))}; "
            "make one with training/refit_natural_scene.py"
        )
    return kind(**{key: number.double() for key, number in numbers.items()})
