"""Finds the copy of ``miqanet_core`` that belongs to this extension and makes it importable.

The panel and the scoring process use this one copy, whichever Python the process runs in: so both say the same. The package is
registered by its path rather than through ``sys.path``, which would open a whole folder to every other import. Of the library,
the panel imports only what needs no more than numpy (presenter, policy, quality); the rest runs in the scoring process.
"""

import importlib.util
import sys
from pathlib import Path


def core_folder() -> Path:
    """The package's folder: beside this file where the extension is installed, else that of the checkout.

    FileNotFoundError when it is in neither: the installation is damaged.
    """
    here = Path(__file__).resolve().parent
    for parent in (here, *here.parents[2:3]):
        if (parent / "miqanet_core" / "__init__.py").is_file():
            return parent / "miqanet_core"
    raise FileNotFoundError(f"{here / 'miqanet_core'} is missing; install the MIQA extension again")


def load_core() -> None:
    """Make ``import miqanet_core`` find that copy; a copy that is already imported stays."""
    if "miqanet_core" in sys.modules:
        return
    folder = core_folder()
    spec = importlib.util.spec_from_file_location(
        "miqanet_core", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules["miqanet_core"] = module
    spec.loader.exec_module(module)
