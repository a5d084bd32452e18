"""The window's worker process with the reader and the scorer of ``cli_stand_ins`` in it; one series makes it crash."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

import cli_stand_ins
from miqanet_core.cli import backend, review_worker


class CrashingScorer(cli_stand_ins.StandInScorer):
    """Ends its process in the middle of a series called "last"."""

    def score(self, series, progress=None):
        if series.description == "last":
            os.kill(os.getpid(), 9)
        return super().score(series, progress)


if __name__ == "__main__":
    cli_stand_ins.install()
    backend.make_scorer = CrashingScorer
    review_worker.main()
