"""Values out of a DICOM header that may be empty, absent or malformed: each comes as a plain type, or as nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag


def value(header: Dataset, keyword: str) -> Any:
    """The value, or None when it is absent, empty or cannot be converted."""
    tag = tag_for_keyword(keyword)
    # By tag: what is absent, as most are, costs pydicom an exception when it is asked for by keyword.
    if tag is None or tag not in header.keys():  # noqa: SIM118
        return None
    try:
        found = header[BaseTag(tag)].value
    except (ValueError, TypeError, NotImplementedError, ArithmeticError, AttributeError, KeyError):
        return None
    return None if found is None or (isinstance(found, str | bytes | MultiValue) and len(found) == 0) else found


def text(header: Dataset, keyword: str) -> str:
    """The value as text on one line; several values are joined with a backslash, as DICOM writes them."""
    found = value(header, keyword)
    if isinstance(found, MultiValue):
        found = "\\".join(str(part) for part in found)
    return " ".join(str(found).split()) if found is not None else ""


def texts(header: Dataset, keyword: str) -> tuple[str, ...]:
    """All values as text."""
    found = value(header, keyword)
    if found is None:
        return ()
    return tuple(str(part) for part in found) if isinstance(found, MultiValue) else (str(found),)


def numbers(header: Dataset, keyword: str, count: int | None = None) -> tuple[float, ...] | None:
    """All values as finite numbers, or None when one is not, or when there are not ``count`` of them."""
    found = value(header, keyword)
    if found is None:
        return None
    parts = found if isinstance(found, MultiValue | list | tuple | np.ndarray) else [found]
    try:
        result = tuple(float(part) for part in parts)
    except (ValueError, TypeError):
        return None
    fits = all(math.isfinite(part) for part in result) and (count is None or len(result) == count)
    return result if fits and result else None


def number(header: Dataset, keyword: str) -> float | None:
    """The first value as a finite number."""
    found = numbers(header, keyword)
    return found[0] if found else None


def whole(header: Dataset, keyword: str, default: int = 0) -> int:
    """The first value as a whole number."""
    found = number(header, keyword)
    return default if found is None else int(found)


def item(header: Dataset, keyword: str) -> Dataset:
    """The first item of a sequence; an empty data set when there is none."""
    found = value(header, keyword)
    return found[0] if found else Dataset()


def private(header: Dataset, group: int, creator: str, offset: int) -> Any:
    """A private element's value by its block's creator (PS3.5 7.8.1), or None."""
    if not any(tag >> 16 == group for tag in header.keys()):  # noqa: SIM118 - most vendors' groups are not there
        return None
    try:
        return header.private_block(group, creator)[offset].value
    except (KeyError, ValueError, TypeError, NotImplementedError, AttributeError):
        return None
