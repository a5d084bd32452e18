"""Which protocol a series was acquired with, as a key in words that two series of one protocol share.

The key is for what moves a score from one protocol to the next, and is deaf to what a scanner changes from patient to patient::

    PROSTATE; SIEMENS Skyra 3 T; SE OSP SK SP 2D; TR above 1500 ms, TE 53 to 150 ms; no agent; ORIGINAL PRIMARY M; matrix 320

=========  ===================================================================================================================
part       from
=========  ===================================================================================================================
body part  BodyPartExamined, else AnatomicRegionSequence
scanner    Manufacturer, ManufacturerModelName, MagneticFieldStrength (rounded to 0.5 T from 1 T up: 2.89 T is a 3 T scanner)
sequence   ScanningSequence and SequenceVariant, else the Enhanced EchoPulseSequence and PulseSequenceName, else SequenceName;
           2D or 3D
contrast   classes of TR, TE and TI, fat suppression, b-value in steps of 50 s/mm2. A class is broad: TR follows the number of
           slices and the breathing, TE the angulation. Its edges lie where protocols rarely have their times. Without TE, the
           weighting that ProtocolName and SeriesDescription name ("T2", "FLAIR")
agent      whether ContrastBolusAgent names one
image      ImageType: an ADC map, a phase image or an image before the scanner's own filter is no sibling of the others
matrix     the longer side: the shorter one follows the field of view, which is fitted to the patient
=========  ===================================================================================================================

No free text gets into the key: people type names into descriptions, so only the words of a fixed list are taken from them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from miqanet_core.series import MRSeries

Facts = Mapping[str, str | float]

_TR_EDGES_MS = (80, 1500)  # steady state | T1-weighted spin echo | T2, PD, FLAIR
_TE_EDGES_MS = (
    1.7,
    3.4,
    7,
    14,
    24,
    53,
    150,
    250,
    500,
)  # in phase and out of phase, at 1.5 and at 3 T, fall into different ones
_TI_EDGES_MS = (400, 1400)  # fat | T1 | fluid
# At the beginning of a word.
_WEIGHTINGS = {
    "T1": r"t1",
    "T2*": r"t2(\*|.?star)",
    "T2": r"t2(?!\*|.?star)",
    "PD": r"pd(?![a-z]{2})|proton",
    "FLAIR": r"(t[12])?flair|dark.?fluid",
    "STIR": r"stir|tirm",
    "DWI": r"dwi|dti|diff",
    "ADC": r"adc",
    "SWI": r"swi|swan",
    "EPI": r"epi(?![a-z])|bold|fmri",
    "angiography": r"tof(?![a-z])|mra(?![a-z])|angio",
    "fat-suppressed": r"fs(?![a-z])|fat.?sat|spair|spir(?![a-z])",
}
_NO_AGENT = ("", "NO", "NONE", "N", "0", "FALSE", "WITHOUT")


def protocol_of(series: MRSeries) -> str | None:
    """The key, or None where the file does not say which scanner made it or with what contrast.

    NIfTI, PNG and their like never do. A key from the matrix alone would put knees and brains together, and what is normal for
    such a crowd means nothing: so there is none.
    """
    facts = series.facts
    scanner = " ".join(filter(None, (_code(facts, "manufacturer"), _code(facts, "model"), _field_strength(facts))))
    contrast = _contrast(facts)
    if not contrast or not (_code(facts, "manufacturer") or _code(facts, "model")):
        return None
    parts = (
        _code(facts, "body_part").upper() or "body part not given",
        scanner,
        _sequence(facts) or "sequence not given",
        contrast,
        "no agent" if _code(facts, "contrast_agent").upper() in _NO_AGENT else "with agent",
        _code(facts, "image_type") or "image type not given",
        f"matrix {max(series.size[:2])}",
    )
    return "; ".join(parts)


def _code(facts: Facts, name: str) -> str:
    """A value of DICOM's short kinds on one line; several values side by side, and nothing that would look like two parts."""
    return " ".join(re.sub(r"[\\;]", " ", str(facts.get(name, ""))).split())[:64]


def _number(facts: Facts, name: str) -> float | None:
    """A time or strength; 0 is how scanners write that there is none."""
    value = facts.get(name)
    return value if isinstance(value, float) and value > 0 else None


def _field_strength(facts: Facts) -> str:
    strength = _number(facts, "field_strength_t")
    if strength is None:
        return ""
    if strength > 100:  # old GE scanners write gauss
        strength /= 10_000
    return f"{round(2 * strength) / 2 if strength >= 1 else strength:.2g} T"


def _sequence(facts: Facts) -> str:
    classic = [" ".join(sorted(_code(facts, name).split())) for name in ("scanning_sequence", "sequence_variant")]
    enhanced = [_code(facts, name) for name in ("echo_pulse_sequence", "pulse_sequence")]
    # Siemens numbers the diffusion directions in it: "*ep_b1000#12".
    name = re.sub(r"#\d+$", "", _code(facts, "sequence_name"))
    words = classic if classic[0] else enhanced if any(enhanced) else [name]
    return " ".join(filter(None, (*words, _code(facts, "acquisition_type"))))


def _contrast(facts: Facts) -> str:
    echo_time = _number(facts, "echo_time_ms")
    if echo_time is None:
        return " ".join(_weightings(facts))
    parts = [
        _time_class("TR", _number(facts, "repetition_time_ms"), _TR_EDGES_MS),
        _time_class("TE", echo_time, _TE_EDGES_MS),
        _time_class("TI", _number(facts, "inversion_time_ms"), _TI_EDGES_MS),
        "fat-suppressed" if _fat_suppressed(facts) else "",
    ]
    b_value = round((_number(facts, "b_value") or 0) / 50) * 50
    if b_value:
        parts.append(f"b {b_value} s/mm2")
    return ", ".join(filter(None, parts))


def _time_class(name: str, time: float | None, edges: Sequence[float]) -> str:
    if time is None:
        return ""
    above = bisect_right(edges, time)
    if above == 0:
        return f"{name} below {edges[0]:g} ms"
    if above == len(edges):
        return f"{name} above {edges[-1]:g} ms"
    return f"{name} {edges[above - 1]:g} to {edges[above]:g} ms"


def _fat_suppressed(facts: Facts) -> bool:
    return "FS" in _code(facts, "scan_options").split() or "FAT" in _code(facts, "spectral_suppression").split()


def _weightings(facts: Facts) -> list[str]:
    text = f"{facts.get('protocol', '')} {facts.get('series_description', '')}".lower()
    return [name for name, words in _WEIGHTINGS.items() if re.search(rf"(?<![a-z0-9])({words})", text)]
