"""Runs: killed and resumed, on one process or two, they give the same result; and what is wrong is told in one line."""

from __future__ import annotations

import shutil
import signal
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer
from safetensors.torch import load_file
from shared_runs import in_eval_mode
from small_runs import RATED, REPOSITORY, SIMULATED, rated_folder, recipe, same_weights, started, validations
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

import callbacks
import train
from callbacks import BestCheckpoint, LastCheckpoint
from miqanet_core.errors import InputError, ModelError
from miqanet_core.model import create_model
from model.small_config import SMALL
from pictures import map_picture
from rated_regression import OpinionRegression
from run_data import GlobalBatches, RunData
from settings import RatedSettings, SimulatedSettings, parse
from simulated_regression import QualityRegression
from sources import read_recipe
from starting import starting_network
from validation import agreement, everyone

RECIPES = REPOSITORY / "training" / "recipes"


def command(*options: str | Path) -> Any:
    """What train.py does with these options: exit_code, stdout, stderr, output, exception."""
    app = typer.Typer()
    app.command()(train.main)
    return CliRunner().invoke(app, [str(option) for option in options])


def simulated(folder: Path, out: Path, resume: Path | None = None) -> Path:
    return train.train(folder / "recipe.toml", [folder], out, 0, resume, None)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe on simulated artefacts and, in ``whole``, its run."""
    folder = tmp_path_factory.mktemp("simulated")
    recipe(folder, SIMULATED)
    simulated(folder, folder / "whole")
    return folder


def assert_same(run: Path, whole: Path) -> None:
    """The same figures at each validation, and the same weights to the last bit."""
    for name in ("validation_srocc", "validation_plcc", "validation_mae"):
        assert validations(run, name) == validations(whole, name)
    assert same_weights(run, whole)


def test_a_killed_run_that_is_resumed_gives_the_unbroken_run(unbroken: Path) -> None:
    out = unbroken / "killed"
    run = started("--recipe", unbroken / "recipe.toml", "--data", unbroken, "--out", out, "--workers", "1")
    while not (out / "last.ckpt").exists():
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert not (out / "small.safetensors").exists()
    simulated(unbroken, out, out / "last.ckpt")
    assert_same(out, unbroken / "whole")


def test_training_on_ratings_goes_on_from_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recipe(tmp_path, RATED, accumulate=2, annealing_steps=3, checkpoint_every=1)
    root, whole = rated_folder(tmp_path / "set"), tmp_path / "whole"
    with monkeypatch.context() as patch:
        for hook in ("on_train_batch_end", "on_validation_end"):
            original = getattr(LastCheckpoint, hook)

            def kept(self: LastCheckpoint, trainer: Any, *arguments: Any, original: Any = original) -> None:
                original(self, trainer, *arguments)
                if self.path.exists():
                    shutil.copy(self.path, tmp_path / f"{trainer.global_step}.ckpt")

            patch.setattr(LastCheckpoint, hook, kept)
        train.train_on_ratings(path, "folder", root, whole, 0, None, None)
    for step, again in ((1, 2), (2, 1)):  # in the middle of an epoch, and at its validation
        out = tmp_path / f"from-{step}"
        shutil.copytree(whole, out)
        shutil.copy(tmp_path / f"{step}.ckpt", out / "last.ckpt")
        (out / "small.safetensors").unlink()
        train.train_on_ratings(path, "folder", root, out, 0, out / "last.ckpt", None)
        assert_same(out, whole)
        # A validation that the checkpoint has seen is not made again, and none is left out.
        steps = [event.step for event in EventAccumulator(str(out)).Reload().Scalars("validation_mae")]
        assert (steps.count(1), steps.count(3)) == (again, 2)


def test_a_run_shows_its_maps(unbroken: Path) -> None:
    shown = EventAccumulator(str(unbroken / "whole")).Reload().Images("maps")
    assert [(image.step, image.width, image.height) for image in shown] == [(3, 3 * 64, 8 * 64), (6, 3 * 64, 8 * 64)]


def test_two_processes_reach_the_result_of_one(unbroken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (unbroken / "rated").mkdir()
    path, root = recipe(unbroken / "rated", RATED, checkpoint_every=1), rated_folder(unbroken / "set")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    both = started(unbroken, unbroken / "two", launcher=torchrun, script=Path(__file__).with_name("shared_runs.py"))
    monkeypatch.setattr(OpinionRegression, "train", in_eval_mode)
    train.train_on_ratings(path, "folder", root, unbroken / "one", 0, None, None)
    _, told = both.communicate(timeout=900)
    assert both.returncode == 0, told[-2000:]
    for kind, alone, noise in (("rated", unbroken / "one", 1e-4), ("simulated", unbroken / "whole", 0.01)):
        one, two = (validations(out, "validation_mae") for out in (alone, unbroken / "two" / kind))
        assert one.keys() == two.keys()
        assert list(two.values()) == pytest.approx(list(one.values()), abs=noise)
    start = load_file(path.with_name("small.safetensors"))
    one, two = (load_file(out / "small.safetensors") for out in (unbroken / "one", unbroken / "two" / "rated"))
    moves = [torch.cat([(end[name].float() - start[name]).flatten() for name in start]) for end in (one, two)]
    assert torch.cosine_similarity(*moves, dim=0) > 0.999


def test_a_checkpoint_of_another_run_is_refused(unbroken: Path, tmp_path: Path) -> None:
    out = unbroken / "whole"
    text = (unbroken / "recipe.toml").read_text()
    (tmp_path / "recipe.toml").write_text(text.replace("weight_decay = 0.02", "weight_decay = 0.03"))
    options = ["--recipe", tmp_path / "recipe.toml", "--data", unbroken, "--out", out, "--resume"]
    for resume, message in ((out / "last.ckpt", "begun with other recipe"), (unbroken / "recipe.toml", "is not a checkpoint")):
        run = command(*options, resume)
        assert isinstance(run.exception, SystemExit)
        assert str(run.exception).startswith("error: ") and message in str(run.exception)
    with pytest.raises(InputError, match="name with --out"):
        simulated(unbroken, tmp_path, out / "last.ckpt")


def test_a_finished_run_may_be_resumed(unbroken: Path) -> None:
    out = shutil.copytree(unbroken / "whole", unbroken / "finished")
    (out / "small.safetensors").unlink()  # killed after the last step and before the weights were written
    simulated(unbroken, out, out / "last.ckpt")
    assert_same(out, unbroken / "whole")


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_every_batch(world: int) -> None:
    shares = [list(GlobalBatches(4, 6, 1, rank, world)) for rank in range(world)]
    batches = [sum((share[i] for share in shares), []) for i in range(3)]
    assert batches == [list(range(6, 12)), list(range(12, 18)), list(range(18, 24))]
    assert len(GlobalBatches(4, 6, 1, 0, world)) == 4  # Lightning counts from the beginning of the run


@pytest.mark.parametrize("world", [1, 2, 4])
def test_every_validation_item_counts_once(world: int) -> None:
    settings = parse(RatedSettings, Path("r.toml"), RATED)
    items: Any = [{"score": torch.tensor(float(i))} for i in range(7)]
    data = RunData(settings, items, items, 4, 0)
    by_process = []
    for rank in range(world):
        data.trainer = SimpleNamespace(world_size=world, global_rank=rank)  # type: ignore[assignment]
        by_process.append(torch.cat([batch["score"] for batch in data.val_dataloader()]))
    together = torch.stack(by_process) if world > 1 else by_process[0]
    module: Any = SimpleNamespace(
        all_gather=lambda values: together, trainer=SimpleNamespace(world_size=world, datamodule=data)
    )
    assert everyone(module, by_process[0]).tolist() == list(range(7))


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    data = RunData(parse(RatedSettings, Path("r.toml"), RATED), [], [], 2, 0)  # type: ignore[arg-type]
    data.trainer = SimpleNamespace(world_size=3)  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"r\.toml: makes batches of 2, which 3 processes"):
        data.train_dataloader()


def test_agreement_is_that_of_the_mapped_scores_and_nan_without_order() -> None:
    score = torch.linspace(0.1, 0.9, 20)
    found = agreement(score, torch.sigmoid(20 * (score - 0.5)))
    assert found == pytest.approx({"validation_srocc": 1, "validation_plcc": 1}, abs=1e-3)
    assert all(np.isnan(value) for value in agreement(torch.ones(5), torch.arange(5.0)).values())


def test_the_best_checkpoint_is_of_the_first_best_validation(tmp_path: Path) -> None:
    saved = []
    best = BestCheckpoint(tmp_path / "best.ckpt", "srocc")
    for step, value in enumerate([float("nan"), 0.5, float("nan"), 0.4, 0.5, 0.6]):
        trainer: Any = SimpleNamespace(
            callback_metrics={"srocc": torch.tensor(value)}, save_checkpoint=lambda *_, step=step, **__: saved.append(step)
        )
        best.on_validation_end(trainer, None)  # type: ignore[arg-type]
        again = BestCheckpoint(tmp_path / "best.ckpt", "srocc")
        again.load_state_dict(best.state_dict())
        best = again
    assert saved == [0, 1, 5]


def test_dropout_depends_on_seed_batch_and_process() -> None:
    def drawn(seed: int, batch: int, rank: int) -> float:
        trainer: Any = SimpleNamespace(global_rank=rank)
        callbacks.SeededBatches(seed).on_train_batch_start(trainer, None, None, batch)  # type: ignore[arg-type]
        return float(torch.rand(()))

    asked = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1)]
    assert len({drawn(*each) for each in asked}) == 4
    assert drawn(1, 1, 0) == drawn(1, 1, 0)


def test_the_loss_does_without_an_artefact_head() -> None:
    settings = parse(SimulatedSettings, Path("r.toml"), SIMULATED)
    batch = {"tiles": torch.rand(4, 64, 64), "score": torch.tensor([1, 0.8, 0.5, 0.2]), "severity": torch.rand(4, 7)}
    batch |= {"score_map": torch.rand(4, 8, 8), "weight_map": torch.ones(4, 8, 8)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is no trainer to log to
        loss = QualityRegression(create_model(SMALL), settings).train().training_step(batch, 0)
    loss.backward()
    assert loss.isfinite()


def test_a_picture_has_a_row_for_each_tile() -> None:
    tiles, maps = torch.rand(3, 16, 16), torch.rand(3, 4, 4)
    assert map_picture({"tile": tiles, "predicted": maps, "teacher": maps}).shape == (48, 48, 3)
    assert map_picture({"tile": tiles, "predicted": maps}).shape == (48, 32, 3)


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        (SIMULATED, {"steps": -3}, "steps = -3: Input should be greater than or equal to 1"),
        (SIMULATED, {"steps": "many"}, "steps = 'many': Input should be a valid integer"),
        (SIMULATED, {"steps": None}, "lacks steps"),
        (SIMULATED, {"stesp": 3}, "has stesp, which this training does not know; it knows .*steps"),
        (SIMULATED, {"validate_every": 7}, "validate_every is 7, more than the 6 steps"),
        (SIMULATED, {"ema_decay": 1.5}, "ema_decay = 1.5"),
        (SIMULATED, {"precision": "16"}, "precision = '16': Input should be 'bf16-mixed' or '32-true'"),
        (SIMULATED, {"learning_rate": float("nan")}, "learning_rate = nan"),
        (SIMULATED, {"model": "large"}, "trains large, but .*small.safetensors is small"),
        (SIMULATED, {"start_from": "packaged"}, "trains 'small', which is no preset"),
        (SIMULATED, {"start_from": "packaged", "model": "miqanet_b8"}, 'write start_from = "timm"'),
        (SIMULATED, {"start_from": "absent.safetensors"}, "absent.safetensors: cannot be read"),
        (RATED, {"batch_size": 0}, "batch_size = 0"),
        (RATED, {"validation_share": 1.0}, "validation_share = 1.0"),
        (RATED, {"steps": 4}, "has steps"),
    ],
)
def test_a_bad_value_is_told_with_the_recipe_and_the_cure(
    tmp_path: Path, settings: dict[str, object], changes: dict[str, object], message: str
) -> None:
    kind: Any = SimulatedSettings if settings is SIMULATED else RatedSettings
    path = recipe(tmp_path, settings, **changes)
    with pytest.raises((InputError, ModelError), match=message) as caught:
        starting_network(parse(kind, path, read_recipe(path, with_sources=settings is SIMULATED)["training"]))
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ModelError) or str(caught.value).startswith(str(path))


def test_artifacts_that_are_not_known_are_refused() -> None:
    for frequency, message in (({"sparkles": 1.0}, "no artefact is called sparkles"), ({"blur": 0.0}, "at least one")):
        with pytest.raises(InputError, match=f"artifacts.*{message}"):
            parse(SimulatedSettings, Path("r.toml"), SIMULATED | {"artifacts": frequency})


def test_pre_training_that_no_hub_gives_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(model: str, pretrained: bool = False) -> None:
        raise ModelError("no pre-trained weights for 'vit': no hub could be reached; use pretrained=False")

    monkeypatch.setattr("starting.create_model", unreachable)
    settings = parse(RatedSettings, Path("b8.toml"), RATED | {"model": "miqanet_b8", "start_from": "timm"})
    with pytest.raises(InputError, match=r"b8\.toml: starts from timm: no pre-trained .*; run it once where timm reaches"):
        starting_network(settings)


# Beside them lie lists of subjects that a recipe may take.
LISTS = {RECIPES / name for name in ("more_subjects.toml", "bodies.toml", "more_bodies.toml")}
RECIPE_FILES = sorted(set(RECIPES.glob("*.toml")) - LISTS)


@pytest.mark.parametrize("file", RECIPE_FILES, ids=lambda file: file.stem)
def test_the_recipes_are_good(file: Path) -> None:
    rated = "epochs" in file.read_text()
    read = read_recipe(file, with_sources=not rated)
    parse(RatedSettings if rated else SimulatedSettings, file, read["training"])
    assert rated or {source.split for source in read["source"]} == {"train", "validation", "test"}


def test_the_command_wants_one_kind_of_data(tmp_path: Path) -> None:
    path = recipe(tmp_path, RATED)
    for options in ([], ["--dataset", "folder"], ["--root", tmp_path], ["--data", tmp_path, "--dataset", "folder"]):
        assert command("--recipe", path, *options).exit_code == 2


def test_early_stopping_stops_and_stays_stopped(tmp_path: Path) -> None:
    # The rate is too small to change an order: no validation is better than the first.
    path = recipe(tmp_path, RATED, epochs=9, learning_rate=1e-12, patience=2, ema_decay=0.5)
    options = ["--recipe", path, "--dataset", "folder", "--root", rated_folder(tmp_path / "set"), "--out", tmp_path / "out"]
    options += ["--workers", "0"]
    assert command(*options).exit_code == 0
    assert len(validations(tmp_path / "out")) == 3
    again = command(*options, "--resume", tmp_path / "out" / "last.ckpt")
    assert again.exit_code == 0, again.output
    assert len(validations(tmp_path / "out")) == 3
