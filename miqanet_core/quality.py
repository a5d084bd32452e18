"""Results: what MIQA says of a slice and of a series, to and from JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

SCHEMA = "miqa-series-quality/1"


class Verdict(str, Enum):
    """What the series is good for, by the policy's thresholds."""

    DIAGNOSTIC = "diagnostic"
    LIMITED = "limited"
    NON_DIAGNOSTIC = "non-diagnostic"
    NOT_ASSESSED = "not-assessed"


@dataclass(frozen=True)
class SliceQuality:
    """One slice. ``score`` is 0 (worst) to 100 (best), None when the slice holds no anatomy to score.

    ``artifacts`` maps an artefact's name to its severity, 0..1, where the model is sure of it; ``unclear`` names those that may
    be there. Both are empty when the model tells none apart.
    """

    index: int
    score: float | None
    flagged: bool = False
    artifacts: Mapping[str, float] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()


def in_words(artifact: str) -> str:
    """``wrap_around`` -> ``Wrap around``."""
    return artifact.replace("_", " ").capitalize()


class Interval(NamedTuple):
    """Where a series' true score lies in the share ``level`` (0..1) of cases: ``low`` to ``high``, 0..100."""

    low: float
    high: float
    level: float


class Normal(NamedTuple):
    """What is normal at a site for one protocol: ``series`` good ones score ``low`` to ``high``, 0..100.

    ``protocol`` is "" when the file does not say how it was acquired, ``series`` 0 when the site's baseline does not know the
    protocol. The share ``share`` (0..1) of good series scores below ``limit``; both are None when there are too few series.
    """

    protocol: str
    series: int = 0
    low: float | None = None
    median: float | None = None
    high: float | None = None
    limit: float | None = None
    share: float | None = None


@dataclass(frozen=True)
class ModelIdentity:
    """Which weights gave the numbers: ``weights_sha256`` is the digest of the weights file."""

    name: str
    version: str
    weights_sha256: str


@dataclass(frozen=True, eq=False)
class SeriesQuality:
    """One series.

    ``series`` holds ``description``, ``modality``, ``size`` [columns, rows, slices], ``notes``, and ``identity`` only when
    asked for. ``reasons`` says in words why the verdict is what it is. ``in_domain`` is None while nothing has checked it,
    ``interval`` while nobody has measured how far these weights may be off, ``normal`` without a site's baseline.
    ``map`` is the quality map, float32 on the series' own grid (slices, rows, columns), 0..100, NaN where nothing was
    scored; it is not part of the JSON.
    """

    series: Mapping[str, Any]
    model: ModelIdentity
    score: float | None
    verdict: Verdict
    flagged: bool
    reasons: tuple[str, ...]
    slices: tuple[SliceQuality, ...]
    in_domain: bool | None = None
    interval: Interval | None = None
    normal: Normal | None = None
    map: np.ndarray | None = None

    def artifact_sentences(self) -> tuple[str, ...]:
        """Which artefacts the model names and in how many slices, the most frequent first, and which it leaves unclear."""
        scored = [s for s in self.slices if s.score is not None]
        named = Counter(name for s in scored for name in s.artifacts)
        unclear = Counter(name for s in scored for name in s.unclear if name not in named)
        sentences = []
        for name, count in named.most_common():
            severity = sum(s.artifacts.get(name, 0.0) for s in scored) / count
            sentences.append(f"{in_words(name)} in {count} of {len(scored)} slices, mean severity {severity:.2f} of 1.")
        if unclear:
            names = ", ".join(in_words(name).lower() for name in sorted(unclear))
            sentences.append(f"Unclear whether there is: {names}.")
        return tuple(sentences)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document as plain Python values."""
        return {
            "schema": SCHEMA,
            "series": dict(self.series),
            "model": asdict(self.model),
            "score": self.score,
            "interval": None if self.interval is None else self.interval._asdict(),
            "normal": None if self.normal is None else self.normal._asdict(),
            "verdict": self.verdict.value,
            "flagged": self.flagged,
            "reasons": list(self.reasons),
            "in_domain": self.in_domain,
            "slices": [asdict(s) for s in self.slices],
        }

    def to_json(self) -> str:
        """The JSON document; a NaN in it would be a fault of ours and raises ValueError."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> SeriesQuality:
        """The inverse of :meth:`to_dict`; ValueError when the document is of another schema."""
        if document.get("schema") != SCHEMA:
            raise ValueError(f"not a {SCHEMA} document: schema is {document.get('schema')!r}")
        return cls(
            series=dict(document["series"]),
            model=ModelIdentity(**document["model"]),
            score=document["score"],
            verdict=Verdict(document["verdict"]),
            flagged=document["flagged"],
            reasons=tuple(document["reasons"]),
            slices=tuple(SliceQuality(**{**s, "unclear": tuple(s.get("unclear", ()))}) for s in document["slices"]),
            in_domain=document["in_domain"],
            interval=Interval(**document["interval"]) if document.get("interval") else None,
            normal=Normal(**document["normal"]) if document.get("normal") else None,
        )

    @classmethod
    def from_json(cls, text: str) -> SeriesQuality:
        """The inverse of :meth:`to_json`."""
        return cls.from_dict(json.loads(text))
