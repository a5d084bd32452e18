"""What is normal at a site: how its own good series score, protocol by protocol, and below which score one is unusual.

No absolute threshold fits all sites: a diffusion series that no one would repeat scores lower than a T1-weighted one. So a
site shows MIQA series that it holds to be good (``miqanet calibrate``), and a new series is compared with its protocol's.

* **Limit.** The k-th lowest of n good scores, k = max(1, floor(0.025 (n + 1))). When the next good series is as likely to take
  one rank among them as another, it falls below the limit in the share k / (n + 1) of cases, however the scores are
  distributed: 1 in 21 with 20 series, 1 in 40 or fewer with 39 and more (Wilks, Ann. Math. Stat. 1941; as conformal prediction:
  Vovk et al., Algorithmic Learning in a Random World, 2005). This is the mean over sites. At one site with 20 series the share
  is below 1 in 9 with a probability of 0.9 (it follows Beta(k, n + 1 - k)). More series make it surer.
* **Outliers.** A bad series that slipped in would set the limit. So those are left out first, and named, that lie more than 4
  scaled median absolute deviations below the median, until there are no more (after Iglewicz and Hoaglin, How to Detect and
  Handle Outliers, 1993, who take 3.5; of twenty scores with a tail towards low ones, as good scores have it, that takes away
  too many). In simulation one bad series in ten is survived when it is that far off, and the promised share holds within 1
  point (of a hundred) for Gaussian and within 2.5 points for skewed scores. A bad series that is nearer cannot be told from
  a good one, and lowers the limit to its own score.
* **Too few.** Below 20 series there is no limit.

The file holds numbers and protocols only: no name, identifier, date, description or path of any series.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from miqanet_core.errors import InputError, ModelError
from miqanet_core.protocol import protocol_of
from miqanet_core.quality import ModelIdentity, Normal
from miqanet_core.series import MRSeries

SCHEMA = "miqa-baseline/1"
ENOUGH = 20
SHARE = 0.025
_OUTLIER = 4.0
# The least deviation, in points of score, that is believed: twenty nearly equal scores do not make a good series an outlier.
_LEAST_DEVIATION = 1.0
_CURE = "make it with miqanet calibrate"


def learn(protocol: str, scores: Sequence[float]) -> tuple[Normal, list[int]]:
    """What is normal for a protocol, from the scores (0..100) of its good series, and the indices of the outliers left out."""
    values = np.asarray(scores, dtype=float)
    good = np.sort(values[values >= _least_plausible(values)])
    rank = max(1, math.floor(SHARE * (len(good) + 1)))
    enough = len(good) >= ENOUGH
    normal = Normal(
        protocol=protocol,
        series=len(good),
        low=_tenths(good[0]),
        median=_tenths(np.median(good)),
        high=_tenths(good[-1]),
        limit=_tenths(good[rank - 1]) if enough else None,
        share=round(rank / (len(good) + 1), 4) if enough else None,
    )
    return normal, np.flatnonzero(values < good[0]).tolist()


def _least_plausible(values: np.ndarray) -> float:
    """The score below which one is an outlier. Those found are taken away and the rest is looked at again: they hide others."""
    while True:
        median = np.median(values)
        deviation = max(1.4826 * float(np.median(np.abs(values - median))), _LEAST_DEVIATION)
        least = float(median) - _OUTLIER * deviation
        if values.min() >= least:
            return least
        values = values[values >= least]


def _tenths(score: float) -> float:
    """Rounded down, as people see scores, so that no score is shown as 74.5 "below 74.5"."""
    return math.floor(10 * float(score) + 1e-6) / 10


@dataclass(frozen=True)
class Baseline:
    """A site's normal scores by protocol (see :func:`~miqanet_core.protocol.protocol_of`), and the model that gave them.

    ``source``: the file, for messages.
    """

    model: ModelIdentity
    protocols: Mapping[str, Normal]
    source: Path = Path("baseline")

    def normal_of(self, series: MRSeries) -> Normal:
        """What is normal for the protocol of ``series``; of what the baseline does not know, the Normal says so."""
        key = protocol_of(series)
        return Normal("") if key is None else self.protocols.get(key, Normal(key))

    def check_model(self, model: ModelIdentity) -> None:
        """ModelError unless the baseline was learnt with these very weights: another model's scores are another scale."""
        if model.weights_sha256 != self.model.weights_sha256:
            learnt, given = (f"{m.name} {m.version} (weights {m.weights_sha256[:12]})" for m in (self.model, model))
            raise ModelError(
                f"{self.source}: this baseline was learnt with {learnt}, not with {given}; "
                "run miqanet calibrate again with this model, or score with the other"
            )

    def to_json(self) -> str:
        """The file's text."""
        protocols = {
            key: {name: value for name, value in normal._asdict().items() if name != "protocol"}
            for key, normal in sorted(self.protocols.items())
        }
        document = {"schema": SCHEMA, "model": asdict(self.model), "protocols": protocols}
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def load(cls, path: str | Path) -> Baseline:
        """Read a file of :meth:`to_json`; InputError when it is not one."""
        path = Path(path)
        try:
            document = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_refuse)
        except OSError as error:
            problem = error.strerror or "cannot be read"
            raise InputError(path, problem, "name a baseline file that can be read") from error
        except (ValueError, RecursionError) as error:
            raise InputError(path, f"is not JSON in UTF-8 ({str(error)[:80]})", _CURE) from error
        try:
            return _parse(document, path)
        except ValueError as error:
            raise InputError(path, str(error), _CURE) from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _parse(document: Any, path: Path) -> Baseline:
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"is no {SCHEMA} file (its schema is {str(schema)[:40]!r})")
    model, protocols = document.get("model"), document.get("protocols")
    names = ("name", "version", "weights_sha256")
    if not isinstance(model, dict) or any(not isinstance(model.get(name), str) for name in names):
        raise ValueError("does not say with which model it was learnt")
    if not isinstance(protocols, dict):
        raise ValueError("holds no protocols")
    normals = {key: _parse_normal(key, values) for key, values in protocols.items()}
    return Baseline(ModelIdentity(*(model[name] for name in names)), normals, path)


def _parse_normal(key: str, values: Any) -> Normal:
    if not isinstance(values, dict) or set(values) != {*Normal._fields} - {"protocol"}:
        raise ValueError(f"protocol {key[:80]!r} does not hold {', '.join(Normal._fields[1:])}")
    normal = Normal(key, **values)
    count, limit, share = normal.series, normal.limit, normal.share
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"protocol {key[:80]!r}: series is {count!r}, not a count of 1 or more")
    scores = [values[name] for name in ("low", "median", "high")]
    given = scores if limit is None else [*scores, limit]
    if not all(_is_number(score) and 0 <= score <= 100 for score in given) or scores != sorted(scores):
        raise ValueError(f"protocol {key[:80]!r}: low, median and high must rise, and they and limit lie between 0 and 100")
    if (limit is None) != (share is None) or (share is not None and not (_is_number(share) and 0 < share < 1)):
        raise ValueError(f"protocol {key[:80]!r}: share is {share!r}; with a limit it lies between 0 and 1, else it is null")
    if limit is not None and count < ENOUGH:
        raise ValueError(f"protocol {key[:80]!r} has a limit but only {count} series; {ENOUGH} are needed")
    return normal


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
