"""What a set of so many images of so many references can and cannot show of the methods compared on it."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct
from scipy.stats import t as student

# For the sentences: a good method of the field, and how often a difference should be found and be found wrongly.
GOOD, POWER, LEVEL = 0.9, 0.8, 0.05
# Up to so many references, coverage of the intervals was simulated and fell short.
FEW = 20


def detectable_srocc(
    images: int, references: int, *, better: float = GOOD, level: float = LEVEL, power: float = POWER
) -> float | None:
    """The highest SROCC, below ``better``, that is told from it in a share ``power`` of studies; None when even 0 is not.

    For :func:`miqanet_core.metrics.significance.pairwise` at ``level``, with two methods whose errors are unrelated and images
    that err alike whatever their reference; where methods err by content, the SROCC must be lower. Fisher's z with the variance
    of Bonett & Wright, Psychometrika 65, 2000, and the covariance of Meng, Rosenthal & Rubin, Psychological Bulletin 111, 1992.
    ValueError with fewer than two references.
    """
    if references < 2:
        raise ValueError("a test clustered by reference needs at least two references")
    degrees = references - 1
    critical = student.isf(level / 2, degrees)

    def missing(worse: float) -> float:
        between = better * worse
        square = (better**2 + worse**2) / 2
        f = min(1, (1 - between) / (2 * (1 - square)))
        variance = 2 * (1 - between) * (1 - f * square) / (1 - square) / (images - 3) * (1 + square / 2)
        shift = (np.arctanh(better) - np.arctanh(worse)) / np.sqrt(variance)
        return float(nct.sf(critical, degrees, shift) - power)

    return None if missing(0) < 0 else float(brentq(missing, 0, better))


def limits(images: int, references: int, methods: int) -> tuple[str, ...]:
    """Sentences to print below a table of ``methods`` compared on ``images``; ValueError with fewer than two references."""
    pairs = methods * (methods - 1) // 2
    found = [
        f"{images} images of {references} references: images of one reference are not independent, so that intervals and tests "
        f"rest on {references} pieces of evidence, not on {images}.",
        f"Two methods compared alone: {_told_apart(detectable_srocc(images, references))}.",
    ]
    if pairs > 1:
        # Holm's first step is the hardest, and every other difference waits for it.
        first = _told_apart(detectable_srocc(images, references, level=LEVEL / pairs))
        found.append(f"The first of {pairs} pairs of {methods} methods, with Holm's correction: {first}.")
    found.append(
        "This is for methods whose errors are unrelated and do not depend on the content; where they do, it takes a larger "
        "difference."
    )
    if references <= FEW:
        found.append(
            "With so few references a 95 % interval is still too narrow: in simulated studies "
            f"of 4 to {FEW} references it held the truth in 86 to 96 %, least where methods err by content."
        )
    found.append("A difference that is not significant was not shown; that is no evidence that two methods are equal.")
    return tuple(found)


def _told_apart(worse: float | None) -> str:
    if worse is None:
        return f"in {POWER:.0%} of such studies an SROCC of {GOOD:.2f} is not even told from one of 0"
    return (
        f"in {POWER:.0%} of such studies an SROCC of {GOOD:.2f} is told from one of {math.floor(100 * worse) / 100:.2f} or less"
    )
