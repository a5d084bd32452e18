"""The panel's parameters: they live in the scene and are saved with it."""

import enum
from typing import Annotated

from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

import slicer
from MIQALib.settings import Settings

PRECISIONS = ["auto", "fp32", "bf16"]
Percent = Annotated[float, WithinRange(0, 100)]


class Scope(enum.Enum):
    """What the Score button scores."""

    SELECTED = "selected"
    ALL = "all"

    def label(self) -> str:
        """As the combo box shows it."""
        return {Scope.SELECTED: _("the selected volume or sequence"), Scope.ALL: _("all loaded volumes")}[self]


@parameterNodeWrapper
class Parameters:
    """Thresholds' defaults are those of miqanet's policy.toml. ``model``: a weights file, "" for the shipped one."""

    inputVolume: slicer.vtkMRMLScalarVolumeNode  # noqa: N815 - Slicer's own style, seen in saved scenes
    scope: Scope = Scope.SELECTED
    model: str = ""
    device: str = "auto"
    precision: Annotated[str, Choice(PRECISIONS), Default("auto")]
    sliceFlag: Annotated[Percent, Default(50.0)]  # noqa: N815
    diagnostic: Annotated[Percent, Default(60.0)]
    nonDiagnostic: Annotated[Percent, Default(40.0)]  # noqa: N815
    opacity: Annotated[float, WithinRange(0, 1), Default(0.4)]


def settings_of(parameters) -> Settings:
    """The same as plain values."""
    return Settings(
        model=parameters.model or "default",
        device=parameters.device,
        precision=parameters.precision,
        slice_flag=parameters.sliceFlag,
        diagnostic=parameters.diagnostic,
        non_diagnostic=parameters.nonDiagnostic,
    )
