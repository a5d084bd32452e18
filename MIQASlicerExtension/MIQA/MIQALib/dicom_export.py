"""What an archive can take, written by the scoring process from the DICOM files that a volume was loaded from."""

import shutil
from pathlib import Path

from slicer.i18n import tr as _

from MIQALib import messages


def instance_uids(volume) -> list[str]:
    """SOP instance UIDs of the images that ``volume`` was loaded from; empty when it was not loaded from DICOM."""
    return (volume.GetAttribute("DICOM.instanceUIDs") or "").split()


class DicomExport:
    """Writes quality report (SR), key objects and montage of the series in ``files`` below ``folder``.

    The files are scored once more: an SR must refer to images by what their headers say. ``on_end(objects, message)`` gets the
    folder of the new objects, or None and what went wrong; both None when it was stopped.
    """

    def __init__(self, make_process, folder, on_end):
        self._folder, self._on_end = Path(folder), on_end
        self._message = None
        self._process = make_process(self._on_event, self._ended)

    def start(self, files, settings) -> None:
        """OSError when the files cannot be copied."""
        shutil.rmtree(self._folder, ignore_errors=True)
        inputs = self._folder / "inputs"
        inputs.mkdir(parents=True)
        for number, file in enumerate(files):
            shutil.copyfile(file, inputs / f"{number:05}.dcm")
        policy = self._folder / "policy.toml"
        policy.write_text(settings.policy_file(), encoding="utf-8")
        self._process.start([
            "score", inputs, "--dicom", self._objects, "--json", self._folder / "result.json", "--progress", "jsonl",
            "--policy", policy, "--model", settings.model, "--device", settings.device, "--precision", settings.precision,
        ])  # fmt: skip

    def stop(self) -> None:
        """End the process, and tell nobody."""
        self._process.end_now()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _objects(self) -> Path:
        return self._folder / "objects"

    def _on_event(self, event) -> None:
        if event.get("event") == "error":
            self._message = messages.of_error(event)

    def _ended(self, ending) -> None:
        message = self._message or messages.of_ending(ending, told=False)
        if not message and not ending.cancelled and not any(path.is_file() for path in self._objects.rglob("*")):
            message = _("No DICOM object was written")
        shutil.rmtree(self._folder / "inputs", ignore_errors=True)  # they hold a patient's data
        self._on_end(None if message or ending.cancelled else self._objects, message or None)
