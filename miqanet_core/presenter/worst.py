"""The slices that deserve a look first."""

from __future__ import annotations

from collections.abc import Iterable

from miqanet_core.quality import SliceQuality


def worst_slices(slices: Iterable[SliceQuality], count: int | None = None) -> list[SliceQuality]:
    """The scored slices, worst first, all or the first ``count``; equals stay in the slices' order."""
    scored = [(s.score, s.index, s) for s in slices if s.score is not None]
    return [s for _, _, s in sorted(scored, key=lambda item: item[:2])[:count]]


def next_worst(slices: Iterable[SliceQuality], after: int | None = None) -> int | None:
    """Index of the slice that is next to look at: the worst, or the one behind slice ``after`` in order of badness.

    ``after`` is the slice last jumped to, so that stepping to its neighbours in between loses nothing. None: no more.
    """
    order = [s.index for s in worst_slices(slices)]
    rank = order.index(after) + 1 if after in order else 0
    return order[rank] if rank < len(order) else None


def previous_worst(slices: Iterable[SliceQuality], before: int | None) -> int | None:
    """Index of the slice that is just worse than slice ``before``; None when ``before`` is the worst or not scored."""
    order = [s.index for s in worst_slices(slices)]
    rank = order.index(before) if before in order else 0
    return order[rank - 1] if rank else None
