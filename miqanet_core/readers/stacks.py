"""Frames of one DICOM series sorted into stacks: slices that belong together, in the order they have in the patient.

A series may hold several stacks: the orientations of a localiser, the echoes, phases, b-values or time points of one volume,
water and fat of a Dixon series. Two frames at one place cannot be of one stack, so what differs between such frames (and only
that) is what the series is split by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from miqanet_core.errors import InputError
from miqanet_core.readers.dicom_frames import Frame
from miqanet_core.series import Geometry

# Frames nearer to each other than this along the normal, in mm, are at one place: positions are written with limited digits.
SAME_PLACE = 0.01
_SAME_DIRECTION = 0.01
_SAME_SPACING = 0.001
_ANOTHER_STATION = 1.0
_PLANES = ("sagittal", "coronal", "axial")
_NAMES = {
    "M": "magnitude", "MAGNITUDE": "magnitude", "P": "phase", "PHASE": "phase", "R": "real", "REAL": "real",
    "I": "imaginary", "IMAGINARY": "imaginary", "W": "water", "WATER": "water", "F": "fat", "FAT": "fat",
    "IP": "in phase", "IN_PHASE": "in phase", "OP": "out of phase", "OPP_PHASE": "out of phase", "OUT_PHASE": "out of phase",
}  # fmt: skip
# In this order a tag is tried on frames that share a place. The second value labels by the tag's value, the third by its rank.
_TAGS = (
    ("station", "", "station"),
    ("stack", "stack {}", "stack"),
    ("component", "{}", "kind"),
    ("echo", "echo {}", "echo"),
    ("echo_time", "TE {} ms", "echo"),
    ("b_value", "b-value {}", "b-value"),
    ("gradient", "", "direction"),
    ("inversion_time", "TI {} ms", "inversion"),
    ("flip_angle", "flip angle {}", "flip angle"),
)
# These order time points. Each is used only if it tells all frames at every place apart.
_TIMES = ("temporal_position", "trigger_time", "acquisition", "acquisition_time", "content_time", "dimension")


@dataclass(frozen=True)
class Stack:
    """Frames in the order of their slices, and the words that tell the stack from the series' others."""

    frames: list[Frame]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Placed:
    """A frame with the number of the place along the normal that it lies at, counted from 0, and its tags."""

    frame: Frame
    place: int
    tags: dict[str, Hashable]


def stacks_of(frames: Sequence[Frame]) -> list[Stack]:
    """Sort the frames of one series into stacks. Raises InputError when the order of the slices cannot be known."""
    stacks = [Stack(sorted(frames, key=lambda frame: frame.order))]
    for split in (_by_size, _by_cine, _by_orientation, _by_spacing, _by_place):
        stacks = [replace(part, labels=stack.labels + part.labels) for stack in stacks for part in split(stack.frames)]
    return stacks


def _partition(frames: list[Frame], keys: Sequence[Any], label: Callable[[list[Frame]], str]) -> list[Stack]:
    """One stack for each key, in the order in which the keys are first met; labelled only when there are several."""
    parts: dict[Any, list[Frame]] = {}
    for frame, key in zip(frames, keys, strict=True):
        parts.setdefault(key, []).append(frame)
    if len(parts) == 1:
        return [Stack(frames)]
    labels = [label(part) for part in parts.values()]
    return [Stack(part, (name,)) for part, name in zip(parts.values(), _numbered(labels), strict=True)]


def _numbered(labels: list[str]) -> list[str]:
    """Labels that occur more than once get a number: "axial 1", "axial 2"."""
    return [
        f"{label} {labels[: index + 1].count(label)}" if labels.count(label) > 1 else label
        for index, label in enumerate(labels)
    ]


def _clusters(points: np.ndarray, tolerance: float) -> list[int]:
    """Number the points (n, d) so that those within ``tolerance`` of the first of a cluster share a number."""
    centres: list[np.ndarray] = []
    numbers = []
    for point in points:
        distances = np.abs(np.array(centres).reshape(-1, points.shape[1]) - point).max(axis=1)
        nearest = int(np.argmin(distances)) if len(centres) else -1
        if nearest < 0 or distances[nearest] > tolerance:
            centres.append(point)
            nearest = len(centres) - 1
        numbers.append(nearest)
    return numbers


def _by_size(frames: list[Frame]) -> list[Stack]:
    """Slices of different matrix sizes cannot share an array."""
    keys = [(frame.rows, frame.columns) for frame in frames]
    return _partition(frames, keys, lambda part: f"{part[0].columns} x {part[0].rows}")


def _by_cine(frames: list[Frame]) -> list[Stack]:
    """A file whose many frames have no place of their own is a stack by itself, in its own order."""
    files = Counter(frame.source for frame in frames if not frame.has_place)
    keys = [frame.source if files[frame.source] > 1 else None for frame in frames]
    return _partition(frames, keys, lambda part: "cine" if files[part[0].source] > 1 else "single frames")


def _by_orientation(frames: list[Frame]) -> list[Stack]:
    """One stack for each orientation of a localiser. Without geometry only the frames of one file have an order."""
    lost = [frame for frame in frames if not frame.has_place]
    if not lost:
        orientations = np.array([frame.orientation for frame in frames])
        return _partition(frames, _clusters(orientations, _SAME_DIRECTION), _plane)
    if len({frame.source for frame in frames}) == 1:
        return [Stack(frames)]
    raise InputError(
        lost[0].source,
        f"has no position or orientation, so its place among the {len(frames)} images of its series cannot be known",
        "export it again with Image Position (Patient) and Image Orientation (Patient), or score its files one at a time",
    )


def _plane(part: list[Frame]) -> str:
    return _PLANES[int(np.argmax(np.abs(part[0].normal)))]


def _by_spacing(frames: list[Frame]) -> list[Stack]:
    spacings = np.array([frame.pixel_spacing or (0.0, 0.0) for frame in frames])
    numbers = _clusters(spacings, _SAME_SPACING)
    return _partition(frames, numbers, lambda part: f"pixels of {_short((part[0].pixel_spacing or (0.0,))[0])} mm")


def _by_place(frames: list[Frame]) -> list[Stack]:
    """Split until no two frames of a stack lie at one place, then sort by place (PS3.3 C.7.6.2.1.1)."""
    if not frames[0].has_place:
        return [Stack(frames)]
    depths = _depths(frames)
    by_depth = np.argsort(depths, kind="stable")
    places = np.zeros(len(frames), dtype=int)
    places[by_depth[1:]] = np.cumsum(np.diff(depths[by_depth]) > SAME_PLACE)
    stations = _stations(frames)
    placed = [
        _Placed(frame, int(place), {**frame.tags, "station": station, "order": frame.order})
        for frame, place, station in zip(frames, places, stations, strict=True)
    ]
    return [
        Stack([one.frame for one in sorted(part, key=lambda one: one.place)], labels) for labels, part in _separate(placed, 0)
    ]


def _depths(frames: Sequence[Frame]) -> np.ndarray:
    """How far each frame lies along the normal of the first, mm."""
    return np.array([frame.position for frame in frames]) @ frames[0].normal


def _stations(frames: list[Frame]) -> list[int]:
    """Which frames lie side by side in one plane, as the stations of a spine do."""
    assert frames[0].orientation is not None
    in_plane = np.array([frame.position for frame in frames]) @ frames[0].orientation.reshape(2, 3).T
    return _clusters(in_plane, _ANOTHER_STATION)


def _at_each_place(placed: list[_Placed]) -> list[list[_Placed]]:
    places: dict[int, list[_Placed]] = {}
    for one in placed:
        places.setdefault(one.place, []).append(one)
    return list(places.values())


def _separate(placed: list[_Placed], first_tag: int) -> list[tuple[tuple[str, ...], list[_Placed]]]:
    """Stacks in which every place occurs once, each with the labels that tell it apart."""
    together = _at_each_place(placed)
    if all(len(group) == 1 for group in together):
        return [((), placed)]
    for index in range(first_tag, len(_TAGS)):
        name, template, noun = _TAGS[index]
        if any(len({one.tags.get(name) for one in group}) > 1 for group in together):
            return [
                ((label, *labels), stack)
                for label, part in _split(placed, together, name, template, noun)
                for labels, stack in _separate(part, index + 1)
            ]
    return [((label,), part) for label, part in _split_by_time(placed, together)]


def _split(
    placed: list[_Placed], together: list[list[_Placed]], name: str, template: str, noun: str
) -> list[tuple[str, list[_Placed]]]:
    """Split by the value of a tag; by its rank at each place when the tag also changes from slice to slice."""
    values = sorted({one.tags.get(name) for one in placed}, key=_sortable)
    if len(values) > max(map(len, together)):
        return _by_rank(together, name, noun)
    parts = [[one for one in placed if one.tags.get(name) == value] for value in values]
    if not template:
        return [(f"{noun} {number}", part) for number, part in enumerate(parts, start=1)]
    if name == "component":
        return list(zip(_numbered(_components(values)), parts, strict=True))
    labels = [f"without {noun}" if value is None else template.format(_short(value)) for value in values]
    return list(zip(_numbered(labels), parts, strict=True))  # values that differ by less than is written


def _split_by_time(placed: list[_Placed], together: list[list[_Placed]]) -> list[tuple[str, list[_Placed]]]:
    for name in _TIMES:
        if all(None not in _values(group, name) and len(_values(group, name)) == len(group) for group in together):
            values = sorted(_values(placed, name), key=_sortable)
            if len(values) > max(map(len, together)):
                return _by_rank(together, name, "time")
            parts = [[one for one in placed if one.tags[name] == value] for value in values]
            return [(f"time {number}", part) for number, part in enumerate(parts, start=1)]
    # Nothing in the headers tells these frames apart: keep them apart in the order they were made.
    return _by_rank(together, "order", "repeat")


def _values(placed: list[_Placed], name: str) -> set[Hashable]:
    return {one.tags.get(name) for one in placed}


def _by_rank(together: list[list[_Placed]], name: str, noun: str) -> list[tuple[str, list[_Placed]]]:
    """The frames with the lowest value at each place, then those with the second lowest, and so on."""
    ranks: dict[int, list[_Placed]] = {}
    for group in together:
        values = sorted(_values(group, name), key=_sortable)
        for one in group:
            ranks.setdefault(values.index(one.tags.get(name)), []).append(one)
    return [(f"{noun} {rank + 1}", ranks[rank]) for rank in sorted(ranks)]


def _sortable(value: Any) -> tuple[bool, Any]:
    """None first; everything else is compared with its own kind."""
    return (value is not None, 0 if value is None else value)


def _components(values: Sequence[Any]) -> list[str]:
    """What the image types do not have in common, in plain words where there are any."""
    common = set.intersection(*(set(value or ()) for value in values))
    return [
        " ".join(dict.fromkeys(_NAMES.get(part, part.lower()) for part in value or () if part not in common)) or "plain"
        for value in values
    ]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def geometry_of(stack: Stack) -> tuple[Geometry | None, list[str]]:
    """Where a sorted stack lies, and what is odd about it: missing slices, uneven or slanted spacing."""
    first, count = stack.frames[0], len(stack.frames)
    if not first.has_place:
        if count > 1:
            return None, ["the slices are frames of one file in its order (time points), without positions"]
        return None, ["the image has no position in the patient"]
    assert first.position is not None and first.orientation is not None
    steps = np.diff(_depths(stack.frames))
    notes = _spacing_notes(steps) + _slant_notes(stack, steps)
    if first.pixel_spacing is None:
        return None, [*notes, "the pixel spacing is not known"]
    between_rows, between_columns = first.pixel_spacing
    step = float(np.median(steps)) if count > 1 else first.thickness or 1.0
    matrix = np.column_stack([first.orientation[:3], first.orientation[3:], first.normal])
    x, y, z = map(float, first.position)
    direction = tuple((float(row[0]), float(row[1]), float(row[2])) for row in matrix)
    return Geometry((between_columns, between_rows, step), (x, y, z), direction), notes


def _spacing_notes(steps: np.ndarray) -> list[str]:
    """Steps that are multiples of the smallest mean missing slices; any other unevenness is only told."""
    if len(steps) < 2 or float(np.ptp(steps)) <= max(0.05 * float(np.median(steps)), 2 * SAME_PLACE):
        return []
    multiples = steps / steps.min()
    missing = int(np.sum(np.round(multiples) - 1))
    if missing and np.all(np.abs(multiples - np.round(multiples)) < 0.1):
        return [f"{missing} slices are missing" if missing > 1 else "1 slice is missing"]
    return [f"the slices are unevenly spaced, {steps.min():.2f} to {steps.max():.2f} mm"]


def _slant_notes(stack: Stack, steps: np.ndarray) -> list[str]:
    """Slices that are shifted sideways against each other by more than a hundredth of their distance."""
    if len(steps) == 0:
        return []
    whole_way = np.asarray(stack.frames[-1].position) - np.asarray(stack.frames[0].position)
    sideways = float(np.linalg.norm(whole_way - float(steps.sum()) * stack.frames[0].normal))
    return ["the slices are shifted sideways against each other"] if sideways > 0.01 * float(steps.sum()) + SAME_PLACE else []
