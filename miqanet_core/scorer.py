"""From a series to its quality: slices are cut into tiles, the network scores them, the maps are put together again."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from miqanet_core.baseline import Baseline
from miqanet_core.domain import Domain, unlike_by_facts
from miqanet_core.errors import ModelError, OutOfMemory
from miqanet_core.findings import ArtifactReader, Findings
from miqanet_core.model import NetworkOutput, fold_for_scoring, load_model, unfuse_attention
from miqanet_core.policy import Policy
from miqanet_core.quality import ModelIdentity, SeriesQuality, SliceQuality
from miqanet_core.series import MRSeries
from miqanet_core.transforms import SliceMap, TileGrid, normalise, to_network, within_body
from miqanet_core.uncertainty import ScoreInterval

# Called once a slice, in order: index from 0, and the slice's score or None. May raise to stop the scoring.
Progress = Callable[[int, float | None], None]

# A batch on a GPU: what a tile's pixel takes at the network's widest place, measured generously; and on a CPU, what was
# fastest: what a batch needs in between must fit into its caches.
_BYTES_PER_PIXEL = 4096
_CPU_BATCH = {torch.float32: 4, torch.bfloat16: 8}
# Threads that cut slices into tiles while a GPU computes. Where the CPU computes, they were 2 to 5 % slower than taking turns.
_CUTTING_THREADS = 4


def choose_device(device: str) -> torch.device:
    """``auto``: CUDA, else MPS, else the CPU; otherwise the device named (cpu, cuda, cuda:1, mps). ModelError if absent."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ModelError(f"no device is called {device!r}; use auto, cpu, cuda, cuda:1 or mps") from None
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (chosen.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(chosen.type, False):
        raise ModelError(f"this machine has no device {device!r} that torch can use; use auto or cpu")
    return chosen


def choose_precision(precision: str, device: torch.device) -> torch.dtype:
    """``auto``: bfloat16 on a CUDA device that computes in it, else float32: a CPU's numbers are the same everywhere."""
    if precision == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if fast else torch.float32
    try:
        return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    except KeyError:
        raise ModelError(f"no precision is called {precision!r}; use auto, fp32 or bf16") from None


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.cuda.OutOfMemoryError) or any(
        text in str(error) for text in ("out of memory", "not enough memory", "can't allocate memory")
    )


class ScoredSlice(NamedTuple):
    """One slice: score 0..100 or None, its quality map, and what the network said of each of its tiles."""

    score: float | None
    map: np.ndarray
    output: NetworkOutput | None = None


@dataclass(eq=False)
class _SliceInWork:
    """A slice until the last of its ``tiles`` tiles is scored."""

    image: np.ndarray
    map: SliceMap
    tiles: int
    outputs: list[NetworkOutput] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return len(self.outputs) == self.tiles

    def add(self, start: tuple[int, int], output: NetworkOutput) -> None:
        self.map.add(start, output.score_map.clamp(0, 1), output.weight_map)
        self.outputs.append(output)

    def result(self) -> ScoredSlice:
        if not self.outputs:
            return ScoredSlice(None, _unscored(self.image))
        together = NetworkOutput(*(torch.stack(values) for values in zip(*self.outputs, strict=True)))
        return ScoredSlice(100 * self.map.score(), 100 * self.map.quality_map(), together)


class _Tile(NamedTuple):
    """A normalised tile that waits for the network: of which slice, from where in it."""

    of: _SliceInWork
    start: tuple[int, int]
    pixels: np.ndarray


def _cut(image: np.ndarray, grid: TileGrid) -> tuple[_SliceInWork, list[_Tile]]:
    """The tiles of a slice (rows, columns) that show anatomy."""
    starts = grid.with_anatomy(image)
    padded = grid.pad(normalise(image[None])[0])
    work = _SliceInWork(image, SliceMap(grid), len(starts))
    return work, [_Tile(work, start, grid.cut(padded, start)) for start in starts]


def _cut_ahead(voxels: np.ndarray, grid: TileGrid, threads: int, most: int) -> Iterator[tuple[_SliceInWork, list[_Tile]]]:
    """:func:`_cut` of each slice in order; ``threads`` cut the next ``most`` while one is used. Without threads, when asked."""
    if not threads:
        yield from (_cut(image, grid) for image in voxels)
        return
    ahead: deque[Future[tuple[_SliceInWork, list[_Tile]]]] = deque()
    with ThreadPoolExecutor(threads, "cutting") as pool:
        for image in voxels:
            ahead.append(pool.submit(_cut, image, grid))
            if len(ahead) > most:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


class Scorer:
    """Scores series with one network on one device; threads may share it.

    ``model``: "default", the name of a model whose weights ship, or a weights file. ``device``: see :func:`choose_device`.
    ``precision``: see :func:`choose_precision`. ``policy``: thresholds, the shipped ones when None. ``batch_size``: tiles at
    once, None for as many as the memory should hold; halved and tried again when it does not. ``baseline``: what is normal at
    the site, None for absolute thresholds only. ModelError when the model, the device or the precision cannot be used, or the
    baseline is another model's. ``device`` and ``precision`` tell what was chosen: "cuda:1", "bf16".
    """

    def __init__(
        self,
        model: str | Path = "default",
        device: str = "auto",
        precision: str = "auto",
        policy: Policy | None = None,
        batch_size: int | None = None,
        baseline: Baseline | None = None,
    ) -> None:
        self._device = choose_device(device)
        self._dtype = choose_precision(precision, self._device)
        self.device = str(self._device)
        self.precision = "bf16" if self._dtype == torch.bfloat16 else "fp32"
        loaded = load_model(model)
        self._identity = loaded.identity
        if baseline is not None:
            baseline.check_model(loaded.identity)
        self._baseline = baseline
        self._reader = ArtifactReader.from_extras(loaded.config.artifacts, loaded.extras)
        self._interval = ScoreInterval.from_extras(loaded.extras)
        self._domain = Domain.from_extras(loaded.extras)
        # Channels last is how a CPU's and a tensor core's convolutions read fastest.
        self._network = fold_for_scoring(loaded.network).to(self._device).to(memory_format=torch.channels_last)
        if self._device.type == "cpu" and self._dtype == torch.bfloat16:
            unfuse_attention(self._network)
        self._tile = loaded.config.tile_size
        self._patch = self._tile // self._network.global_branch.grid
        self._policy = policy or Policy.default()
        self._batch_size = batch_size or self._fitting_batch()
        self._cutting_threads = 0 if self._device.type == "cpu" else min(_CUTTING_THREADS, os.cpu_count() or 1)

    @property
    def identity(self) -> ModelIdentity:
        """Which weights give the numbers."""
        return self._identity

    def score(self, series: MRSeries, progress: Progress | None = None) -> SeriesQuality:
        """The quality of ``series``; ``progress`` is told of each slice in order, and what it raises stops the scoring.

        A series that is unlike the MR the model knows has no score, and a slice of noise beyond the body has none, though
        ``progress`` was told one: both are a matter of all slices together.
        """
        refusal = unlike_by_facts(series)
        return self._conclude(series, [] if refusal else self.slices(series.voxels, progress), refusal)

    def conclude(self, series: MRSeries, slices: Sequence[ScoredSlice]) -> SeriesQuality:
        """What :meth:`score` says of ``series``, from its ``slices`` that were scored one by one, as they came."""
        return self._conclude(series, slices, unlike_by_facts(series))

    def _conclude(self, series: MRSeries, slices: Sequence[ScoredSlice], refusal: str | None) -> SeriesQuality:
        facts = {
            "description": series.description,
            "modality": series.modality,
            "size": list(series.size),
            "notes": list(series.notes),
        }
        in_domain = None
        if refusal is None:
            pairs = zip(slices, series.voxels, within_body(series.voxels), strict=True)
            slices = [scored if inside else ScoredSlice(None, _unscored(image)) for scored, image, inside in pairs]
            if self._domain is not None and any(s.output for s in slices):
                in_domain, refusal = self._domain.judge([s.output.features.numpy() for s in slices if s.output])
        if refusal:
            in_domain, slices = False, [ScoredSlice(None, _unscored(image)) for image in series.voxels]
        normal = None if self._baseline is None or refusal else self._baseline.normal_of(series)
        judgement = self._policy.judge([s.score for s in slices], refusal, normal)
        findings = [self._findings(s) for s in slices]
        return SeriesQuality(
            series=facts,
            model=self._identity,
            score=judgement.score,
            verdict=judgement.verdict,
            flagged=judgement.flagged,
            reasons=judgement.reasons,
            slices=tuple(SliceQuality(i, slices[i].score, judgement.slice_flags[i], *findings[i]) for i in range(len(slices))),
            in_domain=in_domain,
            interval=None if judgement.score is None or self._interval is None else self._interval.around(judgement.score),
            normal=normal,
            map=np.stack([s.map for s in slices]),
        )

    def slices(self, voxels: np.ndarray, progress: Progress | None = None) -> list[ScoredSlice]:
        """Score slices (slices, rows, columns) one by one, with no verdict; ``progress`` as for :meth:`score`."""
        _, rows, columns = voxels.shape
        grid = TileGrid(rows, columns, self._tile, self._patch)
        in_work: deque[_SliceInWork] = deque()
        waiting: deque[_Tile] = deque()
        finished: list[ScoredSlice] = []
        batch = self._batch_size

        def finish() -> None:
            """Take up the slices that have all their tiles, in order."""
            while in_work and in_work[0].complete:
                finished.append(in_work.popleft().result())
                if progress is not None:
                    progress(len(finished) - 1, finished[-1].score)

        for work, tiles in _cut_ahead(voxels, grid, self._cutting_threads, batch):
            in_work.append(work)
            waiting.extend(tiles)
            while len(waiting) >= batch:
                batch = self._run(waiting, batch)
                finish()
        while waiting:
            batch = self._run(waiting, batch)
            finish()
        finish()
        return finished

    def _findings(self, scored: ScoredSlice) -> Findings:
        if self._reader is None or scored.output is None:
            return Findings({}, ())
        return self._reader.read(*(values.mean(0).numpy() for values in (scored.output.presence, scored.output.severity)))

    def _run(self, waiting: deque[_Tile], batch: int) -> int:
        """Score the first ``batch`` waiting tiles; returns the batch size that the memory turned out to hold."""
        while True:
            chosen = [waiting[i] for i in range(min(batch, len(waiting)))]
            try:
                output = self._forward(np.stack([tile.pixels for tile in chosen]))
                break
            except RuntimeError as error:
                if not _out_of_memory(error):
                    raise
            if len(chosen) == 1:
                raise OutOfMemory(f"not enough memory on {self.device} for one tile; close other programs or use --device cpu")
            batch = max(1, len(chosen) // 2)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
        for i, tile in enumerate(chosen):
            tile.of.add(tile.start, NetworkOutput(*(values[i] for values in output)))
            waiting.popleft()
        return batch

    def _forward(self, tiles: np.ndarray) -> NetworkOutput:
        with torch.inference_mode(), torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            images = to_network(torch.from_numpy(tiles).to(self._device))
            output = self._network(images.contiguous(memory_format=torch.channels_last))
            return NetworkOutput(*(values.float().cpu() for values in output))

    def _fitting_batch(self) -> int:
        if self._device.type != "cuda":
            return _CPU_BATCH[self._dtype]
        free, _ = torch.cuda.mem_get_info(self._device)
        return int(min(256, max(1, free // (2 * _BYTES_PER_PIXEL * self._tile**2))))


def _unscored(image: np.ndarray) -> np.ndarray:
    return np.full(image.shape, np.nan, np.float32)
