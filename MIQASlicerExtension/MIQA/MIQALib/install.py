"""Installs what scoring needs into Slicer's Python: only when the user asks for it."""

import importlib.metadata
import os
from contextlib import contextmanager
from pathlib import Path

from slicer.i18n import tr as _

REQUIREMENTS = Path(__file__).resolve().parents[1] / "Resources" / "requirements.txt"
# The PyTorch extension installs these two: it finds the build that fits the graphics card.
TORCH = ("torch", "torchvision")


class InstallationError(RuntimeError):
    """What went wrong and what to do, in one line."""


def requirements() -> list[str]:
    """The lines of requirements.txt."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def missing() -> list[str]:
    """Names of the packages that are not installed in this Python; nothing is imported to find out."""
    names = [*TORCH, *(_name(requirement) for requirement in requirements())]
    return [name for name in names if not _installed(name)]


def install(slicer) -> None:
    """Install what is missing, after Slicer has shown what and the user has agreed. InstallationError."""
    if any(not _installed(name) for name in TORCH):
        _install_torch()
    try:
        packaging = _packaging(slicer)
        if packaging is not None:
            packaging.pip_ensure(packaging.load_requirements(REQUIREMENTS), requester="MIQA")
        elif slicer.util.confirmOkCancelDisplay(
            _("MIQA will download and install: {packages}").format(packages=", ".join(requirements()))
        ):
            slicer.util.pip_install(["-r", str(REQUIREMENTS)])
        else:
            raise InstallationError(_("The installation was cancelled"))
    except InstallationError:
        raise
    except Exception as error:
        raise InstallationError(
            _("The installation failed: {error}. The Python console has the details").format(error=error)
        ) from error


def install_from_folder(slicer, folder) -> None:
    """The same without a network, PyTorch included, from a folder of wheels. InstallationError."""
    if not list(Path(folder).glob("*.whl")):
        raise InstallationError(_("{folder} holds no wheel (.whl)").format(folder=folder))
    try:
        with _only_from(folder):
            slicer.util.pip_install([*TORCH, *requirements()])
    except Exception as error:
        raise InstallationError(
            _("The folder does not hold all that is needed: {error}. The Python console has the details").format(error=error)
        ) from error


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ImportError:
        raise InstallationError(
            _("The PyTorch extension is missing; install it in the Extensions Manager and start Slicer again")
        ) from None
    if PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True) is None:
        raise InstallationError(_("PyTorch was not installed: the installation was cancelled"))


def _packaging(slicer):
    """Slicer's own installer, from 5.12 on; None in older ones."""
    try:
        import slicer.packaging as packaging
    except ImportError:
        return None
    return packaging if hasattr(packaging, "pip_ensure") else None


@contextmanager
def _only_from(folder):
    """pip looks into the folder and nowhere else: by its environment, which every way of calling it passes on."""
    wanted = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _installed(name) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _name(requirement) -> str:
    for end, character in enumerate(requirement):
        if not (character.isalnum() or character in "-_."):
            return requirement[:end]
    return requirement
