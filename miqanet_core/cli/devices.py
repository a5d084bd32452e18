"""``miqanet devices``: where torch can compute on this machine, for a front end that lets people choose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import torch

from miqanet_core.cli.terminal import harmless


def run() -> None:
    """Print one JSON object a line, best device first; memory in bytes, null where torch does not tell."""
    for device in _devices():
        print(json.dumps(device))  # ASCII, so that no encoding can spoil it


def _devices() -> Iterator[dict[str, Any]]:
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        yield _device(f"cuda:{index}", torch.cuda.get_device_name(index), free, total)
    if torch.backends.mps.is_available():
        yield _device("mps", "Apple GPU")
    yield _device("cpu", "CPU")


def _device(name: str, description: str, free: int | None = None, total: int | None = None) -> dict[str, Any]:
    return {"name": name, "description": harmless(description), "free_bytes": free, "total_bytes": total}
