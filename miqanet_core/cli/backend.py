"""Where the command meets the library's heavy parts; imported on first use, and the one seam that tests replace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from miqanet_core.baseline import Baseline
from miqanet_core.errors import InputError
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality
from miqanet_core.series import MRSeries

if TYPE_CHECKING:
    from miqanet_core.readers import ReadResult, Shard

SliceProgress = Callable[[int, float | None], None]


class SeriesScorer(Protocol):
    """What the command needs of a scorer."""

    device: str
    precision: str

    def score(self, series: MRSeries, progress: SliceProgress | None = None) -> SeriesQuality:
        """Score every slice; ``progress(index, score)`` as each stands."""
        ...


class Reading(Protocol):
    """What the command needs of reading ahead: see :class:`~miqanet_core.readers.ReadAhead`."""

    anything: bool

    def __enter__(self) -> Reading: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None: ...
    def __iter__(self) -> Iterator[MRSeries | InputError]: ...


def make_scorer(model: str, device: str, precision: str, policy: Policy, baseline: Baseline | None = None) -> SeriesScorer:
    """The scorer that the options ask for; ModelError when there is no such model, device or precision, or the baseline is
    another model's."""
    from miqanet_core.scorer import Scorer

    return Scorer(model=model, device=device, precision=precision, policy=policy, baseline=baseline)


def scan(path: Path, progress: Callable[[int, int], None] | None = None) -> ReadResult:
    """Everything that can be read below a path, with what could not be."""
    from miqanet_core import readers

    return readers.scan(path, progress)


def read_ahead(paths: Sequence[Path], progress: Callable[[int, int], None], shard: Shard) -> Reading:
    """The series below the paths, one after another, read in processes of their own while others are scored."""
    from miqanet_core import readers

    return readers.ReadAhead(paths, progress, shard)


def stream(path: Path, failures: list[InputError], progress: Callable[[int, int], None] | None = None) -> Iterator[MRSeries]:
    """The same, one series after another; what could not be read is in ``failures`` when the last has come."""
    from miqanet_core import readers

    return readers.stream(path, readers.ReadResult(failures=failures), progress)


def simulate(image: np.ndarray, name: str, severity: float, seed: int) -> np.ndarray:
    """The slice with a simulated artefact."""
    from miqanet_core.artifacts import simulate as simulate_artifact

    return simulate_artifact(image, name, severity, seed)
