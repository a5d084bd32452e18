"""The codes in which quality is said (PS3.16): what DICOM has no code for is in MIQA's own scheme, 99MIQA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from miqanet_core.quality import Verdict, in_words

OWN_SCHEME = "99MIQA"

# CID 7036.
VERDICTS: Mapping[Verdict, Code] = {
    Verdict.DIAGNOSTIC: codes.RADLEX.DiagnosticQuality,
    Verdict.LIMITED: codes.RADLEX.LimitedQuality,
    Verdict.NON_DIAGNOSTIC: codes.RADLEX.NonDiagnosticQuality,
}

QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
# PS3.16 defines 111029 Image Quality Rating as a number from 0 (worst) to 100 (best).
RATING_UNIT = Code("{0:100}", "UCUM", "range: 0:100")

# MR artefacts of CID 6315.
_FINDINGS: Mapping[str, Code] = {
    "ghosting": codes.RADLEX.Ghost,
    "motion": codes.RADLEX.MotionRelatedArtifact,
    "shading": codes.RADLEX.NonUniformSignalIntensityArtifact,
    "wrap_around": codes.RADLEX.PhaseWraparoundArtifact,
}
# CID 7011, made for projection radiography, tells few MR artefacts apart; what it has no word for is an image artefact.
_REASONS: Mapping[str, Code] = {"motion": codes.DCM.MotionBlur}


def finding_of(artifact: str) -> Code:
    """An artefact that the model names as a Quality Finding."""
    return _FINDINGS.get(artifact) or Code(artifact[:16], OWN_SCHEME, in_words(artifact)[:64])


def reasons_of(artifacts: Iterable[str]) -> list[Code]:
    """The document title modifiers (CID 7011) for the artefacts that were found; unknown failure when there are none."""
    found = {_REASONS.get(name, codes.DCM.ImageArtifacts) for name in artifacts}
    return sorted(found, key=lambda code: code.value) or [codes.DCM.UnknownFailure]


def own_scheme() -> CodingSchemeIdentificationItem:
    """What 99MIQA is, for readers that meet it (PS3.3 C.12.1.1.1)."""
    return CodingSchemeIdentificationItem(OWN_SCHEME, "MIQA artefacts of MR images", "1")
