"""From slice scores to a verdict: which slices are flagged, what the series is good for, and why.

The rule, with the thresholds of :class:`Policy`:

1. A slice is flagged when its score is below ``slice_flag``.
2. The score of a series is the mean over its scored slices.
3. The series is *not-assessed* when no slice was scored, or when the caller gives a reason (it is a CT). It then has no score.
4. It is *non-diagnostic* when its score is below ``non_diagnostic``, or when more than ``non_diagnostic_fraction`` of the
   scored slices are flagged.
5. It is *limited* when its score is below ``diagnostic``, or when more than ``limited_fraction`` of the scored slices, and at
   least one, are flagged.
6. Otherwise it is *diagnostic*. A limited or non-diagnostic series is flagged.

A site's baseline (:mod:`miqanet_core.baseline`) moves these thresholds, where it knows enough series of the protocol to have a
``limit`` (20 or more); otherwise it moves none, and a reason says why:

7. ``diagnostic`` is the limit, or what the policy says, whichever is higher: a series below the limit is at best *limited*,
   however good it is in absolute terms. The other thresholds stay.
8. With ``baseline_replaces``, ``diagnostic`` is the limit even if that is lower. ``non_diagnostic`` and ``slice_flag`` then go
   down by as much as ``diagnostic`` did, so that a protocol that scores low by its nature is judged by its own kind throughout.
   They never go up: that a series is unusual says that something went wrong, not that it cannot be read.

Slice numbers in sentences are for people and start at 1; indices in code and in JSON start at 0.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import ROUND_FLOOR, Decimal
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from miqanet_core.baseline import ENOUGH
from miqanet_core.errors import InputError
from miqanet_core.quality import Normal, SeriesQuality, Verdict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Judgement:
    """What a policy says of one series. ``slice_flags`` holds one flag per slice, False where nothing was scored."""

    score: float | None
    verdict: Verdict
    flagged: bool
    reasons: tuple[str, ...]
    slice_flags: tuple[bool, ...]


@dataclass(frozen=True)
class Policy:
    """The thresholds; ``policy.toml`` beside this file explains each of them and holds the defaults."""

    slice_flag: float
    diagnostic: float
    non_diagnostic: float
    limited_fraction: float
    non_diagnostic_fraction: float
    baseline_replaces: bool = False

    def __post_init__(self) -> None:
        for name, top in _TOP.items():
            if not 0 <= getattr(self, name) <= top:  # a NaN fails the comparison, as it should
                raise ValueError(f"{name} is {getattr(self, name):g}, outside 0 to {top:g}")
        for low, high in (("non_diagnostic", "diagnostic"), ("limited_fraction", "non_diagnostic_fraction")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} ({getattr(self, low):g}) is above {high} ({getattr(self, high):g})")

    @classmethod
    def default(cls) -> Policy:
        """The thresholds that ship with MIQA."""
        return cls(**_defaults())

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read a site's TOML file; what it leaves out keeps its default. InputError when it is not a policy."""
        values = _read_toml(Path(path))
        try:
            return cls(**{**_defaults(), **_checked(values)})
        except ValueError as error:
            raise InputError(path, str(error), "correct it; miqanet_core/policy.toml explains every line") from error

    def fitted_to(self, normal: Normal | None) -> Policy:
        """The thresholds for a protocol of which a site's baseline says what is normal: rules 7 and 8."""
        if normal is None or normal.limit is None:
            return self
        if not self.baseline_replaces:
            return replace(self, diagnostic=max(self.diagnostic, normal.limit))
        down = max(0.0, self.diagnostic - normal.limit)
        non_diagnostic, slice_flag = (max(0.0, value - down) for value in (self.non_diagnostic, self.slice_flag))
        return replace(self, diagnostic=normal.limit, non_diagnostic=non_diagnostic, slice_flag=slice_flag)

    def judge(
        self, scores: Sequence[float | None], not_assessed_reason: str | None = None, normal: Normal | None = None
    ) -> Judgement:
        """Apply the rule to the score of each slice, in order, None where a slice was not scored.

        ``normal``: what the site's baseline says of the protocol, None without a baseline.
        """
        scored = [s for s in scores if s is not None]
        if not_assessed_reason is not None or not scored:
            reason = not_assessed_reason or "No slice holds enough anatomy to be scored."
            return Judgement(None, Verdict.NOT_ASSESSED, False, (reason,), (False,) * len(scores))
        fitted = self.fitted_to(normal)
        flags = tuple(s is not None and s < fitted.slice_flag for s in scores)
        mean = float(sum(scored) / len(scored))
        verdict = fitted._verdict(mean, sum(flags), len(scored))
        flagged = verdict in (Verdict.LIMITED, Verdict.NON_DIAGNOSTIC)
        reasons = fitted._reasons(mean, scores, flags)
        if normal is not None:
            reasons = (reasons[0], explain_normal(normal), *reasons[1:])
        return Judgement(mean, verdict, flagged, reasons, flags)

    def _verdict(self, mean: float, flagged: int, scored: int) -> Verdict:
        share = flagged / scored
        if mean < self.non_diagnostic or share > self.non_diagnostic_fraction:
            return Verdict.NON_DIAGNOSTIC
        if mean < self.diagnostic or share > self.limited_fraction:
            return Verdict.LIMITED
        return Verdict.DIAGNOSTIC

    def _reasons(self, mean: float, scores: Sequence[float | None], flags: Sequence[bool]) -> tuple[str, ...]:
        scored = [i for i, s in enumerate(scores) if s is not None]
        flagged = [i for i, flag in enumerate(flags) if flag]
        unscored = [i for i, s in enumerate(scores) if s is None]
        reasons = [self._reason_of_mean(mean)]
        if flagged:
            verb = "scores" if len(flagged) == 1 else "score"
            count = f"{len(flagged)} of {_slices(len(scored))} {verb} below {self.slice_flag:g} ({name_slices(flagged)})"
            reasons.append(f"{count}{self._weight_of_share(len(flagged) / len(scored))}.")
        else:
            reasons.append(f"No slice scores below {self.slice_flag:g}.")
        if unscored:
            verb = "was" if len(unscored) == 1 else "were"
            reasons.append(f"{_slices(len(unscored))} {verb} not scored: too little anatomy ({name_slices(unscored)}).")
        return tuple(reasons)

    def _weight_of_share(self, share: float) -> str:
        """What the share of flagged slices does to the verdict, as the end of a sentence."""
        if share > self.non_diagnostic_fraction:
            return f"; more than {100 * self.non_diagnostic_fraction:.4g} % makes a series non-diagnostic"
        if share > self.limited_fraction:
            return f"; more than {100 * self.limited_fraction:.4g} % makes a series limited"
        return ""

    def _reason_of_mean(self, mean: float) -> str:
        text = f"The mean score of the slices is {format_score(mean)}"
        if mean < self.non_diagnostic:
            return f"{text}, below {self.non_diagnostic:g} (non-diagnostic)."
        if mean < self.diagnostic:
            return f"{text}, below {self.diagnostic:g} (the limit for diagnostic)."
        return f"{text} ({self.diagnostic:g} or more is diagnostic)."


def judged_anew(quality: SeriesQuality, policy: Policy) -> SeriesQuality:
    """A result under other thresholds: its scores stay, flags, verdict and reasons are those of ``policy``.

    A series that was not assessed stays so: thresholds have no part in that.
    """
    if quality.verdict is Verdict.NOT_ASSESSED:
        return quality
    judgement = policy.judge([s.score for s in quality.slices], normal=quality.normal)
    return replace(
        quality,
        score=judgement.score,
        verdict=judgement.verdict,
        flagged=judgement.flagged,
        reasons=judgement.reasons,
        slices=tuple(replace(s, flagged=f) for s, f in zip(quality.slices, judgement.slice_flags, strict=True)),
    )


def explain_normal(normal: Normal) -> str:
    """What a site's baseline knows of a protocol, as a sentence with its numbers."""
    if not normal.protocol:
        return "What is normal here is not known: the file does not say how it was acquired."
    if not normal.series:
        return "What is normal here is not known: the baseline holds no series of this protocol."
    if normal.limit is None or normal.share is None:
        return f"Too few ({normal.series} of {ENOUGH}) series of this protocol to know what is normal here."
    low, high, median, limit = map(format_score, (normal.low, normal.high, normal.median, normal.limit))
    return (
        f"Normal here: {normal.series} good series of this protocol score {low} to {high} (median {median}); "
        f"the limit is {limit}, and about 1 in {round(1 / normal.share)} good ones scores below it."
    )


def format_score(score: float | None) -> str:
    """A score as people see it: one decimal, rounded down, so that 59.97 never reads as 60.0 "below 60"."""
    if score is None:
        return "\N{EN DASH}"
    return str(Decimal(repr(float(score))).quantize(Decimal("0.1"), ROUND_FLOOR))


def name_slices(indices: Iterable[int], at_most: int = 8) -> str:
    """``[2, 3, 4, 11]`` -> ``"slices 3-5, 12"``: 1-based runs, cut short after ``at_most`` of them."""
    runs: list[list[int]] = []
    for number in sorted(i + 1 for i in indices):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [str(a) if a == b else f"{a}-{b}" for a, b in runs[:at_most]]
    more = ", ..." if len(runs) > at_most else ""
    noun = "slice" if len(runs) == 1 and runs[0][0] == runs[0][1] else "slices"
    return f"{noun} {', '.join(words)}{more}"


def _slices(count: int) -> str:
    return f"{count} slice" if count == 1 else f"{count} slices"


_TOP = {
    "slice_flag": 100.0,
    "diagnostic": 100.0,
    "non_diagnostic": 100.0,
    "limited_fraction": 1.0,
    "non_diagnostic_fraction": 1.0,
}


@cache
def _defaults() -> dict[str, Any]:
    text = resources.files("miqanet_core").joinpath("policy.toml").read_text(encoding="utf-8")
    return _checked(tomllib.loads(text))


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    known = [f.name for f in fields(Policy)]
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"unknown setting {name!r}, known are {', '.join(known)}")
        if name == "baseline_replaces":
            if not isinstance(value, bool):
                raise ValueError(f"{name} must be true or false, it is {value!r}")
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} must be a number, it is {value!r}")
    return {name: value if isinstance(value, bool) else float(value) for name, value in values.items()}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", "name a policy file that can be read") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not UTF-8 text", "save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(path, f"is not TOML ({error})", "write lines such as: slice_flag = 50") from error
