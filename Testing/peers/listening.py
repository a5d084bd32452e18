"""A real ``miqanet listen`` for the tests, and senders that do what no honest sender does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import psutil
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ  # type: ignore[attr-defined]
from pynetdicom.dimse_primitives import C_STORE
from sqlalchemy import select

from miqanet_core.listener import catalogue
from miqanet_core.listener.catalogue import Catalogue, Incident, ReceivedObject
from miqanet_core.listener.settings import Settings

ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1", "OMP_NUM_THREADS": "1"}
MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
PATIENCE = 180.0  # seconds; the machine may be busy with other tests
Found = TypeVar("Found")


def wait_for(look: Callable[[], Found], seconds: float = PATIENCE, what: str = "") -> Found:
    """What ``look`` finds, once that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what or look} did not happen in {seconds:g} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Listener:
    """The process with its children. ``values``: sections of the settings file that differ from the defaults."""

    def __init__(self, folder: Path, **values: dict[str, Any] | list[Any]) -> None:
        self.folder = folder
        self.port = free_port()
        self.file = folder / "miqanet.toml"
        sections: dict[str, Any] = {
            "storage": {"folder": str(folder / "data"), "free_floor_gib": 0},
            "receiver": {
                "port": self.port,
                "calling_ae_titles": ["STORESCU", "ECHOSCU", "PYNETDICOM", "ORTHANC"],
                "calling_addresses": ["127.0.0.1"],
            },
            "scoring": {"workers": 0},
            "completion": {"quiet_seconds": 2},
            "web": {"enabled": False},
        }
        for name, section in values.items():
            sections[name] = {**sections.get(name, {}), **section} if isinstance(section, dict) else section
        self.settings = Settings.model_validate(sections)
        self.file.write_text(_toml(sections), encoding="utf-8")
        self.log = folder / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, echo: bool = True) -> Listener:
        """Start it, and wait until it answers an echo."""
        self.process = self._miqanet("listen")
        if echo:
            wait_for(self.answers, what="an answer of the listener")
        return self

    def _miqanet(self, command: str) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-c", "from miqanet_core.cli import main; main()"]
        with self.log.open("ab") as log:
            return subprocess.Popen([*program, command, "--config", str(self.file)], stdout=log, stderr=log, env=ENVIRONMENT)

    @contextmanager
    def workers(self, number: int) -> Iterator[None]:
        """So many ``miqanet worker`` processes of their own, from when all are warm; they are stopped at the end."""

        def at_work() -> int:
            return self.log.read_text().count("is at work")

        before = at_work()
        started = [self._miqanet("worker") for _ in range(number)]
        try:
            wait_for(lambda: at_work() - before == number, what=f"{number} workers")
            yield
            for one in started:
                one.terminate()
            assert [one.wait(PATIENCE) for one in started] == [0] * number
        finally:
            for one in started:
                one.kill()

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"miqanet listen ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")
        association = AE("ECHOSCU").associate("127.0.0.1", self.port, [build_context("1.2.840.10008.1.1")], "MIQA")
        if not association.is_established:
            return False
        status = association.send_c_echo()
        association.release()
        return bool(status.get("Status", 1) == 0)

    def open_associations(self) -> int:
        """As its catalogue knows them."""
        with self.catalogue().read() as session:
            return len(session.scalars(select(catalogue.Association.id).where(catalogue.Association.closed_at.is_(None))).all())

    def children(self, name: str) -> list[psutil.Process]:
        """Its processes that are a "receiver" or a "worker"."""
        assert self.process is not None
        family = psutil.Process(self.process.pid).children(recursive=True)
        if name == "worker":
            return [p for p in family if p.ppid() == self.process.pid and "spawn_main" in " ".join(p.cmdline())]
        servers = {p.pid for p in family if p.ppid() == self.process.pid and "forkserver" in " ".join(p.cmdline())}
        return [p for p in family if p.ppid() in servers]

    def kill(self) -> None:
        """kill -9 of the process and all its children."""
        assert self.process is not None
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for one in family:
            try:
                one.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()
        psutil.wait_procs(family, timeout=20)

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def catalogue(self) -> Catalogue:
        return Catalogue(self.settings.database_url)

    def objects(self) -> list[ReceivedObject]:
        with self.catalogue().read() as session:
            return list(session.scalars(select(ReceivedObject).order_by(ReceivedObject.id)))

    def incidents(self) -> list[str]:
        with self.catalogue().read() as session:
            return list(session.scalars(select(Incident.detail)))

    def spool_files(self) -> list[Path]:
        """Everything in the spool that is a file."""
        return sorted(p for p in self.settings.storage.spool.rglob("*") if p.is_file())

    def store(self, *paths: Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """dcmtk's storescu."""
        command = ["storescu", *options, "-aec", "MIQA", "+sd", "+r", "127.0.0.1", str(self.port), *map(str, paths)]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False)

    def associate(self, **more: Any) -> Association:
        """An association of pynetdicom that may send MR images in explicit VR little endian."""
        entity = AE("PYNETDICOM")
        entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = PATIENCE
        return entity.associate("127.0.0.1", self.port, [build_context(MR, [EXPLICIT])], "MIQA", **more)


@contextmanager
def running(folder: Path, **values: Any) -> Iterator[Listener]:
    """A listener that is stopped at the end."""
    listener = Listener(folder, **values)
    try:
        yield listener.start()
    finally:
        if listener.process is not None and listener.process.poll() is None:
            listener.kill()


def send_bytes(association: Association, data: bytes, sop_instance_uid: str, sop_class_uid: str = MR) -> int | None:
    """C-STORE of any bytes under any UID; the status, None when there was no answer."""
    context = next(c for c in association.accepted_contexts if c.abstract_syntax == MR)
    assert context.context_id is not None
    association._reactor_checkpoint.clear()
    # pynetdicom's own _is_paused may still be that of the last pause, and the answer then be taken by its reactor.
    while association.is_alive() and not association._reactor_checkpoint._cond._waiters:  # type: ignore[attr-defined]
        time.sleep(0.001)
    if not association.is_established:
        association._reactor_checkpoint.set()
        return None
    for primitive in store_request(data, sop_instance_uid, sop_class_uid).encode_msg(context.context_id, 16384):
        association.dul.send_pdu(primitive)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return None if answer is None else int(answer.Status)  # type: ignore[union-attr]


def store_request(data: bytes, sop_instance_uid: str, sop_class_uid: str = MR) -> C_STORE_RQ:
    """The message of a C-STORE, with UIDs that pynetdicom itself would not send."""
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class_uid, "1.2.3"
    request.DataSet = BytesIO(data)
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    message.command_set.AffectedSOPInstanceUID = sop_instance_uid
    message._set_command_group_length()
    return message


def encoded(dataset: Dataset, implicit: bool = False) -> bytes:
    """The data set as it goes over the network."""
    from pynetdicom.dsutils import encode

    found = encode(dataset, implicit, True)
    assert found is not None
    return found


def _toml(sections: dict[str, Any]) -> str:
    """Enough of TOML for a settings file: tables, lists of tables, and plain values as JSON writes them."""
    import json

    lines: list[str] = []

    def table(name: str, values: dict[str, Any]) -> None:
        lines.append(f"[{name}]")
        lines.extend(f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict))
        for key, value in values.items():
            if isinstance(value, dict):
                table(f"{name}.{key}", value)

    for name, section in sections.items():
        if isinstance(section, list):
            for one in section:
                lines.append(f"[[{name}]]")
                lines.extend(f"{key} = {json.dumps(value)}" for key, value in one.items())
        else:
            table(name, section)
    return "\n".join(lines) + "\n"
