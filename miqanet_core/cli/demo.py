"""``miqanet demo``: a real brain scan, clean and spoiled, scored without fetching anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import typer

from miqanet_core.cli import backend
from miqanet_core.cli.kinds import ProgressKind
from miqanet_core.cli.progress import make_reporter
from miqanet_core.cli.score import make_scorer, score_one
from miqanet_core.cli.table import print_results
from miqanet_core.cli.terminal import inform
from miqanet_core.errors import InputError
from miqanet_core.policy import Policy
from miqanet_core.report.files import write_file
from miqanet_core.report.html import Scored, render_html
from miqanet_core.report.model_card import shipped_model_card
from miqanet_core.series import MRSeries

ARTIFACT, SEVERITY = "ghosting", 0.6
SOURCE = (
    "A real brain scan: gradient-echo EPI, 128 x 96, 24 slices, 2 mm. It is example4d.nii.gz, which ships with the nibabel "
    "package (MIT licence, https://nipy.org/nibabel)."
)


def run(folder: Path, model: str, device: str) -> None:
    """Score both, print the scores and write ``report.html`` into the folder."""
    inform(SOURCE)
    policy = Policy.default()
    clean = demo_series()
    both = [clean, spoiled(clean)]
    scorer = make_scorer(model, device, "auto", policy)
    with make_reporter(ProgressKind.AUTO) as reporter:
        results = [score_one(number, series, scorer, reporter) for number, series in enumerate(both)]
    print_results(results, policy)

    page = render_html(
        [Scored(series, quality) for series, quality in zip(both, results, strict=True)],
        policy,
        model_card=shipped_model_card(),
        introduction=[SOURCE, f"Beside it: the same scan with simulated {ARTIFACT}, severity {SEVERITY:g} of 1."],
    )
    typer.echo(f"\nReport: {write_file(folder / 'report.html', page).resolve()}")


def demo_file() -> Path:
    """The volume that nibabel ships; InputError where a distribution has left it out."""
    import nibabel

    path = Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz"
    if not path.is_file():
        raise InputError(path, "nibabel came without its example data", "pip install --force-reinstall nibabel")
    return path


def demo_series() -> MRSeries:
    """The first of its two time points."""
    result = backend.scan(demo_file())
    if not result.series:
        raise result.failures[0]
    return replace(result.series[0], description="Brain, EPI")


def spoiled(series: MRSeries) -> MRSeries:
    """The series with a simulated artefact on every slice, another draw for each."""
    slices = [backend.simulate(image, ARTIFACT, SEVERITY, seed) for seed, image in enumerate(series.voxels)]
    name = f"{series.description}, spoiled: simulated {ARTIFACT} {SEVERITY:g}"
    return replace(series, voxels=np.stack(slices).astype(np.float32), description=name)
