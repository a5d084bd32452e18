"""A catalogue as a listener leaves it: a real brain scan, clean and spoiled, scored by the shipped model."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from miqanet_core import Scorer, artifacts
from miqanet_core.cli.demo import demo_series
from miqanet_core.listener.catalogue import (
    Catalogue,
    Heartbeat,
    Incident,
    IncidentKind,
    Job,
    ObjectState,
    OutboxEntry,
    ReceivedObject,
    Result,
    Series,
    SeriesState,
    SliceScore,
    StackResult,
    now,
)
from miqanet_core.listener.settings import Destination, Settings, Storage, Web
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality
from miqanet_core.series import MRSeries
from miqanet_core.transforms import normalise

SCANNER, OTHER_SCANNER = "Siemens Skyra, MR2", "Philips Ingenia, MR1"
PROTOCOL = "BRAIN; SIEMENS Skyra 3 T; EP SK 2D; TR above 1500 ms, TE 24 to 53 ms; no agent; ORIGINAL PRIMARY M; matrix 128"
MARKUP = '<img src=x onerror="document.title=1"><b>T2 tra</b>'
NAME, PATIENT, ACCESSION = "Ptolemy^Berenike", "PID-4711", "ACC-0815"
USER, PASSWORD = "Anna Radiographer", "correct horse battery"


@cache
def scored() -> tuple[tuple[MRSeries, SeriesQuality], ...]:
    """Twelve slices clean, with simulated ghosting in some of them, and in all."""
    whole = demo_series()
    clean = replace(whole, voxels=whole.voxels[6:18], description="Brain, EPI")
    scorer = Scorer()
    made = []
    for severity, spoiled in ((0.0, ()), (0.8, range(3, 8)), (0.9, range(12))):
        voxels = clean.voxels.copy()
        for i in spoiled:
            voxels[i] = artifacts.simulate(voxels[i], "ghosting", severity, i)
        series = replace(clean, voxels=voxels)
        made.append((series, scorer.score(series)))
    return tuple(made)


def settings_of(folder: Path, **web: object) -> Settings:
    """Two archives, one of which takes nothing from the scanner."""
    archives = [
        Destination(name="archive", address="127.0.0.1"),
        Destination(name="research", address="127.0.0.1", ae_title="RESEARCH", from_calling_ae_titles=["RESEARCH"]),
    ]
    return Settings(storage=Storage(folder=folder, free_floor_gib=0), destinations=archives, web=Web(**web))  # type: ignore[arg-type]


def add_series(session: Session, number: int, **values: object) -> Series:
    """A series that has just come, without a result."""
    moment = now() - timedelta(minutes=3 * number)
    facts = {
        "series_uid": f"1.2.3.{number}", "study_uid": "1.2.3", "patient_id": PATIENT, "patient_name": NAME,
        "accession_number": ACCESSION, "series_number": number,
        "description": f"ep2d {number}", "body_part": "BRAIN", "modality": "MR", "scanner": SCANNER, "protocol": PROTOCOL,
        "calling_ae": "SKYRA", "first_object_at": moment - timedelta(minutes=1), "last_object_at": moment,
    }  # fmt: skip
    series = Series(**facts | values)
    session.add(series)
    session.flush()
    return series


def add_result(session: Session, folder: Path, series: Series, found: tuple[MRSeries, SeriesQuality]) -> Result:
    """The next version of the series' result."""
    stack, quality = found
    series.version += 1
    series.state = SeriesState.SCORED.value
    result = Result(
        series_id=series.id, version=series.version, verdict=quality.verdict.value, score=quality.score,
        flagged=quality.flagged,
        objects=len(stack.voxels), latency_seconds=6.5, model_name=quality.model.name, model_version=quality.model.version,
        weights_sha256=quality.model.weights_sha256, scored_by="host worker 1", created_at=series.last_object_at,
    )  # fmt: skip
    session.add(result)
    session.flush()
    session.add(
        StackResult(
            result_id=result.id,
            number=0,
            description=stack.description,
            verdict=quality.verdict.value,
            score=quality.score,
            document=quality.to_dict(),
            map_file=keep_map(folder, f"maps/{result.id}.npz", stack, quality),
            instance_uids=[],
        )  # fmt: skip
    )
    session.flush()
    return result


def keep_map(folder: Path, name: str, stack: MRSeries, quality: SeriesQuality) -> str:
    """As the worker keeps it."""
    path = folder / "results" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = (255 * normalise(stack.voxels)).round().astype(np.uint8)
    assert stack.geometry is not None and quality.map is not None
    np.savez_compressed(
        path, map=quality.map, picture=picture, spacing=np.array(stack.geometry.spacing),
        direction=np.array(stack.geometry.direction),
    )  # fmt: skip
    return name


def fill(catalogue: Catalogue, folder: Path) -> dict[str, int]:
    """A day's work. Returns the ids of: ``flagged``, ``poor``, ``good``, ``arriving``, ``failed``, ``markup`` (series)."""
    good, limited, poor = scored()
    ids = {}
    with catalogue.write() as session:
        for number, (name, found, more) in enumerate(
            [
                ("flagged", limited, {}),
                ("good", good, {"scanner": OTHER_SCANNER, "description": "T1 MPRAGE"}),
                ("poor", poor, {}),
                ("markup", good, {"description": MARKUP, "patient_name": MARKUP, "body_part": "<i>HEAD</i>"}),
            ],
            start=1,
        ):
            series = add_series(session, number, **more)
            ids[name] = series.id
            add_result(session, folder, series, found)
        again = session.get_one(Series, ids["flagged"])
        add_result(session, folder, again, limited)
        arriving = add_series(session, 8, state=SeriesState.RECEIVING.value, scanner="GE Signa, MR3", last_object_at=now())
        for i in range(7):
            one = ReceivedObject(
                sop_instance_uid=f"1.9.{i}", sop_class_uid="1.2", transfer_syntax_uid="1.2", sha256=str(i), size=9, file=f"{i}",
                series_id=arriving.id, state=ObjectState.SORTED.value,
            )  # fmt: skip
            session.add(one)
            session.flush()
            if i < 5:
                session.add(SliceScore(series_id=arriving.id, object_id=one.id, digest=str(i), score=good[1].slices[i].score))
        ids["arriving"] = arriving.id
        failed = add_series(session, 9, state=SeriesState.FAILED.value, reason="3 of 24 files are damaged", description="dwi")
        ids["failed"] = failed.id
        session.add(Job(series_id=failed.id, attempts=5, dead_at=now(), reason="reading took longer than 120 s"))
        newest = session.get_one(Series, ids["poor"]).results[-1]
        session.add(
            OutboxEntry(result_id=newest.id, destination="archive", kind="dicom", attempts=20, dead_at=now(),
                        reason="the archive refuses the association")
        )  # fmt: skip
        session.add(Incident(kind=IncidentKind.REFUSED_ASSOCIATION.value, detail="UNKNOWN at 192.0.2.7 is not on the list"))
        session.add(Heartbeat(name="host receiver 1", kind="receiver", figures={"associations": 0}))
        session.add(Heartbeat(name="host worker 17", kind="worker", figures={"device": "cpu"}))
    return ids


def add_history(
    catalogue: Catalogue,
    scores: Sequence[float],
    scanner: str = SCANNER,
    days: float = 1.0,
    first: int = 1000,
    weights: str = "0",
) -> None:
    """Series of one protocol, one every ``days``, the last one a day ago; only their scores are kept."""
    with catalogue.write() as session:
        for i, score in enumerate(scores):
            at = now() - timedelta(days=days * (len(scores) - i))
            judged = Policy.default().judge([score])
            series = add_series(session, first + i, scanner=scanner, first_object_at=at, last_object_at=at, version=1,
                                state=SeriesState.SCORED.value)  # fmt: skip
            session.add(
                Result(series_id=series.id, version=1, verdict=judged.verdict.value, score=score, flagged=judged.flagged,
                       objects=12, latency_seconds=5.0, model_name="m", model_version="1", weights_sha256=weights,
                       created_at=at)
            )  # fmt: skip
