"""The report as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from miqanet_core.policy import Policy, format_score
from miqanet_core.presenter import (
    DARK,
    ICON,
    LABEL,
    LEGEND,
    LIGHT,
    MEANING,
    NO_JUDGEMENT,
    NOTICE,
    doubts,
    interval_text,
    worst_slices,
)
from miqanet_core.quality import SeriesQuality, SliceQuality, in_words
from miqanet_core.report import charts, figures
from miqanet_core.report.model_card import summary
from miqanet_core.series import MRSeries
from miqanet_core.version import version

WORST = 6  # slices shown as pictures
FACTS = 9  # shown at once; the others on a click
_UNITS = {
    "ms": "ms",
    "mm": "mm",
    "deg": "\N{DEGREE SIGN}",
    "t": "T",
    "hz_per_pixel": "Hz per pixel",
}  # endings of a fact's name


@dataclass(frozen=True)
class Scored:
    """A series and what was found."""

    series: MRSeries
    quality: SeriesQuality


def render_html(
    results: Iterable[Scored],
    policy: Policy,
    *,
    model_card: str = "",
    when: datetime | None = None,
    introduction: Sequence[str] = (),
) -> str:
    """The report of one or more series.

    ``policy``: the thresholds that gave the verdicts. ``model_card``: its Markdown text, shown in short. ``when``: the time of
    scoring, now if left out. ``introduction``: paragraphs shown at the top. A patient's identity appears only where
    ``quality.series`` holds ``identity``.
    """
    template = _environment().get_template("report.html")
    sections = [_section(number, scored, policy) for number, scored in enumerate(results, start=1)]
    return template.render(
        sections=sections,
        policy=policy,
        card=summary(model_card),
        when=(when or datetime.now()).astimezone(),
        introduction=introduction,
        version=version(),
        models=list(dict.fromkeys(section["quality"].model for section in sections)),
        ramp=figures.colour_stops(),
    )


def render_index(rows: Sequence[Mapping[str, Any]], *, when: datetime | None = None) -> str:
    """The contents of a folder of reports: ``rows`` with ``quality`` and ``files``, a mapping of label to file name."""
    template = _environment().get_template("index.html")
    return template.render(rows=rows, when=(when or datetime.now()).astimezone(), version=version())


def _section(number: int, scored: Scored, policy: Policy) -> dict[str, Any]:
    series, quality = scored.series, scored.quality
    facts = list(_facts(series).items())
    fitted = policy.fitted_to(quality.normal)
    return {
        "anchor": f"series-{number}",
        "name": quality.series.get("description") or series.description or f"Series {number}",
        "quality": replace(quality, map=None),
        "meaning": MEANING[quality.verdict],
        "sentences": (*quality.reasons, *quality.artifact_sentences(), *doubts(quality, policy)),
        "facts": dict(facts[:FACTS]),
        "more_facts": dict(facts[FACTS:]),
        "notes": series.notes,
        "identity": _identity(quality.series.get("identity") or {}),
        "aspect": f"{figures.aspect_ratio(series.geometry, series.voxels.shape[1:]):.4f}",
        "thumbnail": _thumbnail(series),
        "pictures": [_picture(series, quality, s) for s in worst_slices(quality.slices, WORST)],
        "gauge": charts.gauge(quality.score, fitted),
        "normal": quality.normal and quality.normal.limit is not None and charts.normal_range(quality.score, quality.normal),
        "curve": charts.score_curve(quality.slices, fitted),
        "histogram": charts.histogram(quality.slices),
        "artifacts": sorted({name for s in quality.slices for name in (*s.artifacts, *s.unclear)}),
        "scored": sum(s.score is not None for s in quality.slices),
        "flagged": sum(s.flagged for s in quality.slices),
    }


def _facts(series: MRSeries) -> dict[str, str]:
    columns, rows, slices = series.size
    facts = {"Size": f"{columns} \N{MULTIPLICATION SIGN} {rows}, {slices} slice{'s' if slices != 1 else ''}"}
    if series.geometry:
        facts["Voxel"] = " \N{MULTIPLICATION SIGN} ".join(f"{mm:.3g}" for mm in series.geometry.spacing) + " mm"
    if series.modality:
        facts["Modality"] = series.modality
    for key, value in series.facts.items():
        if value != "" and value != series.description:
            label, unit = _label_and_unit(key)
            facts[label] = (f"{value:g}" if isinstance(value, float) else str(value)) + unit
    return facts


def _identity(identity: Mapping[str, Any]) -> dict[str, str]:
    """What a person reads of an identity; the UID of every instance stays in the JSON."""
    return {_label(k): str(v) for k, v in identity.items() if v and isinstance(v, str)}


def _label_and_unit(key: str) -> tuple[str, str]:
    """``"echo_time_ms"`` -> ``("Echo time", " ms")``."""
    for ending, unit in _UNITS.items():
        if key.endswith(f"_{ending}"):
            return _label(key.removesuffix(f"_{ending}")), f" {unit}"
    return _label(key), ""


def _label(key: str) -> str:
    words = key.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _thumbnail(series: MRSeries) -> str:
    """The middle slice: the one by which people know a series, and the same one of a series and its spoiled copy."""
    image = series.voxels[len(series.voxels) // 2]
    return figures.data_uri(figures.slice_png(image, figures.radiological(series.geometry)))


def _picture(series: MRSeries, quality: SeriesQuality, s: SliceQuality) -> dict[str, Any]:
    orientation = figures.radiological(series.geometry)
    image = series.voxels[s.index]
    overlay = None
    if quality.map is not None:
        overlay = figures.data_uri(figures.overlay_png(image, quality.map[s.index], orientation))
    return {"slice": s, "image": figures.data_uri(figures.slice_png(image, orientation)), "overlay": overlay}


def _environment() -> Environment:
    # autoescape always: names of files and series come from outside
    environment = Environment(
        loader=PackageLoader("miqanet_core", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(score=format_score, words=in_words, interval=interval_text)
    environment.globals.update(
        icon=ICON,
        label=LABEL,
        legend=LEGEND,
        notice=NOTICE,
        no_judgement=NO_JUDGEMENT,
        light=LIGHT._asdict(),
        dark=DARK._asdict(),
    )
    return environment
