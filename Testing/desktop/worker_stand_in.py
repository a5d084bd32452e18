"""The window's worker process with the reader and the scorer of ``cli_stand_ins`` in it, for names that are no files.

A file is read by the real reader, and its slices scored by their brightness in no time. One series ends the process.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

import cli_stand_ins
from miqanet_core.cli import backend, review_worker

SLICE_S = 0.01
read_file = backend.stream


def stream(path, failures, progress=None):
    """The series of a file, or what the stand-in knows under the name."""
    return (read_file if path.exists() else cli_stand_ins.stream)(path, failures, progress)


class Scorer(cli_stand_ins.StandInScorer):
    """Ends its process in the middle of a series called "last"."""

    def score(self, series, progress=None):
        if series.description == "last":
            os.kill(os.getpid(), 9)
        if not series.sources:
            return super().score(series, progress)

        def slowly(index, score):
            time.sleep(SLICE_S)
            progress(index, score)

        return super().score(replace(series, voxels=100 * series.voxels / series.voxels.max()), slowly)


if __name__ == "__main__":
    cli_stand_ins.install()
    backend.stream, backend.make_scorer = stream, Scorer
    review_worker.main()
