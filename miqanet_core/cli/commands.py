"""The faces of the commands: options and help. The work is in the module of the same name, imported when it is called for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from miqanet_core.cli.guard import guarded
from miqanet_core.cli.kinds import ProgressKind

_FILES, _HOW = "Where results go", "How to score"


@guarded
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report.")] = Path("miqanet-demo"),
    model: Annotated[str, typer.Option(metavar="NAME|FILE", help="See miqanet models.")] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """See it work: scores a real brain scan, and the same scan spoiled by simulated motion. Fetches nothing.

    Writes a report to ./miqanet-demo/report.html; open it in a browser.
    """
    from miqanet_core.cli.demo import run

    run(out, model, device)


@guarded
def score(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="DICOM folders or files, NIfTI, NRRD, MetaImage, PNG or JPEG.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For every series NAME.html, .json, .csv, .nii.gz (overlay), and an index.html.",
                     rich_help_panel=_FILES),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="F", help="Scores as JSON: one series as an object, several as a list. - is stdout.",
                     rich_help_panel=_FILES),
    ] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="F", help="One row per slice; slices count from 1. - is stdout.", rich_help_panel=_FILES),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="F", help="Report for people: one file, needs no network.", rich_help_panel=_FILES)
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(metavar="F.nii.gz", help="Quality map to lay over the images (one series; else use --out).",
                     rich_help_panel=_FILES),
    ] = None,
    dicom: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For an archive: quality report (SR), flag (key objects) and montage of every DICOM "
                                         "series, with its patient's name and UIDs. Needs the extra listener.",
                     rich_help_panel=_FILES),
    ] = None,
    identity: Annotated[
        bool, typer.Option("--identity", help="Write the patient's name, ID and UIDs into results.", rich_help_panel=_FILES)
    ] = False,
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="See miqanet models.", rich_help_panel=_HOW)
    ] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.", rich_help_panel=_HOW)] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16.", rich_help_panel=_HOW)] = "auto",
    policy_file: Annotated[
        Path | None,
        typer.Option("--policy", metavar="F.toml", help="Your thresholds; without it MIQA's own.", rich_help_panel=_HOW),
    ] = None,
    baseline_file: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="F.json", help="What is normal at your site; made by miqanet calibrate.",
                     rich_help_panel=_HOW),
    ] = None,
    progress: Annotated[
        ProgressKind,
        typer.Option(help="bar: on stderr; auto: only if that is a terminal; jsonl: events on stdout for a front end, one "
                          "JSON object a line (start, slice, done, error), with --json F or --out.", rich_help_panel=_HOW),
    ] = ProgressKind.AUTO,
    fail_on_flag: Annotated[
        bool, typer.Option("--fail-on-flag", help="Exit with 3 if a series is flagged.", rich_help_panel=_HOW)
    ] = False,
    shard: Annotated[
        str,
        typer.Option(metavar="I/N", help="Score only part I of N, so that N processes or machines share the work: same PATHs "
                                         "for all, each series in one part. Results are kept apart: scores.csv becomes "
                                         "scores.2-of-4.csv, results/ becomes results/2-of-4/.", rich_help_panel=_HOW),
    ] = "1/1",
) -> None:  # fmt: skip
    """Score MR series: every slice from 0 (worst) to 100 (best), a verdict, and where the quality is lost.

    [bold]miqanet score study/[/bold]                          a table in the terminal

    [bold]miqanet score study/ --out results/[/bold]           report, JSON, CSV and overlay of every series

    [bold]miqanet score brain.nii.gz --html brain.html[/bold]  a report to show to a colleague

    [bold]miqanet score study/ --json - | jq .score[/bold]     for scripts

    A patient's name, ID and UIDs stay out of every result, but those of --dicom, unless you ask with --identity.

    Exit status: 0 done; 1 an input could not be scored (the others were); 2 wrong usage; 3 flagged, with --fail-on-flag.
    """
    from miqanet_core.cli.outputs import Targets
    from miqanet_core.cli.score import run

    run(
        paths,
        Targets(out=out, json=json_file, csv=csv_file, html=html, overlay=overlay, dicom=dicom),
        model=model,
        device=device,
        precision=precision,
        policy_file=policy_file,
        baseline_file=baseline_file,
        progress=progress,
        fail_on_flag=fail_on_flag,
        identity=identity,
        shard=shard,
    )


@guarded
def calibrate(
    paths: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Folders of DICOM series that you hold to be good.")
    ],
    out: Annotated[Path, typer.Option(metavar="baseline.json", help="The baseline; replaced if it is there.")],
    model: Annotated[str, typer.Option(metavar="NAME|FILE", help="See miqanet models.")] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16.")] = "auto",
) -> None:  # fmt: skip
    """Learn what is normal at your site: how the good series of each of its protocols score.

    [bold]miqanet calibrate good/ --out baseline.json[/bold]         learn; prints a table of protocols

    [bold]miqanet score study/ --baseline baseline.json[/bold]       judge by it, beside the thresholds

    A protocol: body part, scanner, sequence, contrast, agent, kind of image and matrix, from the DICOM headers.

    [bold]Limit:[/bold] from 20 good series on; 1 in 21 of them scores below it, with 39 or more 1 in 40, and is limited.

    [bold]Low by nature?[/bold] baseline_replaces = true in the file of --policy puts limits in the place of thresholds.

    [bold]Which series?[/bold] Those of many patients, of everyday quality. Outliers are left out and named.

    [bold]Left out and counted:[/bold] CT, files that do not say how they were acquired (NIfTI), time points after the first.

    [bold]More series, an upgraded scanner, another model?[/bold] Run it again, over all folders.

    The file holds no patient data.

    Exit status: 0 done; 1 an input could not be read or scored (the others were), or nothing was learnt; 2 wrong usage.
    """
    from miqanet_core.cli.calibrate import run

    run(paths, out, model=model, device=device, precision=precision)


_CONFIG = Annotated[Path, typer.Option(metavar="F.toml", help="The settings; --init writes a commented example.")]


@guarded
def listen(
    config: _CONFIG = Path("miqanet.toml"),
    init: Annotated[bool, typer.Option("--init", help="Write the settings file if there is none, check it, and end.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --init: where to keep what is received; ./miqanet-data if not given."),
    ] = None,
    sender: Annotated[
        list[str] | None,
        typer.Option(metavar="AE", help="With --init: an AE title that may send from this machine; again for another."),
    ] = None,
) -> None:
    """Receive MR series by DICOM C-STORE, score each as it comes, and write the result back.

    [bold]miqanet listen --init --sender STORESCU[/bold]    write miqanet.toml, in which more is to be set

    [bold]miqanet listen[/bold]                             serve until Ctrl-C or SIGTERM

    Nobody is let in until calling_ae_titles names somebody, and it listens on 127.0.0.1 until told otherwise.
    """
    from miqanet_core.cli import listen as listening

    if init:
        listening.init(config, folder, sender or [])
    elif folder is not None or sender:
        raise typer.BadParameter("--folder and --sender go with --init; storage.folder and calling_ae_titles say it otherwise")
    else:
        listening.listen(config)


@guarded
def worker(config: _CONFIG = Path("miqanet.toml")) -> None:
    """Score what a listener receives, on this or another host: any number of workers share one PostgreSQL catalogue.

    All of them mount storage.folder. miqanet listen starts its own workers; this is for more of them.
    """
    from miqanet_core.cli import listen as listening

    listening.worker(config)


@guarded
def review(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="What to open; or open it in the window, or drop it there.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="F.toml", help="A listener's settings: look through its catalogue, and score as it does where "
                     "no other option says otherwise. Needs the extra listener, too."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="See miqanet models.")] = None,
    device: Annotated[str | None, typer.Option(help="auto (if not given), cpu, cuda, cuda:1, mps.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto (if not given), fp32, bf16.")] = None,
    policy_file: Annotated[
        Path | None, typer.Option("--policy", metavar="F.toml", help="Your thresholds; without it MIQA's own.")
    ] = None,
    baseline_file: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="F.json", help="What is normal at your site; made by miqanet calibrate."),
    ] = None,
) -> None:  # fmt: skip
    """Look at series in a window: score them, see where quality is lost, step through the worst slices.

    [bold]miqanet review study/[/bold]                  files and folders

    [bold]miqanet review --config miqanet.toml[/bold]   what a listener has received, with its results; changes nothing there

    Arrows and wheel step, N and P go to the next and previous worst slice, M hides the map. Dragging sets window and level.

    Needs a display, and Qt: pip install 'miqanet_core\\[review]'
    """
    from miqanet_core.cli.review import run

    run(
        paths or [],
        config=config,
        model=model,
        device=device,
        precision=precision,
        policy_file=policy_file,
        baseline_file=baseline_file,
    )


@guarded
def web(
    config: _CONFIG = Path("miqanet.toml"),
    add_user: Annotated[
        str | None,
        typer.Option("--add-user", metavar="NAME", help="Let somebody log in, or give them a new password, and end. Asks for "
                     "the password, or reads it from stdin."),
    ] = None,
    disable_user: Annotated[
        str | None, typer.Option("--disable-user", metavar="NAME", help="Shut somebody out and end their log-ins, and end.")
    ] = None,
    enable_user: Annotated[
        str | None, typer.Option("--enable-user", metavar="NAME", help="Let them in again with their old password, and end.")
    ] = None,
    users: Annotated[bool, typer.Option("--users", help="List who may log in and who is disabled, and end.")] = False,
) -> None:  # fmt: skip
    """Serve the dashboard: worklist, series, trends, scanner room, queue. miqanet listen starts it, too.

    [bold]miqanet web --add-user anna[/bold]    the first thing to do: nobody may log in before

    [bold]miqanet web[/bold]                    serve until Ctrl-C or SIGTERM, at http://127.0.0.1:8042/ unless told otherwise
    """
    from miqanet_core.cli import listen as listening

    listening.web(config, add_user, disable_user, enable_user, users)


@guarded
def models() -> None:
    """List the models: which ship with weights, their size, and what the default one was found to do."""
    from miqanet_core.cli.models import run

    run()


@guarded
def devices() -> None:
    """List the devices to score on, best first, with their free memory: one JSON object a line, for a front end."""
    from miqanet_core.cli.devices import run

    run()


@guarded
def doctor(
    config: Annotated[
        Path | None, typer.Option(metavar="F.toml", help="Check a listener's settings, folder, port and destinations, too.")
    ] = None,
) -> None:
    """Check this installation: Python, torch, devices, weights, DICOM decoders, disk, and one real slice scored."""
    from miqanet_core.cli.doctor import run

    run(config)
