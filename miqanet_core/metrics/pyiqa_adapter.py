"""Any metric of an installed pyiqa, by its name there. pyiqa is no dependency: its licence forbids commercial use."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from math import inf
from typing import Any

import torch
from torch import Tensor

from miqanet_core.errors import ModelError
from miqanet_core.metrics.metric import Metric

PREFIX = "pyiqa:"


def pyiqa_metric(name: str) -> Metric:
    """pyiqa's metric ``name``, without the prefix; its weights are fetched on first use.

    Raises ModelError when pyiqa is not installed or cannot make the metric, ValueError when it has none of that name. pyiqa
    states ranges in words, so that none is checked here.
    """
    made = _made(name, "cpu")
    full = str(made.metric_mode).upper() == "FR"

    def function(images: Tensor, reference: Tensor | None = None) -> Tensor:
        metric = _made(name, str(images.device))
        others = () if reference is None else (reference.float(),)
        with torch.no_grad(), redirect_stdout(sys.stderr):
            values = torch.as_tensor(metric(images.float(), *others)).flatten()
        if values.numel() != len(images):
            raise ModelError(
                f"{PREFIX}{name}: gives {values.numel()} values for {len(images)} images, so it cannot be used here"
            )
        return values

    return Metric(
        PREFIX + name,
        "full_reference" if full else "no_reference",
        function,
        "lower" if made.lower_better else "higher",
        -inf,
        inf,
        colour="whole",
        origin="pyiqa's",
    )


@cache
def _made(name: str, device: str) -> Any:
    try:
        pyiqa = import_module("pyiqa")
    except ImportError as error:
        raise ModelError(
            f"{PREFIX}{name}: pyiqa is not installed or cannot be imported ({error}); run: pip install pyiqa "
            "(mind its licence, which forbids commercial use)"
        ) from None
    known = pyiqa.list_models()
    if name not in known:
        near = get_close_matches(name, known) or known
        raise ValueError(f"pyiqa has no metric called {name!r}; it has {', '.join(near)}")
    try:
        # It tells on stdout what it loads, where results belong.
        with redirect_stdout(sys.stderr):
            return pyiqa.create_metric(name, device=torch.device(device))
    except Exception as error:  # whatever its many networks and downloads raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{PREFIX}{name}: pyiqa cannot make it ({reason}); most of its weights are fetched from the internet on first use: "
            "connect once, or take a metric without weights"
        ) from error
