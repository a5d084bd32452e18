"""ONNX: a network that onnxruntime and many others run, with neither torch nor MIQA."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import torch

from exports.equality import check_network
from exports.tile_network import facts, output_names, trace
from miqanet_core.errors import ModelError
from miqanet_core.model import LoadedModel

SUFFIX = ".onnx"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def write(loaded: LoadedModel, weights: Path, out: Path) -> float:
    """Write ``out`` and return by how much its scores differ in onnxruntime, in points; ModelError when by more than allowed.

    One file with the weights in it, of the opset that torch writes by default. What it says of itself is in its metadata,
    key ``miqa``, as JSON.
    """
    import onnxruntime

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own parts warn of each other
            exported = torch.onnx.export(
                trace(loaded.network),
                dynamo=True,
                verbose=False,
                input_names=["tiles"],
                output_names=output_names(loaded.config),
                dynamic_shapes={"tiles": {0: "batch"}},
            )
    except torch.onnx.OnnxExporterError as error:
        raise ModelError(f"torch cannot say this network in ONNX ({(str(error).splitlines() or [''])[0]})") from None
    assert exported is not None  # None is the answer of the older exporter only
    exported.model.metadata_props["miqa"] = json.dumps(facts(loaded))
    for node in exported.model.graph.all_nodes():
        node.metadata_props.clear()  # torch's notes for who mends its exporter
    exported.save(out, external_data=False)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(tiles: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, {"tiles": tiles}), strict=True))

    return check_network(run, loaded, str(weights))
