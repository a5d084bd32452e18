"""The ``miqanet`` command.

Results go to stdout or to the file that was named, everything else to stderr. Nothing heavy (torch, MONAI) is imported before
a command needs it, so ``miqanet --help`` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from miqanet_core.cli import commands
from miqanet_core.cli.terminal import survive_any_text

__all__ = ["app", "main"]

app = typer.Typer(
    name="miqanet",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="A research tool, not a medical device.",
)
app.command(rich_help_panel="Start here")(commands.demo)
app.command(rich_help_panel="Start here")(commands.score)
app.command(rich_help_panel="Start here")(commands.review)
app.command(rich_help_panel="Start here")(commands.calibrate)
app.command(rich_help_panel="Every series that arrives")(commands.listen)
app.command(rich_help_panel="Every series that arrives")(commands.worker)
app.command(rich_help_panel="Every series that arrives")(commands.web)
app.command(rich_help_panel="About this installation")(commands.models)
app.command(rich_help_panel="About this installation")(commands.devices)
app.command(rich_help_panel="About this installation")(commands.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        from miqanet_core.version import version

        typer.echo(f"miqanet {version()}")
        raise typer.Exit


@app.callback()
def miqanet(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Is this MR scan good enough? Scores every slice from 0 (worst) to 100 (best), without a reference image.

    [bold]miqanet demo[/bold]          see it work on a real brain scan; fetches nothing

    [bold]miqanet score FOLDER[/bold]  score your own: DICOM, NIfTI, NRRD, MetaImage, PNG
    """


def main() -> None:
    """Entry point of the ``miqanet`` command."""
    survive_any_text()
    app()
