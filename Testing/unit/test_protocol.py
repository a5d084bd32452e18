"""Which series share a protocol: what differs from patient to patient must not part them, what makes another image must."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from miqanet_core import read_series
from miqanet_core.protocol import protocol_of
from miqanet_core.series import Identity, MRSeries
from readers.dicom_maker import enhanced, groups, mr_image, noise, save

FACTS = {
    "manufacturer": "SIEMENS",
    "model": "Skyra",
    "field_strength_t": 3.0,
    "body_part": "PROSTATE",
    "protocol": "t2_tse_tra",
    "series_description": "t2_tse_tra",
    "scanning_sequence": "SE",
    "sequence_variant": "SK\\SP\\OSP",
    "acquisition_type": "2D",
    "repetition_time_ms": 5660.0,
    "echo_time_ms": 104.0,
    "image_type": "ORIGINAL\\PRIMARY\\M",
}


def series(rows: int = 320, columns: int = 320, **facts: str | float | None) -> MRSeries:
    merged = {name: value for name, value in {**FACTS, **facts}.items() if value is not None}
    return MRSeries(np.zeros((1, rows, columns), np.float32), None, "t2", "MR", merged)


def test_key_is_in_words_that_the_documentation_shows():
    assert protocol_of(series()) == (
        "PROSTATE; SIEMENS Skyra 3 T; SE OSP SK SP 2D; TR above 1500 ms, TE 53 to 150 ms; no agent; ORIGINAL PRIMARY M; "
        "matrix 320"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"echo_time_ms": 101.0},
        {"echo_time_ms": 104.4},
        {"repetition_time_ms": 4320.0},
        {"field_strength_t": 2.89362},
        {"field_strength_t": 30000.0},  # gauss
        {"inversion_time_ms": 0.0},
        {"b_value": 0.0},
        {"sequence_variant": "OSP\\SK\\SP"},
        {"body_part": "Prostate"},
        {"series_description": "t2_tse_tra repeat for Mrs Curie"},
        {"protocol": "another name"},
        {"contrast_agent": "NO"},
        {"rows": 260},
        {"rows": 320, "columns": 260},
    ],
)
def test_what_changes_from_patient_to_patient_keeps_the_key(change):
    assert protocol_of(series(**change)) == protocol_of(series())


@pytest.mark.parametrize(
    "change",
    [
        {"body_part": "KNEE"},
        {"body_part": None},
        {"model": "Prisma"},
        {"field_strength_t": 1.5},
        {"scanning_sequence": "EP"},
        {"acquisition_type": "3D"},
        {"repetition_time_ms": 600.0},
        {"echo_time_ms": 11.0},
        {"inversion_time_ms": 2500.0},
        {"scan_options": "PFP\\FS"},
        {"spectral_suppression": "FAT"},
        {"b_value": 800.0},
        {"contrast_agent": "Gadovist"},
        {"image_type": "DERIVED\\PRIMARY\\ADC"},
        {"rows": 384, "columns": 384},
    ],
)
def test_what_makes_another_image_makes_another_key(change):
    assert protocol_of(series(**change)) != protocol_of(series())


def test_echoes_in_phase_and_out_of_phase_are_told_apart():
    for out_of_phase, in_phase in ((1.15, 2.3), (2.2, 4.6)):  # 3 T, 1.5 T
        assert protocol_of(series(echo_time_ms=out_of_phase)) != protocol_of(series(echo_time_ms=in_phase))


@pytest.mark.parametrize(
    ("description", "weighting"),
    [
        ("AXIAL SE T1 - RESEARCH", "T1"),
        ("AXIAL SE T2 FAT SAT - RESEARCH", "T2 fat-suppressed"),
        ("anat-T1w", "T1"),
        ("ax t2* gre", "T2*"),
        ("t2_flair_fs Marie Curie", "T2 FLAIR fat-suppressed"),
        ("ep2d_diffusion", "DWI"),
        ("pd_tse_fs_cor", "PD fat-suppressed"),
        ("ax fse", None),
        ("Marie Curie", None),
    ],
)
def test_without_an_echo_time_only_known_words_of_the_description_count(description, weighting):
    bare = dict.fromkeys(("repetition_time_ms", "echo_time_ms", "protocol"))
    key = protocol_of(series(**bare, series_description=description))
    assert (key and key.split("; ")[3]) == weighting


def test_files_that_do_not_say_how_they_were_acquired_have_no_protocol():
    assert protocol_of(replace(series(), facts={})) is None
    assert protocol_of(series(manufacturer=None, model=None)) is None


def test_siemens_numbers_of_diffusion_directions_do_not_count():
    names = [protocol_of(series(scanning_sequence=None, sequence_name=f"*ep_b1000#{n}", b_value=1000.0)) for n in (1, 12)]
    assert names[0] == names[1]


def test_dicom_classic(tmp_path: Path):
    tags = {
        "Manufacturer": "ACME", "ManufacturerModelName": "One", "BodyPartExamined": "KNEE", "ScanningSequence": ["SE"],
        "RepetitionTime": 3000, "ContrastBolusAgent": "Gadovist",
    }  # fmt: skip
    keys = {
        protocol_of(read_series(save(mr_image(noise(0), EchoTime=te, **tags), tmp_path / f"{te}.dcm"))) for te in (80, 80.7)
    }
    assert keys == {
        "KNEE; ACME One; SE; TR above 1500 ms, TE 53 to 150 ms; with agent; ORIGINAL PRIMARY M; matrix 24",
    }


def test_dicom_enhanced_says_it_in_groups_and_codes(tmp_path: Path):
    frame = groups(
        MREchoSequence={"EffectiveEchoTime": 81.0},
        MRModifierSequence={"InversionTimes": [2500.0], "SpectrallySelectedSuppression": "FAT"},
        PlanePositionSequence={"ImagePositionPatient": [0, 0, 0]},
    )
    anatomy, agent = groups(), groups()
    anatomy.CodeMeaning, agent.CodeMeaning = "Knee", "Gadolinium"
    image = enhanced(
        np.stack([noise(0)]), [frame], Manufacturer="ACME", PulseSequenceName="tse2d", EchoPulseSequence="SPIN",
        AnatomicRegionSequence=[anatomy], ContrastBolusAgentSequence=[agent],
    )  # fmt: skip
    assert protocol_of(read_series(save(image, tmp_path / "e.dcm"))) == (
        "KNEE; ACME; SPIN tse2d; TR above 1500 ms, TE 53 to 150 ms, TI above 1400 ms, fat-suppressed; with agent; "
        "ORIGINAL PRIMARY M; matrix 24"
    )


def test_no_key_of_real_series_holds_who_it_was(shared: Path):
    folders = [shared / "data" / "mri" / name for name in ("pelvis_prostate_PX0000_T2tra", "abdomen_T2_CMB-CRC")]
    for one in (read_series(folder) for folder in folders):
        key = protocol_of(one)
        assert key is not None
        assert one.identity != Identity()
        for secret in (one.identity.patient_id, one.identity.patient_name, one.identity.series_uid, one.identity.study_uid):
            assert not secret or secret not in key
