"""A real Orthanc in a private folder, on free ports, for one test session."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
_DICOMWEB = "libOrthancDicomWeb.so"
_PLUGINS = (Path("/usr/share/orthanc/plugins"), Path("/usr/lib/orthanc"))


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen, seconds: float = 60) -> None:
    """Return once something listens on the port; RuntimeError when the process has ended or time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} does not listen on port {port} (exit status {process.poll()})")


@dataclass(frozen=True)
class Orthanc:
    """``dicom_port``, ``ae_title``: for DIMSE; ``url``: of the REST interface; ``dicomweb``: of DICOMweb, "" without plugin."""

    dicom_port: int
    ae_title: str
    url: str
    dicomweb: str
    folder: Path

    def rest(self, method: str, path: str, **what: Any) -> Any:
        """The JSON that the REST interface answers."""
        answer = httpx.request(method, f"{self.url}{path}", timeout=60, trust_env=False, **what)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def add_modality(self, name: str, ae_title: str, port: int) -> None:
        """Let Orthanc know a peer on this machine, with all rights."""
        self.rest("PUT", f"/modalities/{name}", json={"AET": ae_title, "Host": "127.0.0.1", "Port": port})

    def find(self, sop_instance_uid: str) -> str | None:
        """Orthanc's own name of an instance, None when it has none."""
        found = self.rest("POST", "/tools/lookup", content=sop_instance_uid)
        return next((one["ID"] for one in found if one["Type"] == "Instance"), None)

    def file(self, orthanc_id: str) -> bytes:
        """The instance as a DICOM file."""
        answer = httpx.get(f"{self.url}/instances/{orthanc_id}/file", timeout=60, trust_env=False)
        answer.raise_for_status()
        return answer.content


@contextmanager
def running_orthanc(folder: Path, **settings: Any) -> Iterator[Orthanc]:
    """Start it and stop it again; ``settings`` overwrite those of its configuration file."""
    assert PROGRAM is not None
    plugin = next((path / _DICOMWEB for path in _PLUGINS if (path / _DICOMWEB).exists()), None)
    dicom_port, http_port = settings.pop("DicomPort", None) or free_port(), free_port()
    configuration = {
        "Name": "peer",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomModalitiesInDatabase": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StableAge": 2,
        "Plugins": [str(plugin)] if plugin else [],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **settings,
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration), encoding="utf-8")
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([PROGRAM, str(file)], cwd=folder, stdout=log, stderr=log)
        try:
            wait_for_port(http_port, process)
            wait_for_port(dicom_port, process)
            url = f"http://127.0.0.1:{http_port}"
            yield Orthanc(dicom_port, "ORTHANC", url, f"{url}/dicom-web" if plugin else "", folder)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
