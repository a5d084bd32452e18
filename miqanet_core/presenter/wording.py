"""Verdict, score and doubts in words."""

from __future__ import annotations

from datetime import datetime

from miqanet_core.policy import Policy, format_score
from miqanet_core.quality import Interval, SeriesQuality, Verdict

ICON = {Verdict.DIAGNOSTIC: "✓", Verdict.LIMITED: "!", Verdict.NON_DIAGNOSTIC: "✕", Verdict.NOT_ASSESSED: "\N{EN DASH}"}
LABEL = {
    Verdict.DIAGNOSTIC: "Diagnostic",
    Verdict.LIMITED: "Limited",
    Verdict.NON_DIAGNOSTIC: "Non-diagnostic",
    Verdict.NOT_ASSESSED: "Not assessed",
}
MEANING = {
    Verdict.DIAGNOSTIC: "The model finds nothing that keeps this series from being read; a person decides.",
    Verdict.LIMITED: "Readable, but parts of it are degraded: look at the flagged slices before you rely on them.",
    Verdict.NON_DIAGNOSTIC: "The image quality is poor over much of the series: consider repeating it.",
    Verdict.NOT_ASSESSED: "MIQA gives no opinion on this series.",
}
NOTICE = "Research tool, not a medical device"
NO_JUDGEMENT = "Its scores do not replace the judgement of a radiologist or technologist."


def series_name(quality: SeriesQuality) -> str:
    """The series' description, "Series" where the file gives none."""
    return str(quality.series.get("description") or "") or "Series"


def headline(quality: SeriesQuality) -> str:
    """``72.4 / 100``; for a series that was not assessed ``Not assessed``: no dash that reads like a number."""
    return LABEL[quality.verdict] if quality.score is None else f"{format_score(quality.score)} / 100"


def verdict_text(verdict: Verdict) -> str:
    """``✓ Diagnostic``: sign and word, so that colour is never needed to tell them apart."""
    return f"{ICON[verdict]} {LABEL[verdict]}"


def interval_text(interval: Interval | None) -> str:
    """``61.0 to 88.2 in 90 % of cases``; "" where no interval is known."""
    if interval is None:
        return ""
    return f"{format_score(interval.low)} to {format_score(interval.high)} in {100 * interval.level:g} % of cases"


def doubts(quality: SeriesQuality, policy: Policy) -> tuple[str, ...]:
    """Why to trust the number less, each as a sentence; none for a series without a score, whose reasons say it all.

    ``policy``: the thresholds that gave the verdict.
    """
    if quality.score is None:
        return ()
    sentences = []
    if quality.in_domain is None:
        sentences.append("Nothing has checked whether these images are like the MR that the model knows.")
    if quality.interval is None:
        sentences.append("How far this model's score may be off has not been measured.")
    else:
        fitted = policy.fitted_to(quality.normal)
        for value, name in ((fitted.diagnostic, "diagnostic"), (fitted.non_diagnostic, "non-diagnostic")):
            if quality.interval.low < value <= quality.interval.high:
                sentences.append(f"Low confidence: the range reaches over {value:g}, the threshold for {name}.")
    if not any(s.artifacts or s.unclear for s in quality.slices):
        sentences.append("No artefact is named; that is no sign that there is none.")
    return tuple(sentences)


def progress_text(done: int, total: int) -> str:
    """What stands in place of the verdict while slices come in: their scores may yet be withdrawn."""
    return f"Scored {done} of {total} slices. Provisional: whether the series is like MR is judged at the end."


def person_name(name: str) -> str:
    """DICOM's ``Family^Given^...`` as people write it; the first of its alphabets."""
    family, *others = [part.strip() for part in name.partition("=")[0].split("^")]
    return ", ".join(filter(None, (family, " ".join(filter(None, others)))))


def moment_text(at: datetime) -> str:
    """``2026-11-25 01:13``, by this machine's clock."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M")
