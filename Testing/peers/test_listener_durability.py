"""Nothing that was answered with Success is lost: kill -9, a full disk; and TLS at the door."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest

pytest.importorskip("pynetdicom")
pytest.importorskip("sqlalchemy")

from psutil import NoSuchProcess  # noqa: E402
from pynetdicom import AE, build_context  # noqa: E402

from listening import ENVIRONMENT, PATIENCE, Listener, encoded, running, send_bytes, wait_for  # noqa: E402
from readers.dicom_maker import mr_image, noise  # noqa: E402

OBJECTS, KILLS = 500, 20


class Sender(threading.Thread):
    """Sends objects in order, over again from the first one that was not answered, until all are; notes what was answered."""

    def __init__(self, listener: Listener, objects: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self._listener = listener
        self._left = dict(objects)
        self.answered: dict[str, str] = {}

    def run(self) -> None:
        while self._left:
            association = self._listener.associate()
            if not association.is_established:
                time.sleep(0.2)
                continue
            for uid, data in list(self._left.items()):
                if not association.is_established or send_bytes(association, data, uid) != 0x0000:
                    break
                self.answered[uid] = hashlib.sha256(data).hexdigest()
                del self._left[uid]
            if association.is_established:
                association.release()
            else:
                time.sleep(0.1)


def made(count: int) -> dict[str, bytes]:
    """Small MR images, ready to be sent, by their UIDs."""
    images = [mr_image(noise(number, 32, 32)) for number in range(count)]
    return {str(one.SOPInstanceUID): encoded(one) for one in images}


def check_kept(listener: Listener, answered: dict[str, str]) -> None:
    """Each answered object is there, once, byte for byte; and nothing but whole objects is in the spool."""
    entries = listener.objects()
    by_uid = {one.sop_instance_uid: one for one in entries}
    assert len(by_uid) == len(entries)
    for uid, digest in answered.items():
        path = listener.settings.storage.spool / by_uid[uid].file
        meta = pydicom.filereader.read_file_meta_info(path)
        data = path.read_bytes()[132 + 12 + meta.FileMetaInformationGroupLength :]
        assert hashlib.sha256(data).hexdigest() == digest == by_uid[uid].sha256
    files = {f"{path.parent.name}/{path.name}" for path in listener.spool_files()}
    assert files == {one.file for one in entries}


def test_kill_9_at_20_moments_of_a_send(tmp_path: Path) -> None:
    """The receiver processes, and once everything, the door included; the sender goes on until all is answered."""
    rng = random.Random(9)
    objects = made(OBJECTS)
    with running(tmp_path, receiver={"processes": 2}) as listener:
        sender = Sender(listener, objects)
        sender.start()
        for number, goal in enumerate(sorted(rng.sample(range(OBJECTS - 20), KILLS))):
            wait_for(lambda goal=goal: len(sender.answered) >= goal, what=f"{goal} answers")
            alive = wait_for(lambda: listener.children("receiver"), what="a receiver to kill")
            time.sleep(rng.uniform(0, 0.02))
            if number == KILLS // 2:
                listener.kill()
                listener.start(echo=False)
            else:
                for one in alive[: 1 + number % 2]:
                    with suppress(NoSuchProcess):  # one that was killed before, and reaped since it was listed
                        one.kill()
        sender.join(PATIENCE)
        assert len(sender.answered) == OBJECTS
        listener.kill()
        listener.start()
        check_kept(listener, sender.answered)
        assert len(listener.objects()) == OBJECTS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if os.geteuid() != 0 or mounted.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted: {mounted.stderr.strip() or 'not root'}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_is_told_and_passes(tmp_path: Path, small_disk: Path) -> None:
    with running(tmp_path, storage={"folder": str(small_disk)}, receiver={"processes": 1}) as listener:
        association = listener.associate()
        answered, status = {}, 0
        for number in range(60):
            one = mr_image(noise(number, 512, 512))
            data = encoded(one)
            status = send_bytes(association, data, one.SOPInstanceUID)
            if status != 0:
                break
            answered[one.SOPInstanceUID] = hashlib.sha256(data).hexdigest()
        assert status == 0xA700
        assert answered
        check_kept(listener, answered)
        room = next(path for path in listener.spool_files())
        kept_aside = tmp_path / "aside"
        shutil.move(room, kept_aside)
        assert send_bytes(association, data, one.SOPInstanceUID) == 0x0000  # the same association goes on
        association.release()
        answered[one.SOPInstanceUID] = hashlib.sha256(data).hexdigest()
        lost = next(o.sop_instance_uid for o in listener.objects() if o.file.endswith(room.name))
        del answered[lost]
        for uid in answered:
            assert any(o.sop_instance_uid == uid for o in listener.objects())


def test_below_the_free_space_floor_no_association_is_opened(tmp_path: Path) -> None:
    listener = Listener(tmp_path, storage={"free_floor_gib": 10**6}, receiver={"processes": 1}).start(echo=False)
    try:
        wait_for(lambda: listener.associate().is_rejected, what="a refusal")
        wait_for(lambda: any("free_floor_gib" in detail for detail in listener.incidents()), what="the incident")
    finally:
        listener.kill()


def _certificate(folder: Path, name: str, signer: str | None) -> None:
    """A key and a certificate in PEM, signed by ``signer`` or by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-subj", f"/CN={name}")
    if signer is None:
        run(*new, "-x509", "-days", "2", "-out", f"{name}.pem")
        return
    run(*new, "-out", f"{name}.csr")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    signing = ("-CA", f"{signer}.pem", "-CAkey", f"{signer}.key", "-CAcreateserial", "-days", "2", "-extfile", "san")
    run("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")


def test_tls_with_and_without_a_client_certificate(tmp_path: Path) -> None:
    for name, signer in (("ca", None), ("server", "ca"), ("client", "ca"), ("stranger", None)):
        _certificate(tmp_path, name, signer)
    tls = {
        "certificate": str(tmp_path / "server.pem"),
        "key": str(tmp_path / "server.key"),
        "client_ca": str(tmp_path / "ca.pem"),
    }
    listener = Listener(tmp_path, receiver={"processes": 1, "tls": tls, "association_timeout_seconds": 3})
    listener.start(echo=False)

    def associate(certificate: str | None) -> bool:
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        if certificate is not None:
            context.load_cert_chain(tmp_path / f"{certificate}.pem", tmp_path / f"{certificate}.key")
        entity = AE("PYNETDICOM")
        entity.acse_timeout = 20
        association = entity.associate(
            "127.0.0.1", listener.port, [build_context("1.2.840.10008.1.1")], "MIQA", tls_args=(context, "127.0.0.1")
        )
        if not association.is_established:
            return False
        fine = association.send_c_echo().Status == 0
        association.release()
        return fine

    try:
        wait_for(lambda: associate("client"), what="an echo over TLS")
        assert not associate(None)
        assert not associate("stranger")
        import socket

        silent = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(20)]  # handshakes that never come
        started = time.monotonic()
        assert associate("client")
        assert time.monotonic() - started < 5
        for one in silent:
            one.close()
        if shutil.which("echoscu"):
            command = [
                "echoscu",
                "-aec",
                "MIQA",
                "+tls",
                "client.key",
                "client.pem",
                "+cf",
                "ca.pem",
                "127.0.0.1",
                str(listener.port),
            ]
            done = subprocess.run(
                command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stderr
    finally:
        listener.kill()
