"""Many series in one command: one at a time in memory, results as they come, shards that are the whole together."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

import cli_stand_ins
from miqanet_core.cli import app, backend, kept
from miqanet_core.cli.outputs import Targets
from miqanet_core.readers import Shard, ahead
from miqanet_core.series import MRSeries
from mr_samples import slice_like
from readers.dicom_maker import mr_image, noise, save
from report_samples import make_series

HERE = Path(__file__).parent
MANY = 30


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty DICOM series of one to three slices."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(MANY):
        for index in range(1 + number % 3):
            tags = {"SeriesInstanceUID": f"1.2.3.{number}", "SeriesNumber": number, "SeriesDescription": "t2"}
            image = mr_image(noise(number) // 10, **tags, ImagePositionPatient=[0, 0, index])
            save(image, folder / f"{number}-{index}.dcm")
    (folder / "cut.dcm").write_bytes(b"\0" * 128 + b"DICM")
    return folder


@pytest.fixture
def miqanet(monkeypatch, capfd, tmp_path):
    """Run the command in an empty folder with the real reader and the stand-in scorer."""
    monkeypatch.setattr(backend, "make_scorer", cli_stand_ins.StandInScorer)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            app([str(a) for a in arguments], prog_name="miqanet")
        captured = capfd.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return run


@pytest.mark.parametrize("targets", [[], ["--html", "q.html", "--out", "results"]])
def test_only_a_few_series_are_ever_in_memory_with_stand_in_scorer(miqanet, archive, monkeypatch, targets):
    alive: weakref.WeakSet[MRSeries] = weakref.WeakSet()
    counts = []
    receive, score = ahead._receive, cli_stand_ins.StandInScorer.score

    def watched(connection):
        found = receive(connection)
        if isinstance(found, MRSeries):
            alive.add(found)
        return found

    def counting(self, series, progress=None):
        counts.append(len(alive))
        return score(self, series, progress)

    monkeypatch.setattr(ahead, "_receive", watched)
    monkeypatch.setattr(cli_stand_ins.StandInScorer, "score", counting)
    status, _, err = miqanet("score", archive, *targets, "--progress", "none")
    assert status == 1
    assert "cut.dcm" in err
    assert len(counts) == MANY
    # The one that is scored, one that waits, one in the reading thread's hand, one on its way between two.
    assert 1 <= max(counts) <= 4


def test_a_result_is_shown_before_the_next_series_is_asked_for_with_stand_in_scorer(miqanet, monkeypatch, capfd):
    shown = []

    class Reading(cli_stand_ins.StandInReading):
        def __iter__(self):
            for number in range(3):
                shown.append(capfd.readouterr().out.count(": 80.0 diagnostic"))
                yield make_series([80.0], f"series {number}")

    monkeypatch.setattr(backend, "read_ahead", Reading)
    assert miqanet("score", "some", "--progress", "none")[0] == 0
    assert shown == [0, 1, 1]


@pytest.mark.parametrize("in_memory", [64 << 20, 1])
def test_results_kept_on_disk_are_those_kept_in_memory_with_stand_in_scorer(miqanet, monkeypatch, tmp_path, in_memory):
    monkeypatch.setattr(kept, "_IN_MEMORY", in_memory)
    monkeypatch.setattr(backend, "read_ahead", cli_stand_ins.StandInReading)
    monkeypatch.setattr(backend, "scan", cli_stand_ins.scan)
    assert miqanet("score", "limited", "two", "--json", "q.json", "--csv", "q.csv", "--html", "q.html")[0] == 0
    documents = json.loads((tmp_path / "q.json").read_text(encoding="utf-8"))
    assert [document["score"] for document in documents] == [65.0, 80.0, 25.0]
    assert (tmp_path / "q.json").read_text(encoding="utf-8") == json.dumps(documents, indent=2, ensure_ascii=False) + "\n"
    with (tmp_path / "q.csv").open(encoding="utf-8", newline="") as file:
        assert [row["slice"] for row in csv.DictReader(file)] == ["1", "2", "3", "1", "2", "3", "4", "1", "2"]
    page = (tmp_path / "q.html").read_text(encoding="utf-8")
    assert page.count("same name") >= 2
    assert "Bild für Ärzte 脳" in page


def test_no_room_for_results_is_one_line_with_stand_in_scorer(miqanet, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backend, "read_ahead", cli_stand_ins.StandInReading)
    monkeypatch.setattr(backend, "scan", cli_stand_ins.scan)
    monkeypatch.setattr(kept.pickle, "dump", full)
    status, _, err = miqanet("score", "good", "--json", "q.json")
    assert status == 1
    assert "cannot hold the results (No space left on device); free some space or set TMPDIR" in err


# Shards

COMMAND = (
    "import sys; sys.path[:0] = {paths!r}\n"
    "import cli_stand_ins\n"
    "from miqanet_core.cli import backend, main\n"
    "backend.make_scorer = cli_stand_ins.StandInScorer\n"
    "main()\n"
)


def documents(text: str) -> list[dict]:
    found = json.loads(text)
    return sorted(found if isinstance(found, list) else [found], key=lambda d: d["series"]["identity"]["series_uid"])


def test_two_processes_score_the_whole_between_them_with_stand_in_scorer(miqanet, archive, tmp_path):
    assert miqanet("score", archive, "--json", "whole.json", "--identity", "--progress", "none")[0] == 1
    whole = documents((tmp_path / "whole.json").read_text(encoding="utf-8"))
    code = COMMAND.format(paths=[str(HERE.parents[1]), str(HERE)])
    arguments = ["score", str(archive), "--json", "part.json", "--csv", "part.csv", "--out", "results", "--identity"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments, "--shard", f"{index}/2"],
            cwd=tmp_path, env=os.environ, stderr=subprocess.PIPE, text=True,
        )
        for index in (1, 2)
    ]  # fmt: skip
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 1]
    assert sum("cut.dcm" in text for text in told) == 1
    parts = [documents((tmp_path / f"part.{index}-of-2.json").read_text(encoding="utf-8")) for index in (1, 2)]
    assert sorted(parts[0] + parts[1], key=lambda d: d["series"]["identity"]["series_uid"]) == whole
    assert min(map(len, parts)) > MANY // 4
    for index, part in zip((1, 2), parts, strict=True):
        assert len(list((tmp_path / "results" / f"{index}-of-2").glob("*.json"))) == len(part)
        assert (tmp_path / "results" / f"{index}-of-2" / "index.html").is_file()
        assert (tmp_path / f"part.{index}-of-2.csv").is_file()


def test_ctrl_c_says_stopped_and_leaves_no_process_with_stand_in_scorer(tmp_path):
    save(mr_image(noise(0) // 10, SeriesDescription="slow"), tmp_path / "a.dcm")
    code = COMMAND.format(paths=[str(HERE.parents[1]), str(HERE)])
    process = subprocess.Popen(
        [sys.executable, "-c", code, "score", str(tmp_path)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "scoring\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    assert process.communicate(timeout=60)[1] == "miqanet: stopped\n"
    assert process.returncode == 130
    deadline = time.monotonic() + 20
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.05)


def test_a_shard_without_series_writes_empty_lists_with_stand_in_scorer(miqanet, tmp_path):
    save(mr_image(noise(0), SeriesInstanceUID="1.2.3"), tmp_path / "in" / "a.dcm")
    empty = next(index for index in (1, 2) if not Shard(index, 2).has("1.2.3"))
    status, out, err = miqanet("score", "in", "--json", "q.json", "--csv", "q.csv", "--shard", f"{empty}/2")
    assert (status, out) == (0, "")
    assert json.loads((tmp_path / f"q.{empty}-of-2.json").read_text()) == []
    assert len((tmp_path / f"q.{empty}-of-2.csv").read_text().splitlines()) == 1


def test_names_of_a_shard(tmp_path):
    targets = Targets(out=Path("r"), json=Path("-"), overlay=Path("a/map.nii.gz"), csv=Path("scores"))
    assert targets.of(Shard(1, 1)) == targets
    sharded = targets.of(Shard(2, 4))
    assert (sharded.out, sharded.json) == (Path("r/2-of-4"), Path("-"))
    assert (sharded.overlay, sharded.csv) == (Path("a/map.2-of-4.nii.gz"), Path("scores.2-of-4"))


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "²/4"])
def test_a_shard_that_is_none_is_wrong_usage_with_stand_in_scorer(miqanet, tmp_path, shard):
    status, out, err = miqanet("score", "absent", "--shard", shard)
    assert (status, out) == (2, "")
    assert err.startswith(f"miqanet: --shard {shard}: ")


def test_a_shard_is_told_by_the_name_alone():
    names = [f"1.2.840.{n}" for n in range(4000)]
    for count in (2, 3, 7):
        shards = [[name for name in names if Shard(index, count).has(name)] for index in range(1, count + 1)]
        assert sorted(name for shard in shards for name in shard) == sorted(names)
        assert max(map(len, shards)) < 1.3 * len(names) / count
    # The same on every machine and in every version: an archive may be shared by several.
    assert [Shard(1, 2).has(name) for name in ("1.2.3", "1.2.4", "brain.nii.gz", "ü.png")] == EXPECTED


EXPECTED = [True, True, False, True]


# The real scorer: what a series scores depends on nothing but the series. That the batch does not matter is in test_scorer.


def test_scores_depend_on_no_series_that_went_before() -> None:
    from miqanet_core import Scorer

    first, second = (MRSeries(slice_like(200, 200, seed)[None], None, "a", "MR") for seed in (1, 2))
    scorer = Scorer(device="cpu", batch_size=3)
    alone = scorer.score(second).to_json()
    scorer.score(first)
    assert scorer.score(second).to_json() == alone
