"""What one process of a torchrun does in :mod:`test_running`, and one process alone: both trainings, one after the other.

On ratings without dropout, stochastic depth and the batch's own statistics, which differ between processes by design: what is
left of a difference is rounding.
"""

from __future__ import annotations

import sys
from pathlib import Path

from torch import nn

import rated_regression
import train


def in_eval_mode(module: nn.Module, _: bool = True) -> nn.Module:
    return nn.Module.train(module, False)


if __name__ == "__main__":
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    train.train(folder / "recipe.toml", [folder], out / "simulated", 0, None, None)
    rated_regression.OpinionRegression.train = in_eval_mode  # type: ignore[assignment, method-assign]
    train.train_on_ratings(folder / "rated" / "recipe.toml", "folder", folder / "set", out / "rated", 0, None, None)
