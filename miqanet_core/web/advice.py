"""What usually helps at the scanner against an artefact. General knowledge of the trade, not a finding of the model."""

from __future__ import annotations

from collections import Counter

from miqanet_core.quality import SeriesQuality, Verdict, in_words

_ADVICE = {
    "motion": "Ask the patient to keep still, make the head or limb comfortable and fixed; repeat, with a faster or "
    "motion-robust sequence if there is one.",
    "ghosting": "Check for motion, breathing or pulsation along the phase direction: breath-hold, gating, saturation bands, "
    "or swapped phase direction. If it stays on a phantom, call service.",
    "noise": "Check that the right coil is plugged in, selected and close to the patient, and the room's door is shut; then "
    "averages, or a lower bandwidth or acceleration.",
    "blur": "Check that the patient is still and that matrix and field of view are those of the protocol.",
    "shading": "Check the coil's position and elements, and that the scanner's intensity correction is on; look for metal.",
    "wrap_around": "Enlarge the field of view or switch on phase oversampling; or swap the phase direction.",
    "spike": "Spikes come from the hardware or from static discharge: repeat once; if they come back, call service.",
}
_ORDER = {
    Verdict.DIAGNOSTIC: ("No quality problem found", "The model found nothing. A person decides."),
    Verdict.LIMITED: ("Look before the patient leaves", "Parts of this series are degraded."),
    Verdict.NON_DIAGNOSTIC: ("Consider repeating", "The quality is poor over much of this series."),
    Verdict.NOT_ASSESSED: ("Not assessed", "MIQA has no opinion on this series."),
}


def headline(verdict: Verdict) -> tuple[str, str]:
    """What a verdict asks of the technologist, in a few words, and one sentence more."""
    return _ORDER[verdict]


def main_artifact(quality: SeriesQuality) -> str | None:
    """The artefact that the model names in most of the flagged slices, of all slices where none is flagged; or None."""
    slices = [s for s in quality.slices if s.flagged] or [s for s in quality.slices if s.score is not None]
    named = Counter(name for s in slices for name in s.artifacts)
    return named.most_common(1)[0][0] if named else None


def cause_and_advice(quality: SeriesQuality) -> tuple[str, str]:
    """The likely cause in words, and what usually helps; "" and a plain hint when the model names none."""
    if not quality.flagged:
        return "", ""
    name = main_artifact(quality)
    if name is None:
        return "", "The model names no cause: look at the worst slices."
    return in_words(name), _ADVICE.get(name, "")
