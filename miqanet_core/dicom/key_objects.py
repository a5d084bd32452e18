"""Key Object Selections (TID 2010): the flag that MIQA sets by itself, and the rejection that only a person may ask for."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import (
    CodeContentItem,
    ImageContentItem,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    RelationshipTypeValues,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from miqanet_core.dicom.codes import reasons_of
from miqanet_core.dicom.identity import equipment, uid_of
from miqanet_core.dicom.quality_report import NOTICE, device_observer
from miqanet_core.dicom.sources import SourceImages, hush
from miqanet_core.policy import Policy, format_score
from miqanet_core.quality import SeriesQuality, SliceQuality
from miqanet_core.series import SliceSource


def quality_flag(
    quality: SeriesQuality, images: SourceImages, slice_sources: tuple[SliceSource, ...], policy: Policy, uids: tuple[str, str]
) -> KeyObjectSelectionDocument:
    """113010 "Quality Issue" on the poor images of a flagged series. ValueError when the series is not flagged."""
    if not quality.flagged:
        raise ValueError("the series is not flagged")
    poor = poor_slices(quality, policy)
    words = " ".join((NOTICE, f"Verdict: {quality.verdict.value}, score {format_score(quality.score)}.", *quality.reasons))
    return _document(
        codes.DCM.QualityIssue,
        reasons_of(name for one in poor for name in one.artifacts),
        images,
        [slice_sources[one.index] for one in poor],
        uids,
        device=device_observer(quality),
        words=words,
    )


def poor_slices(quality: SeriesQuality, policy: Policy) -> list[SliceQuality]:
    """The flagged slices; when the series is flagged by its mean alone, those below what makes a series diagnostic."""
    flagged = [one for one in quality.slices if one.flagged]
    limit = policy.fitted_to(quality.normal).diagnostic
    return flagged or [one for one in quality.slices if one.score is not None and one.score < limit]


@hush()
def rejection_of(
    quality: SeriesQuality, headers: Sequence[Dataset], person: str, comment: str = "", version: int = 1
) -> KeyObjectSelectionDocument:
    """113001 "Rejected for Quality Reasons" on all images of ``headers``, in the name of a person.

    Archives hide the images that it names, so nothing but a person's own click may lead here. ``person``: who rejects, as
    DICOM writes names (Family^Given). ValueError when no person is named, or an image has no UIDs.
    """
    if not person.strip(" ^"):
        raise ValueError("only a person may reject images: name who does")
    images = SourceImages.of(headers)
    key = (images.series_uid, "rejection")
    name = person.strip() if "^" in person else f"{person.strip()}^"
    observer = ObserverContext(
        observer_type=codes.DCM.Person, observer_identifying_attributes=PersonObserverIdentifyingAttributes(name)
    )
    return _document(
        codes.DCM.RejectedForQualityReasons,
        reasons_of(name for one in quality.slices if one.flagged for name in one.artifacts),
        images,
        [SliceSource(uid) for uid in images.images],
        (uid_of(*key), uid_of(*key, quality.model.weights_sha256, str(version), name)),
        person=observer,
        words=comment.strip(),
    )


def _document(
    title: Code,
    modifiers: Sequence[Code],
    images: SourceImages,
    references: Sequence[SliceSource],
    uids: tuple[str, str],
    *,
    device: ObserverContext | None = None,
    person: ObserverContext | None = None,
    words: str = "",
) -> KeyObjectSelectionDocument:
    frames: dict[str, list[int]] = {}
    for reference in references:
        frames.setdefault(reference.instance_uid, []).extend([] if reference.frame is None else [reference.frame])
    content = KeyObjectSelection(
        document_title=title,
        referenced_objects=[images.images[uid] for uid in frames],
        observer_device_context=device,
        observer_person_context=person,
        description=words or None,
    )
    items = content[0].ContentSequence
    for number, modifier in enumerate(modifiers):
        items.insert(
            number,
            CodeContentItem(
                name=codes.DCM.DocumentTitleModifier,
                value=modifier,
                relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
            ),
        )
    for item in items:
        if isinstance(item, ImageContentItem) and (numbers := frames[item.referenced_sop_instance_uid]):
            item.ReferencedSOPSequence[0].ReferencedFrameNumber = sorted(set(numbers))
    return KeyObjectSelectionDocument(
        evidence=[images.images[uid] for uid in frames],
        content=content,
        series_instance_uid=uids[0],
        sop_instance_uid=uids[1],
        series_number=images.series_number + 9001,
        instance_number=1,
        series_description="MIQA quality flag" if device else "Rejected for quality reasons",
        specific_character_set="ISO_IR 192",
        **equipment(),
    )
