"""``miqanet doctor``: does this installation work, and if not, what to do."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain
from pathlib import Path

import typer
from rich.text import Text

from miqanet_core.cli.demo import demo_series
from miqanet_core.cli.guard import FAILED
from miqanet_core.cli.score import make_scorer
from miqanet_core.cli.terminal import harmless, stdout
from miqanet_core.errors import InputError
from miqanet_core.policy import Policy, format_score
from miqanet_core.report.files import write_file


class State(str, Enum):
    """How a check came out, as it is printed."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report; ``cure`` only where something is wrong."""

    state: State
    what: str
    found: str
    cure: str = ""


_COLOUR = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
_COMPRESSED = ("JPEGBaseline8Bit", "JPEGExtended12Bit", "JPEGLosslessSV1", "JPEGLSLossless", "JPEG2000Lossless", "RLELossless")


def run(config: Path | None = None) -> None:
    """Print the checks one by one, with ``config`` those of a listener's settings, too; exit status 1 when one fails."""
    console = stdout()
    failed = False
    for check in chain(_checks(), _listener_checks(config) if config else ()):
        failed |= check.state is State.FAIL
        line = Text.assemble((f"{check.state.value:<5}", _COLOUR[check.state]), f"{check.what:<17}", harmless(check.found))
        console.print(line, soft_wrap=True)
        if check.cure:
            console.print(Text(f"{'':22}-> {harmless(check.cure)}"), soft_wrap=True)
    if failed:
        raise typer.Exit(FAILED)


def _checks() -> Iterator[Check]:
    for what, check, cure in (
        ("python", _python, "use Python 3.10 or newer"),
        ("torch", _torch, "pip install --force-reinstall torch torchvision"),
        ("devices", _devices, "pip install --force-reinstall torch torchvision"),
        ("weights", _weights, "reinstall miqanet_core: its weights file is missing or damaged"),
        ("dicom", _decoders, "pip install 'pylibjpeg[all]'"),
        ("temporary files", _temporary, "free some space, or set TMPDIR to a folder that can be written"),
        ("self-test", _self_test, "see the lines above; if all are ok, please report this"),
    ):
        yield _safely(what, check, cure)


def _listener_checks(config: Path) -> Iterator[Check]:
    from miqanet_core.cli.doctor_listener import checks

    try:
        for what, check, cure in checks(config):
            yield _safely(what, check, cure)
    except ImportError as error:
        yield Check(State.FAIL, "listener", f"{error.name} is not installed", "pip install 'miqanet_core[listener]'")
    except InputError as error:
        yield Check(State.FAIL, "settings", f"{error.path}: {error.problem}", error.cure)


def _safely(what: str, check: Callable[[], Check], cure: str) -> Check:
    """A check that breaks has found something: the doctor goes on with the next."""
    try:
        return replace(check(), what=what)
    except Exception as error:  # a broken installation can raise anything at all
        return Check(State.FAIL, what, str(error) or type(error).__name__, cure)


def _python() -> Check:
    return Check(State.OK, "", f"{platform.python_version()} on {platform.platform(terse=True)}, {sys.executable}")


def _torch() -> Check:
    import torch
    import torchvision

    return Check(State.OK, "", f"{torch.__version__}, torchvision {torchvision.__version__}, {torch.get_num_threads()} threads")


def _devices() -> Check:
    import torch

    found = ["cpu (fp32)"]
    for index in range(torch.cuda.device_count()):
        bf16 = ", bf16" if torch.cuda.is_bf16_supported() else ""
        found.append(f"cuda:{index} {torch.cuda.get_device_name(index)} (fp32{bf16})")
    if torch.backends.mps.is_available():
        found.append("mps (fp32)")
    if len(found) > 1:
        return Check(State.OK, "", "; ".join(found))
    return Check(State.WARN, "", found[0], "fine for the default model; a GPU that torch sees makes large ones usable")


def _weights() -> Check:
    from miqanet_core.model import load_model

    identity = load_model("default").identity
    return Check(State.OK, "", f"{identity.name} {identity.version}, sha256 {identity.weights_sha256}")


def _decoders() -> Check:
    from pydicom import uid
    from pydicom.pixels import get_decoder

    missing = [name for name in _COMPRESSED if not get_decoder(getattr(uid, name)).is_available]
    if missing:
        return Check(State.WARN, "", f"no decoder for {', '.join(missing)}", "pip install 'pylibjpeg[all]'")
    return Check(State.OK, "", "decodes JPEG, JPEG-LS, JPEG 2000 and RLE")


def _temporary() -> Check:
    with tempfile.TemporaryDirectory() as folder:
        write_file(Path(folder) / "probe", bytes(1 << 20))
        return Check(State.OK, "", f"{Path(folder).parent} can be written")


def _self_test() -> Check:
    scorer = make_scorer("default", "auto", "auto", Policy.default())
    series = demo_series()
    middle = len(series.voxels) // 2
    quality = scorer.score(replace(series, voxels=series.voxels[middle : middle + 1]))
    if quality.score is None:
        return Check(State.FAIL, "", "a real brain slice got no score", "please report this")
    found = f"a real brain slice scores {format_score(quality.score)} on {scorer.device}, {scorer.precision}"
    return Check(State.OK, "", found)
