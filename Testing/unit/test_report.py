"""What the reports hold, that nothing from outside can break out of them, and that files are whole or absent."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import subprocess
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.image import imread

from miqanet_core.cli.table import plain
from miqanet_core.errors import InputError
from miqanet_core.policy import Policy
from miqanet_core.quality import Interval, SeriesQuality, Verdict
from miqanet_core.report import charts, figures, files
from miqanet_core.report.csv import to_csv
from miqanet_core.report.html import Scored, render_html, render_index
from miqanet_core.report.model_card import summary
from miqanet_core.report.overlay import LOWEST, write_overlay
from miqanet_core.series import Geometry
from report_samples import OBLIQUE, assess, make_series

POLICY = Policy.default()
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"


class Page(HTMLParser):
    """What a browser would see: elements, addresses and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)

    def values(self, tag: str, name: str) -> list[str]:
        return [v for t, n, v in self.attributes if (t, n) == (tag, name)]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def render(*series, **options) -> str:
    return render_html([Scored(s, assess(s)) for s in series], POLICY, **options)


def test_html_says_score_verdict_reasons_notes_model_and_disclaimer():
    text = Page(render(make_series([80.0, 30.0, 85.0]), model_card="# Card\n\nLearned from 81 files.\n\n## Data\nno")).text
    for expected in (
        "65.0 / 100", "Limited", "1 of 3 slices scores below", "slice 2", "2 slices are missing", "stand_in, version 0.0",
        "0123456789abcdef" * 4, "Learned from 81 files.", "not a medical device", "ACME", "12, 3 slices",
    ):  # fmt: skip
        assert expected in text


def test_html_asks_for_nothing_from_outside_and_runs_no_script():
    page = Page(render(make_series([80.0, 30.0]), make_series([50.0], "other")))
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "srcset", "xlink:href", "action", "data"):
            assert value.startswith(("data:image/png;base64,", "#series-"))
        assert "url(" not in value
    assert "url(" not in render(make_series()) and "@import" not in render(make_series())


def test_html_escapes_every_text_from_outside():
    series = replace(make_series([30.0], HOSTILE), facts={HOSTILE: HOSTILE}, notes=(HOSTILE,), modality=HOSTILE)
    quality = assess(series, artifacts=[{HOSTILE: 0.5}])
    quality = replace(quality, reasons=(HOSTILE,), model=replace(quality.model, name=HOSTILE, version=HOSTILE))
    results = [Scored(series, quality)] * 2
    page = render_html(results, POLICY, model_card=HOSTILE, introduction=[HOSTILE])
    assert "<script" not in page
    parsed = Page(page)
    assert parsed.text.count("<script>alert(1)</script>") >= 10
    assert "49" not in Page(page.replace("base64", "")).text.split("alert(1)")[1][:30]
    index = render_index([{"quality": quality, "files": {"report": f"{HOSTILE}.html"}}])
    assert "<script" not in index
    assert Page(index).values("a", "href")[0].endswith("%7D.html")


def test_html_holds_no_identity_unless_the_result_does():
    series = make_series()
    for secret in ("PID-7734", "Curie", "1.2.3"):
        assert secret not in render(series)
    quality = assess(series)
    quality = replace(quality, series={**quality.series, "identity": {"patient_id": "PID-7734", "instance_uids": ["1.2"]}})
    text = Page(render_html([Scored(series, quality)], POLICY)).text
    assert "Patient id PID-7734" in text
    assert "1.2" not in text.split("What each number means")[0].split("PID-7734")[1].split("Size")[0]


def test_html_pictures_have_alternatives_and_come_in_pairs_worst_first():
    page = Page(render(make_series([80.0, 30.0, 55.0])))
    assert page.values("img", "alt") == [
        text for n in (2, 3, 1) for text in (f"Slice {n}", f"Slice {n} with its quality map")
    ]  # fmt: skip
    assert all(label for label in page.values("svg", "aria-label"))
    assert page.values("html", "lang") == ["en"]
    assert "scope" in {name for tag, name, _ in page.attributes if tag == "th"}


def test_html_of_several_series_has_an_index_to_each():
    page = Page(render(make_series([80.0], "first"), make_series([20.0], "second")))
    assert page.values("a", "href") == ["#series-1", "#series-2"]
    assert page.values("article", "id") == ["series-1", "series-2"]


def test_html_of_a_series_that_is_not_assessed_shows_no_score():
    series = make_series([80.0], modality="CT")
    quality = replace(assess(series), map=None)
    assert quality.verdict is Verdict.NOT_ASSESSED
    text = Page(render_html([Scored(series, quality)], POLICY)).text
    assert "– / 100" in text
    assert "Not assessed" in text


def test_html_of_slices_without_anatomy_only():
    text = Page(render(make_series([None, None]))).text
    assert "not scored" in text
    assert "Lowest-scoring" not in text


def test_html_writes_units_behind_values_and_folds_away_many_facts():
    facts = {"echo_time_ms": 30.0, "field_strength_t": 3.0, "protocol": "t2_tse_ax", **{f"fact_{n}": str(n) for n in range(20)}}
    page = render(replace(make_series(), facts=facts))
    text = Page(page).text
    assert "Echo time 30 ms" in text
    assert "Field strength 3 T" in text
    assert "Protocol" not in text  # it only repeats the description
    assert page.count("<details>") == 1
    assert "Fact 19 19" in text


def test_html_gives_the_time_of_scoring():
    assert "2026-03-04 05:06" in render(make_series(), when=datetime(2026, 3, 4, 5, 6))


def test_model_card_in_short_is_its_summary_or_its_opening():
    assert summary("# Title\n\nOpening `x`.\n\n## Data\nmore") == ["Opening x."]
    assert summary("# T\nOpening\n## Summary\n**Bold** [text](http://a.b)\n- one\n- two\n## Rest\nno") == [
        "Bold text",
        "• one",
        "• two",
    ]
    assert summary("") == []


# Charts


def test_curve_breaks_at_unscored_slices_and_marks_flagged_ones():
    svg = charts.score_curve(assess(make_series([80.0, 70.0, None, 30.0])).slices, POLICY)
    assert svg.count("<polyline") == 2
    assert svg.count('class="dot good"') == 2
    assert svg.count('class="dot bad"') == 1
    assert "<title>slice 4: 30.0, flagged</title>" in svg


@pytest.mark.parametrize("count", [1, 2, 3, 24, 160, 1000])
def test_curve_labels_first_and_last_slice_and_stays_inside(count):
    svg = charts.score_curve(assess(make_series([60.0] * count)).slices, POLICY)
    labels = [int(n) for n in re.findall(r'text-anchor="middle">(\d+)<', svg)]
    assert labels[0] == 1
    assert labels[-1] == count
    assert len(labels) <= 12
    assert all(0 <= float(x) <= 610 for x in re.findall(r'cx="([\d.]+)"', svg))


def test_histogram_counts_every_scored_slice_once():
    svg = charts.histogram(assess(make_series([0.5, 4.9, 47.0, 52.0, 99.0, 100.0, None])).slices)
    counts = dict(re.findall(r"score (\d+) to \d+: (\d+)", svg))
    assert counts == {"0": "2", "45": "1", "50": "1", "95": "2"}


# CSV


def test_csv_has_one_row_per_slice_with_numbers_from_one():
    rows = list(csv.DictReader(io.StringIO(to_csv([assess(make_series([80.0, None, 30.0])), assess(make_series([60.0]))]))))
    assert [(r["slice"], r["score"], r["flagged"]) for r in rows] == [
        ("1", "80.0000", "0"),
        ("2", "", "0"),
        ("3", "30.0000", "1"),
        ("1", "60.0000", "0"),
    ]
    assert rows[0]["series_verdict"] == "limited"


def test_csv_gives_artefacts_a_column_each_over_all_series():
    one = assess(make_series([80.0]), artifacts=[{"motion": 0.25}])
    two = assess(make_series([70.0]), artifacts=[{"blur": 0.5}])
    rows = list(csv.DictReader(io.StringIO(to_csv([one, two]))))
    assert [(r["artifact_blur"], r["artifact_motion"]) for r in rows] == [("", "0.2500"), ("0.5000", "")]


def test_interval_and_doubts_are_shown_wherever_the_score_is():
    series = make_series((80.0, 70.0))
    quality = assess(series, artifacts=[{"wrap_around": 0.31}, {}])
    second = replace(quality.slices[1], unclear=("blur",))
    quality = replace(quality, slices=(quality.slices[0], second), interval=Interval(61.04, 88.2, 0.9))
    assert SeriesQuality.from_json(quality.to_json()).interval == quality.interval
    assert SeriesQuality.from_json(quality.to_json()).slices[1].unclear == ("blur",)
    text = Page(render_html([Scored(series, quality)], POLICY)).text
    for expected in (
        "61.0 to 88.2 in 90 % of cases",
        "Wrap around in 1 of 2 slices, mean severity 0.31",
        "whether there is: blur",
    ):
        assert expected in text
    both = Page(render_html([Scored(series, quality), Scored(series, quality)], POLICY)).text
    assert both.count("61.0 to 88.2 in 90 % of cases") == 4  # on the card at the top and in the section of each series
    index = Page(render_index([{"quality": quality, "files": {"report": "one.html"}}])).text
    assert "61.0 to 88.2 in 90 % of cases" in index
    first, last = csv.DictReader(io.StringIO(to_csv([quality])))
    assert (first["series_score_low"], first["artifact_wrap_around"], first["artifact_blur"]) == ("61.0400", "0.3100", "")
    assert (last["artifact_wrap_around"], last["artifact_blur"]) == ("", "unclear")
    assert "75.0 (61.0-88.2) diagnostic" in plain(quality)
    assert "wrap_around=0.31" in plain(quality)


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1"])
def test_csv_neutralises_formulas(start):
    row = next(csv.DictReader(io.StringIO(to_csv([assess(make_series([80.0], start))]), newline="")))
    assert row["series"] == "'" + start.replace("\r", " ")


def test_csv_quotes_commas_quotes_and_new_lines():
    name = 'T2, "fast"\nsecond'
    rows = list(csv.DictReader(io.StringIO(to_csv([assess(make_series([80.0, 90.0], name))]), newline="")))
    assert [r["series"] for r in rows] == [name, name]


# Overlay: written with nibabel, read back with SimpleITK, which is another implementation


@pytest.mark.parametrize("name", ["map.nii.gz", "map.nii", "carte été 1.nii.gz"])
@pytest.mark.parametrize("geometry", [OBLIQUE, Geometry(), Geometry((2, 1, 5), (9, -8, 7), ((0, 0, 1), (1, 0, 0), (0, -1, 0)))])
def test_overlay_lies_exactly_on_its_series(tmp_path, name, geometry):
    series = make_series([80.0, None, 30.0, 10.0], geometry=geometry)
    image = sitk.ReadImage(str(write_overlay(tmp_path / name, series, assess(series))))
    assert image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), series.voxels)
    np.testing.assert_allclose(image.GetSpacing(), geometry.spacing, rtol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), geometry.origin, atol=1e-4)
    np.testing.assert_allclose(np.reshape(image.GetDirection(), (3, 3)), geometry.direction, atol=1e-6)


def test_overlay_tells_worst_from_not_scored(tmp_path):
    series = make_series([80.0])
    quality = assess(series)
    quality.map[0, 4, 5] = 0.0
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(write_overlay(tmp_path / "m.nii", series, quality))))
    assert written[0, 4, 5] == np.float32(LOWEST)
    assert written[0, 0, 0] == 0
    assert np.isfinite(written).all()


def test_overlay_without_geometry_or_map_is_an_input_error(tmp_path):
    flat = make_series(geometry=None)
    with pytest.raises(InputError, match="has no geometry"):
        write_overlay(tmp_path / "m.nii.gz", flat, assess(flat))
    series = make_series()
    with pytest.raises(InputError, match="was not assessed"):
        write_overlay(tmp_path / "m.nii.gz", series, replace(assess(series), map=None))
    assert list(tmp_path.iterdir()) == []


# Pictures


def decode(png: bytes) -> np.ndarray:
    return imread(io.BytesIO(png))


@pytest.mark.parametrize(
    ("along_columns", "along_rows", "corner"),  # corner: where voxel (0, 0) must be shown, as (bottom, right)
    [
        ((1, 0, 0), (0, 1, 0), (0, 0)),  # axial as DICOM stores it
        ((1, 0, 0), (0, -1, 0), (1, 0)),  # axial as NIfTI stores it
        ((-1, 0, 0), (0, -1, 0), (1, 1)),
        ((0, 1, 0), (1, 0, 0), (0, 0)),  # axial, stored on its side
        ((0, -1, 0), (1, 0, 0), (1, 0)),
        ((1, 0, 0), (0, 0, -1), (0, 0)),  # coronal, rows run to the feet
        ((1, 0, 0), (0, 0, 1), (1, 0)),  # coronal, rows run to the head
        ((0, 1, 0), (0, 0, -1), (0, 0)),  # sagittal, face to the left
        ((0, -1, 0), (0, 0, -1), (0, 1)),  # sagittal, stored facing right
        ((0.9, 0.436, 0), (-0.436, 0.9, 0), (0, 0)),  # oblique
    ],
)
def test_pictures_hang_as_radiologists_hang_them(along_columns, along_rows, corner):
    matrix = np.stack([along_columns, along_rows, np.cross(along_columns, along_rows)], axis=1)
    geometry = Geometry(direction=tuple(map(tuple, matrix.tolist())))
    image = np.zeros((20, 30), np.float32)
    image[:5, :5] = 1.0
    shown = decode(figures.slice_png(image, figures.radiological(geometry)))
    rows, columns = np.nonzero(shown > 0.5)
    height, width = shown.shape
    assert (int(rows.mean() > height / 2), int(columns.mean() > width / 2)) == corner


def test_picture_size_follows_the_voxels():
    assert figures.aspect_ratio(Geometry((2.0, 1.0, 5.0)), (10, 10)) == 2.0
    assert figures.aspect_ratio(Geometry((2.0, 1.0, 5.0), direction=((0, 1, 0), (1, 0, 0), (0, 0, 1))), (10, 10)) == 0.5
    assert figures.aspect_ratio(None, (10, 20)) == 2.0


def test_overlay_picture_colours_scored_places_only_and_bad_is_brighter():
    image = np.zeros((10, 10), np.float32)
    quality = np.full((10, 10), np.nan, np.float32)
    quality[2:4], quality[6:8] = 5.0, 95.0
    shown = decode(figures.overlay_png(image, quality))
    assert (shown[0] == 0).all()
    assert shown[3].mean() > shown[7].mean() > 0


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.full((3, 5), np.inf), np.ones((1, 1))])
def test_pictures_of_odd_slices_can_be_made(image):
    assert decode(figures.slice_png(image.astype(np.float32))).shape[:2] == image.shape


def test_large_slices_are_thinned():
    assert max(decode(figures.slice_png(np.zeros((2000, 1000), np.float32))).shape) <= figures.MAX_PIXELS


# Files


def test_a_file_is_replaced_whole_and_readable_by_others(tmp_path):
    path = tmp_path / "new folder" / "é à.txt"
    files.write_file(path, "one")
    files.write_file(path, "zwei ü")
    assert path.read_text(encoding="utf-8") == "zwei ü"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    plain = tmp_path / "plain"
    plain.write_text("")
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 64 kB with a file on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_old_file_and_no_part_of_the_new(full_disk):
    path = full_disk / "report.html"
    files.write_file(path, "old")
    with pytest.raises(InputError, match=r"report\.html: cannot be written \(No space left on device\); free some space"):
        files.write_file(path, b"x" * 200_000)
    assert path.read_text() == "old"
    assert [p.name for p in full_disk.iterdir()] == ["report.html"]


def test_a_writer_that_raises_enospc_leaves_nothing(tmp_path, monkeypatch):
    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        files.write_file(tmp_path / "a.txt", "x")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_file(tmp_path / "a.txt", "x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_a_file_in_the_way_is_told_in_one_line(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "taken", tmp_path / "file" / "below.json", tmp_path / ("long" * 100)):
        with pytest.raises(InputError, match="cannot be written") as caught:
            files.write_file(path, "x")
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "taken"]
