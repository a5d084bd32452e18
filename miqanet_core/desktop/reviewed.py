"""A series in the window and what is known of it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import numpy as np

from miqanet_core.desktop.workspace import MAP
from miqanet_core.policy import Policy, format_score
from miqanet_core.presenter import provisional_slice, verdict_text
from miqanet_core.quality import SeriesQuality, SliceQuality
from miqanet_core.series import MRSeries


class State(Enum):
    """How far a series has come."""

    OPENED = "not scored yet"
    WAITING = "waiting"
    SCORING = "scoring"
    SCORED = "scored"
    FAILED = "could not be scored"


@dataclass(eq=False)
class ReviewedSeries:
    """``number`` is its place in the list. ``result_file``: the JSON beside which report, CSV and overlay lie.

    ``map``: the quality map, (slices, rows, columns), 0..100, NaN where not scored; None before it is scored. ``origin``: in
    words where a result comes from that was not made here, or why there is none; "" for a series of a file.
    """

    number: int
    series: MRSeries
    origin: str = ""
    state: State = State.OPENED
    fault: str = ""
    quality: SeriesQuality | None = None
    map: np.ndarray | None = None
    result_file: Path | None = None
    _coming: list[SliceQuality] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the list calls it."""
        return self.series.description or f"Series {self.number + 1}"

    @property
    def slices(self) -> Sequence[SliceQuality]:
        """Judged ones; while it is being scored, those that have come so far."""
        return self.quality.slices if self.quality is not None and self.state is State.SCORED else self._coming

    @property
    def tag(self) -> str:
        """Score and verdict, or what it waits for, on one short line."""
        if self.state is State.SCORING:
            return f"scoring, {len(self._coming)} of {len(self.series.voxels)}"
        if self.state is not State.SCORED or self.quality is None:
            return self.state.value
        verdict = verdict_text(self.quality.verdict)
        return verdict if self.quality.score is None else f"{format_score(self.quality.score)}  {verdict}"

    def wait(self) -> None:
        """It is in line to be scored."""
        self.state, self.fault, self._coming = State.WAITING, "", []

    def add(self, index: int, score: float | None, policy: Policy) -> None:
        """A slice's score has come."""
        self._coming.append(provisional_slice(index, score, policy))

    def finish(self, result_file: Path) -> None:
        """The result has come. OSError or ValueError when its files cannot be read."""
        self.quality = SeriesQuality.from_json(result_file.read_text(encoding="utf-8"))
        map_file = result_file.parent / MAP
        self.map = np.load(map_file, mmap_mode="r") if map_file.is_file() else None
        self.state, self.result_file = State.SCORED, result_file

    def give_up(self, fault: str = "") -> None:
        """Scoring ended without a result; an earlier one stands again."""
        self.fault, self._coming = fault, []
        self.state = State.SCORED if self.quality is not None else State.FAILED if fault else State.OPENED
