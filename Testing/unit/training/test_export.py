"""Exports score as the scorer does, in the programs that they are for; what does not is not written."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import monai.bundle
import nibabel
import numpy as np
import pytest
import torch
from torch import nn

import export
from exports import bundle, tile_network
from exports.equality import check_scores, check_slices
from miqanet_core import Scorer, read_all_series
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import MIQANet, create_model, fold_for_scoring, load_model, save_weights
from miqanet_core.series import MRSeries
from model import small_config
from mr_samples import slice_like

ROOT = Path(__file__).parents[3]

# An artefact head too, fewer parts for a quick export, and a name that MONAI would run if it could.
SMALL = replace(
    small_config.SMALL,
    name="$__import__('os').abort()",
    local_levels=(1,),
    reduce_before_attention=True,
    released_reshape=False,
    stage_layers=1,
    artifacts=("ghosting", "motion"),
)


def need(name: str) -> None:
    """Skip, naming what is missing, when the format's packages are not installed."""
    absent = [package for package in export.FORMATS[name].PACKAGES if find_spec(package) is None]
    if absent:
        pytest.skip(f"the packages of --format {name} are absent: {', '.join(absent)}; pip install '.[export]'")


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A fresh Python that finds this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network whose scores spread, with a calibrated artefact head."""
    torch.manual_seed(0)
    network = create_model(SMALL)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # so that folding has something to fold
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    nn.init.normal_(network.head.score[0].weight, std=1)
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(network, file, {"version": "3"}, extras={"artifacts.line": torch.tensor([[1.0, 2.0], [0.1, -0.2]])})
    return file


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tiles") / "tiles.npy"
    np.save(file, np.stack([slice_like(64, 64, seed) / 1000 for seed in range(5)])[:, None].repeat(3, 1))
    return file


RUN = """
import json, sys
import numpy as np
{load}
tiles = np.load(sys.argv[2])
for part in ("1", "5"):
    np.savez(sys.argv[3] + part, **run(tiles[: int(part)]))
print(json.dumps([about, [name for name in ("miqanet_core", "torch") if name in sys.modules]]))
"""
LOADS = {
    "torch": """
import torch
extra = {"miqa.json": ""}
network = torch.export.load(sys.argv[1], extra_files=extra).module()
about = json.loads(extra["miqa.json"])
run = lambda tiles: {name: value.detach().numpy() for name, value in network(torch.from_numpy(tiles)).items()}
""",
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["miqa"])
names = [output.name for output in session.get_outputs()]
run = lambda tiles: dict(zip(names, session.run(names, {"tiles": tiles})))
""",
}


@pytest.mark.parametrize(("name", "file", "imported"), [("torch", "net.pt2", ["torch"]), ("onnx", "net.onnx", [])])
def test_a_file_scores_equally_in_a_fresh_process_without_miqa(
    name: str, file: str, imported: list[str], weights: Path, tiles: Path, tmp_path: Path
) -> None:
    need(name)
    out = tmp_path / "new" / file
    assert export.export(str(weights), name, out) <= 1e-3
    assert [path.name for path in out.parent.iterdir()] == [file]
    assert str(ROOT).encode() not in out.read_bytes()  # no folder of this machine
    done = python("-c", RUN.format(load=LOADS[name]), str(out), str(tiles), str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    about, modules = json.loads(done.stdout)
    assert modules == imported
    assert about["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert about["artifacts"] == ["ghosting", "motion"] and about["presence_slope"] == [1.0, 2.0]
    with torch.inference_mode():
        want = load_model(weights).network(torch.from_numpy(np.load(tiles)))._asdict()
    for batch in (1, 5):
        got = np.load(tmp_path / f"out{batch}.npz")
        assert sorted(got) == sorted(want)
        for output, values in got.items():
            assert values.shape == want[output][:batch].shape
            assert np.abs(values - want[output][:batch].numpy()).max() <= 1e-5 * max(1, want[output].abs().max()), output


def test_outputs_without_an_artefact_head() -> None:
    network = tile_network.TileNetwork(create_model(replace(SMALL, artifacts=())).eval())
    assert list(network(torch.zeros(1, 3, 64, 64))) == ["score", "score_map", "weight_map", "features"]


@pytest.fixture(scope="module")
def small_bundle(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("bundle")
    out = tmp_path_factory.mktemp("bundles") / "small"
    assert export.export(str(weights), "bundle", out) <= 1e-3
    return out


def test_monai_runs_the_bundle(small_bundle: Path, weights: Path, tmp_path: Path) -> None:
    for seed in range(2):
        voxels = np.stack([slice_like(80, 96, 3 * seed + i) for i in range(3)])
        nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0), np.eye(4)), tmp_path / f"scan{seed}.nii.gz")
    done = python(
        *("-m", "monai.bundle", "run", "--config_file", "configs/inference.json", "--dataset_dir", str(tmp_path)),
        cwd=small_bundle,
    )
    assert done.returncode == 0, done.stderr
    documents = json.loads((small_bundle / "eval" / "quality.json").read_text())
    scorer = Scorer(weights)
    for document, series in zip(documents, read_all_series(tmp_path), strict=True):
        want = scorer.score(series)
        assert document["verdict"] == want.verdict.value
        assert check_scores([s["score"] for s in document["slices"]], [s.score for s in want.slices]) <= 1e-3
        digest = hashlib.sha256((small_bundle / "models" / "model.safetensors").read_bytes()).hexdigest()
        assert document["model"]["weights_sha256"] == digest == want.model.weights_sha256


def test_the_bundle_tells_a_wrong_path_in_one_line(small_bundle: Path, tmp_path: Path) -> None:
    done = python(
        *("-m", "monai.bundle", "run", "--config_file", str(small_bundle / "configs" / "inference.json")),
        *("--bundle_root", str(small_bundle), "--dataset_dir", str(tmp_path / "absent.nii.gz")),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"error: {tmp_path / 'absent.nii.gz'}: ")


def test_the_bundle_is_what_its_metadata_says(small_bundle: Path) -> None:
    configs = small_bundle / "configs"
    metadata, inference = str(configs / "metadata.json"), str(configs / "inference.json")
    monai.bundle.verify_net_in_out("network_def", meta_file=metadata, config_file=inference, device="cpu")
    with pytest.raises(ValueError, match="channel number"):  # so it does look
        monai.bundle.verify_net_in_out(
            "network_def",
            meta_file=metadata,
            config_file=inference,
            device="cpu",
            **{"_meta_#network_data_format#outputs#pred#num_channels": 3},
        )
    document = json.loads(Path(metadata).read_text())
    assert document["version"] == "3.0.0"
    readme = (small_bundle / "docs" / "README.md").read_text()
    assert "not a medical device" in readme and "No model card came with these weights" in readme
    assert (small_bundle / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_metadata_follows_monais_schema(small_bundle: Path, tmp_path: Path) -> None:
    try:
        urllib.request.urlopen(bundle.SCHEMA, timeout=5).close()
    except OSError as error:
        pytest.skip(f"MONAI's schema cannot be fetched, {bundle.SCHEMA}: {error}")
    monai.bundle.verify_metadata(str(small_bundle / "configs" / "metadata.json"), filepath=tmp_path / "schema.json")


def test_the_card_of_the_shipped_weights_goes_along(weights: Path, tmp_path: Path) -> None:
    loaded = load_model(weights)
    beside = tmp_path / weights.name
    (tmp_path / "MODEL_CARD.md").write_text("## Figures of other weights\n")
    assert "other weights" not in bundle._readme(loaded, beside)
    (tmp_path / "MODEL_CARD.md").write_text(f"## Figures of {loaded.identity.weights_sha256}\n")
    assert "## Figures of" in bundle._readme(loaded, beside)


def off_by_a_little(network: MIQANet) -> MIQANet:
    folded = fold_for_scoring(network)
    with torch.no_grad():
        folded.head.score[3].bias += 1e-3
    return folded


def test_what_scores_otherwise_is_not_written(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_network, "fold_for_scoring", off_by_a_little)
    with pytest.raises(ModelError, match=r"net\.pt2: not written, its .* differs?.*"):
        export.export(str(weights), "torch", tmp_path / "net.pt2")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("got", [[50.0, 60.002], [50.0, None], [50.0, float("nan")], [50.0]])
def test_scores_that_are_not_equal(got: list[float | None]) -> None:
    assert check_scores([50.0, 60.0005], [50.0, 60.0]) == pytest.approx(5e-4, abs=1e-6)
    with pytest.raises(ModelError):
        check_scores(got, [50.0, 60.0])


def existing(folder: Path) -> Path:
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("keep")
    return folder / "mine"


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file" / "net.pt2"


@pytest.mark.parametrize(
    ("model", "name", "make_out", "says"),
    [
        ("default", "tflite", lambda folder: folder / "net", "no format is called 'tflite'; use bundle, onnx, torch"),
        ("default", "bundle", existing, "mine: is there already; remove it, or name another --out"),
        ("default", "torch", lambda folder: folder / "net.onnx", "end it in .pt2"),
        ("default", "torch", below_a_file, "cannot be written"),
        ("nobody", "torch", lambda folder: folder / "net.pt2", "no weights of 'nobody' ship"),
        ("absent.safetensors", "torch", lambda folder: folder / "net.pt2", "absent.safetensors: cannot be read"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    model: str, name: str, make_out: Callable[[Path], Path], says: str, tmp_path: Path
) -> None:
    out = make_out(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as stopped:
        export.main(out, name, model)
    assert says in str(stopped.value) and str(stopped.value).startswith("error: ")
    assert "\n" not in str(stopped.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "find_spec", lambda package: None)
    with pytest.raises(ModelError, match=r"needs onnx, onnxscript, onnxruntime; pip install '\.\[export\]'"):
        export.export("default", "onnx", tmp_path / "net.onnx")


def test_unwritable_folder(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(export.tempfile, "TemporaryDirectory", refuse)  # root may write anywhere
    with pytest.raises(InputError, match=r"net\.pt2: cannot be written \(Permission denied\); name a folder"):
        export.export(str(weights), "torch", tmp_path / "net.pt2")


def test_the_command_leaves_with_status_1(tmp_path: Path) -> None:
    done = python(str(ROOT / "training" / "export.py"), "--format", "tflite", "--out", "net", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: no format is called 'tflite'; use bundle, onnx, torch\n"


def test_the_shipped_weights_assess_the_slices_that_exports_are_checked_on() -> None:
    quality = Scorer(device="cpu").score(MRSeries(check_slices(), None, "check", "MR"))
    assert all(s.score is not None for s in quality.slices)
