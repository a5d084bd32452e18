"""Which Python runs the scoring process: Slicer's own, or one that the user chose."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _


@dataclass(frozen=True)
class Interpreter:
    """``program``: the executable; ``environment``: its variables, None for those of Slicer."""

    program: str
    environment: dict | None = None


def choose_interpreter(external: str) -> Interpreter:
    """Slicer's Python when ``external`` is empty, else that one, in the environment from before Slicer changed it.

    FileNotFoundError, with the cure, when there is no such program.
    """
    import slicer

    if external:
        if not Path(external).is_file():
            raise FileNotFoundError(
                _("{path} is not there; choose the python of an environment that can run miqanet").format(path=external)
            )
        # Slicer's own PYTHONHOME and library paths would break any other Python.
        return Interpreter(external, slicer.util.startupEnvironment())
    program = shutil.which("PythonSlicer")
    if program is None:
        raise FileNotFoundError(_("PythonSlicer, Slicer's own Python, is missing; install Slicer again"))
    return Interpreter(program)
