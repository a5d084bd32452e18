"""The quality report: a Comprehensive SR of one series by TID 1500 (PS3.16), score, verdict, findings and where they come from.

The first measurement group speaks of the series, one more for each scored slice of that slice's image. A series that was not
assessed has a group without numbers, and the words that say why.
"""

from __future__ import annotations

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementProperties,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from miqanet_core.dicom.codes import OWN_SCHEME, QUALITATIVE_EVALUATIONS, RATING_UNIT, VERDICTS, finding_of, own_scheme
from miqanet_core.dicom.identity import MANUFACTURER, MODEL_NAME, equipment, uid_of
from miqanet_core.dicom.sources import SourceImages
from miqanet_core.policy import Policy, format_score
from miqanet_core.quality import Interval, SeriesQuality, SliceQuality, Verdict
from miqanet_core.series import SliceSource

NOTICE = "MIQA is a research tool, not a medical device: do not decide about a patient by its numbers."


def quality_report(
    quality: SeriesQuality, images: SourceImages, slice_sources: tuple[SliceSource, ...], policy: Policy, uids: tuple[str, str]
) -> ComprehensiveSR:
    """The SR. ``policy``: by whose thresholds the verdict was found; ``uids``: of the SR's series and of the SR itself."""
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=device_observer(quality)),
        procedure_reported=codes.LN.MRIUnspecifiedBodyRegion,
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=[
            _series_group(quality, images),
            *(
                _slice_group(one, len(quality.slices), slice_sources[one.index], quality, images, policy)
                for one in quality.slices
                if one.score is not None
            ),
        ],
    )
    report[0].ContentSequence.append(_in_words(quality, policy))
    return ComprehensiveSR(
        evidence=images.all,
        content=report,
        series_instance_uid=uids[0],
        sop_instance_uid=uids[1],
        series_number=images.series_number + 9000,
        instance_number=1,
        series_description="MIQA image quality",
        is_complete=True,
        specific_character_set="ISO_IR 192",
        coding_schemes=[own_scheme()] if _uses_own_codes(quality) else None,
        **equipment(),
    )


def _uses_own_codes(quality: SeriesQuality) -> bool:
    return any(finding_of(name).scheme_designator == OWN_SCHEME for one in quality.slices for name in one.artifacts)


def device_observer(quality: SeriesQuality) -> ObserverContext:
    """MIQA, with the model that it scored with, as the device that observes."""
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=uid_of("device", quality.model.weights_sha256),
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=MODEL_NAME,
            serial_number=f"{quality.model.name} {quality.model.version}",
        ),
    )


def _algorithm(quality: SeriesQuality) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=quality.model.name,
        version=quality.model.version,
        parameters=[f"weights sha256 {quality.model.weights_sha256}"],
        manufacturer=MANUFACTURER,
    )


def _series_group(quality: SeriesQuality, images: SourceImages) -> MeasurementsAndQualitativeEvaluations:
    evaluations = []
    if quality.verdict in VERDICTS:
        evaluations.append(QualitativeEvaluation(codes.DCM.ImagingSeriesQuality, VERDICTS[quality.verdict]))
        evaluations.append(_standard())
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid_of("series", images.series_uid, _stack(quality)), "Series"),
        algorithm_id=_algorithm(quality),
        measurements=[] if quality.score is None else [_rating(quality.score, quality.interval)],
        qualitative_evaluations=evaluations,
    )


def _stack(quality: SeriesQuality) -> str:
    return str(quality.series.get("description", ""))


def _slice_group(
    one: SliceQuality, count: int, source: SliceSource, quality: SeriesQuality, images: SourceImages, policy: Policy
) -> MeasurementsAndQualitativeEvaluations:
    assert one.score is not None
    number = str(one.index + 1)
    evaluations = [
        QualitativeEvaluation(codes.DCM.QualityAssessment, _assessment(one, quality, policy)),
        _standard(),
        *(QualitativeEvaluation(codes.DCM.QualityFinding, finding_of(name)) for name in sorted(one.artifacts)),
    ]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid_of("slice", images.series_uid, _stack(quality), number), f"Slice {number} of {count}"
        ),
        algorithm_id=_algorithm(quality),
        measurements=[_rating(one.score)],
        qualitative_evaluations=evaluations,
        source_images=[
            SourceImageForMeasurementGroup(
                images.images[source.instance_uid].SOPClassUID,
                source.instance_uid,
                None if source.frame is None else [source.frame],
            )
        ],
    )


def _rating(score: float, interval: Interval | None = None) -> Measurement:
    # Cut, not rounded, as everywhere else: 59.97 must not read as 60.0 "below 60".
    written = float(format_score(score))
    properties = None
    if interval is not None:
        properties = MeasurementProperties(
            upper_measurement_uncertainty=round(interval.high - written, 2),
            lower_measurement_uncertainty=round(written - interval.low, 2),
        )
    return Measurement(name=codes.DCM.ImageQualityRating, value=written, unit=RATING_UNIT, properties=properties)


def _standard() -> QualitativeEvaluation:
    """The thresholds are the site's, whether it changed MIQA's or not; the words say which they are."""
    return QualitativeEvaluation(codes.DCM.QualityControlStandard, codes.cid6136.InstitutionallyDefinedQualityControlStandard)


def _assessment(one: SliceQuality, quality: SeriesQuality, policy: Policy) -> Code:
    """CID 6044: unusable below what makes a series non-diagnostic, else whether the slice is flagged."""
    if not one.flagged:
        return codes.DCM.UsableMeetsTheQualityControlStandard
    if one.score is not None and one.score < policy.fitted_to(quality.normal).non_diagnostic:
        return codes.DCM.UnusableQualityRendersImageUnusable
    return codes.DCM.UsableDoesNotMeetTheQualityControlStandard


def _in_words(quality: SeriesQuality, policy: Policy) -> ContainerContentItem:
    """What a person should read, and what has no code."""
    container = ContainerContentItem(
        name=CodedConcept(*QUALITATIVE_EVALUATIONS[:3]), relationship_type=RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = ContentSequence(
        [
            TextContentItem(name=codes.DCM.Comment, value=sentence, relationship_type=RelationshipTypeValues.CONTAINS)
            for sentence in sentences_of(quality, policy)
        ]
    )
    return container


def sentences_of(quality: SeriesQuality, policy: Policy) -> list[str]:
    """The result in plain words, the notice that it is a research tool's first."""
    found = [NOTICE]
    if _stack(quality):
        found.append(f"Of the images: {_stack(quality)}.")  # a series of several stacks has as many reports
    if quality.verdict is Verdict.NOT_ASSESSED:
        return [*found, "Not assessed: this series has no score.", *quality.reasons, _scored_with(quality)]
    found.append(f"Verdict: {quality.verdict.value}. Score {format_score(quality.score)}, from 0 (worst) to 100 (best).")
    if quality.interval is not None:
        low, high, level = quality.interval
        found.append(f"In {100 * level:g} % of cases the true score lies from {format_score(low)} to {format_score(high)}.")
    found += [*quality.reasons, *quality.artifact_sentences()]
    if not any(one.artifacts for one in quality.slices):
        found.append("The model names no cause.")
    fitted = policy.fitted_to(quality.normal)
    found.append(
        f"Quality control standard: a series is diagnostic from {fitted.diagnostic:g}, non-diagnostic below "
        f"{fitted.non_diagnostic:g}; a slice is flagged below {fitted.slice_flag:g}."
    )
    return [*found, _scored_with(quality)]


def _scored_with(quality: SeriesQuality) -> str:
    model = quality.model
    return f"Scored without a reference image by {model.name} {model.version}, weights sha256 {model.weights_sha256}."
