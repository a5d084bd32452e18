"""A MONAI Bundle: a folder that MONAI's own runner scores files with, ``python -m monai.bundle run``."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import monai.bundle
import nibabel
import numpy as np
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import miqanet_core
from exports.equality import check_scores, check_slices, scorer_scores
from exports.tile_network import NOTICE, facts
from miqanet_core.bundle import QualityMaps
from miqanet_core.errors import ModelError
from miqanet_core.model import LoadedModel, save_weights
from miqanet_core.version import version as miqa_version

SUFFIX = ""
PACKAGES = ("fire",)  # MONAI's command line

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
REPOSITORY = Path(__file__).parents[2]
TEMPLATE = Path(__file__).parent / "bundle_template"


def write(loaded: LoadedModel, weights: Path, out: Path) -> float:
    """Write the folder ``out`` and return by how much its scores differ when MONAI runs it, in points.

    ModelError when they differ by more than allowed, or MONAI cannot run it.
    """
    for folder in ("configs", "models", "docs"):
        (out / folder).mkdir(parents=True)
    if weights.suffix == ".safetensors":
        shutil.copyfile(weights, out / "models" / "model.safetensors")  # byte for byte: its digest stands beside every score
    else:
        about = {"version": loaded.identity.version}
        save_weights(loaded.network, out / "models" / "model.safetensors", about, torch.float32)
    maps = QualityMaps(loaded.config.to_json())
    maps.network = loaded.network
    torch.save(maps.state_dict(), out / "models" / "model.pt")
    inference = json.loads((TEMPLATE / "inference.json").read_text())
    # As one text: MONAI runs what begins with a dollar sign, and a weights file may name its network so.
    inference["network_def"]["config"] = loaded.config.to_json()
    for name, document in (("inference", inference), ("metadata", metadata(loaded))):
        (out / "configs" / f"{name}.json").write_text(json.dumps(document, indent=4) + "\n")
    (out / "docs" / "README.md").write_text(_readme(loaded, weights), encoding="utf-8")
    shutil.copyfile(REPOSITORY / "LICENSE", out / "LICENSE")
    _check_network(loaded, out)
    return _check_run(weights, out)


def metadata(loaded: LoadedModel) -> dict[str, Any]:
    """``metadata.json`` by MONAI's bundle specification. The network that it describes is :class:`QualityMaps`."""
    size, grid = loaded.config.tile_size, loaded.network.global_branch.grid
    number = _three_parts(loaded.identity.version)
    about = facts(loaded)
    tensor = {"type": "image", "format": "magnitude", "dtype": "float32", "is_patch_data": True}
    return {
        "schema": SCHEMA,
        "version": number,
        "changelog": {number: f"exported from weights {loaded.identity.weights_sha256}"},
        "monai_version": version("monai"),
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"miqanet_core": miqa_version()},
        "name": f"MIQA {loaded.identity.name}",
        "task": "Quality of MR images without a reference image",
        "description": "Gives every slice of an MR series a score from 0 (worst) to 100 (best) and the series a verdict, and "
        f"maps where quality is lost. {NOTICE}",
        "authors": "the MIQA developers",
        "copyright": "Apache-2.0, see LICENSE",
        "intended_use": f"{NOTICE} Do not decide about a patient by its numbers.",
        "data_type": "DICOM, NIfTI, NRRD, MetaImage, PNG, JPEG",
        "references": ["MIQANet: dual-branch network for MRI quality, IEEE TCSVT 2026"],
        "network_data_format": {
            "inputs": {
                "image": tensor
                | {
                    "modality": "MR",
                    "num_channels": 3,
                    "spatial_shape": [size, size],
                    "value_range": [-1, 1],
                    "channel_def": {str(channel): "the tile, the same in every channel" for channel in range(3)},
                }
            },
            "outputs": {
                "pred": tensor
                | {
                    "num_channels": 2,
                    "spatial_shape": [grid, grid],
                    "value_range": [0, 1] if loaded.config.score_activation == "sigmoid" else [],
                    "channel_def": {"0": about["score_map"] + ", 1 best and 0 worst", "1": "how much each place counts"},
                }
            },
        },
    }


def _three_parts(text: str) -> str:
    """A weights file's version as a bundle's: "2" is 2.0.0; text that is no number, "released", is 0.0.0."""
    parts = text.split(".") if re.fullmatch(r"\d+(\.\d+){0,2}", text) else []
    return ".".join([*parts, "0", "0", "0"][:3])


def _readme(loaded: LoadedModel, weights: Path) -> str:
    card = weights.parent / "MODEL_CARD.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    environment = Environment(loader=FileSystemLoader(TEMPLATE), undefined=StrictUndefined, keep_trailing_newline=True)
    # A card speaks of one file; beside other weights it would promise figures that these never had.
    card_text = text if loaded.identity.weights_sha256 in text else ""
    return environment.get_template("README.md.jinja").render(identity=loaded.identity, notice=NOTICE, card=card_text)


def _check_network(loaded: LoadedModel, out: Path) -> None:
    """MONAI's own loader must make the network again from ``inference.json`` and ``model.pt``."""
    size = loaded.config.tile_size
    tiles = torch.linspace(-1, 1, 3 * size * size).sin().reshape(1, 3, size, size)
    logging.disable(logging.WARNING)  # MONAI tells of every step
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a bundle's configuration can run anything: this one was written just now
            network: Any = monai.bundle.load(out.name, bundle_dir=out.parent, workflow_type="inference", device="cpu")
    finally:
        logging.disable(logging.NOTSET)
    with torch.inference_mode():
        want = loaded.network(tiles)
        same = torch.equal(network.eval()(tiles), torch.stack([want.score_map, want.weight_map], 1))
    if not same:
        raise ModelError("MONAI loads another network from it than the one that was exported")


def _check_run(weights: Path, out: Path) -> float:
    """MONAI's own runner must score a NIfTI file as the scorer does."""
    voxels = check_slices()
    with tempfile.TemporaryDirectory() as work:
        image, result = Path(work) / "check.nii.gz", Path(work) / "quality.json"
        nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0), np.eye(4)), image)
        command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(out / "configs" / "inference.json")]
        command += ["--bundle_root", str(out), "--dataset_dir", str(image), "--output_file", str(result), "--device", "cpu"]
        # The runner must find the MIQA that exports, installed or not.
        paths = [str(Path(miqanet_core.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode or not result.is_file():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ModelError(f"MONAI's runner could not run it: {last}")
        got = [one["score"] for one in json.loads(result.read_text())["slices"]]
    return check_scores(got, scorer_scores(str(weights), voxels))
