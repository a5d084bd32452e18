"""The receiver against dcmtk and against peers that mean no good."""

from __future__ import annotations

import hashlib
import random
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest

pytest.importorskip("pynetdicom")
pytest.importorskip("sqlalchemy")

from pynetdicom import AE, build_context  # noqa: E402
from pynetdicom.association import Association  # noqa: E402
from pynetdicom.dimse_messages import C_STORE_RQ  # noqa: E402
from pynetdicom.pdu import A_ASSOCIATE_RQ  # noqa: E402

from listening import ENVIRONMENT, EXPLICIT, MR, Listener, encoded, running, send_bytes, store_request, wait_for  # noqa: E402
from readers.dicom_maker import mr_image, noise  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("storescu") is None, reason="dcmtk is not installed")
PATIENT = "Secretname^Zoe"
VERIFICATION = "1.2.840.10008.1.1"


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    with running(tmp_path_factory.mktemp("listener"), receiver={"association_timeout_seconds": 3}) as one:
        yield one


def image(**tags: object) -> pydicom.Dataset:
    return mr_image(noise(1), PatientName=PATIENT, PatientID="SECRETID", **tags)


def data_set_of(path: Path) -> bytes:
    """What follows the file meta information."""
    meta = pydicom.filereader.read_file_meta_info(path)
    return path.read_bytes()[132 + 12 + meta.FileMetaInformationGroupLength :]


def outside_the_spool(listener: Listener) -> set[Path]:
    """What is in the listener's folder beside the spool and the catalogue."""
    catalogue = "catalogue.sqlite"
    return {p for p in listener.folder.rglob("*") if "spool" not in p.parts and not p.name.startswith(catalogue)}


def file_of(listener: Listener, uid: str) -> Path:
    entry = next(one for one in listener.objects() if one.sop_instance_uid == uid)
    return listener.settings.storage.spool / entry.file


def test_real_series_are_kept_as_they_came_and_a_resend_adds_nothing(listener: Listener, shared: Path) -> None:
    folder = shared / "data" / "mri" / "thigh_T1_STS001"
    for _ in range(2):
        sent = listener.store(folder)
        assert sent.returncode == 0, sent.stderr
    for source in folder.iterdir():
        original = pydicom.dcmread(source)
        entries = [one for one in listener.objects() if one.sop_instance_uid == original.SOPInstanceUID]
        assert len(entries) == 1
        kept = listener.settings.storage.spool / entries[0].file
        assert hashlib.sha256(data_set_of(kept)).hexdigest() == entries[0].sha256
        assert pydicom.dcmread(kept) == original
    assert not [path for path in listener.spool_files() if path.suffix != ".dcm"]


def test_bytes_are_kept_as_received(listener: Listener) -> None:
    one = image()
    data = encoded(one) + b"\x09\x00\x11\x00UN\x00\x00\x04\x00\x00\x00\xff\xfe\x00\x01"  # an element out of order
    association = listener.associate()
    assert send_bytes(association, data, one.SOPInstanceUID) == 0x0000
    association.release()
    assert data_set_of(file_of(listener, one.SOPInstanceUID)) == data


def test_what_was_not_announced_is_refused_and_leaves_nothing(listener: Listener) -> None:
    before = listener.spool_files()
    one = image()
    association = listener.associate()
    cases = {
        "another instance": (encoded(one), "1.2.3.4.5"),
        "no data set": (b"no DICOM at all, but long enough to be taken for something", one.SOPInstanceUID),
        "another class": (encoded(image(SOPClassUID="1.2.840.10008.5.1.4.1.1.2")), one.SOPInstanceUID),
        "no UIDs": (encoded(image(SOPClassUID=None, SOPInstanceUID=None)), "1.2.3"),
    }
    for name, (data, uid) in cases.items():
        assert send_bytes(association, data, uid) == 0xA900, name
    assert send_bytes(association, encoded(one), one.SOPInstanceUID) == 0x0000
    association.release()
    assert len(listener.spool_files()) == len(before) + 1
    assert wait_for(
        lambda: any("SOP Instance UID is not the announced one" in detail for detail in listener.incidents()), seconds=20
    )


# Where a UID taken for a path would lead.
ESCAPED = Path(tempfile.gettempdir()) / "escaped"


@pytest.mark.parametrize("uid", [f"../../..{ESCAPED}", str(ESCAPED), "1.2.3\x00.4", "1." * 60 + "1", "..", "1.2/../../3"])
def test_uids_that_are_paths_write_nothing_outside(listener: Listener, uid: str) -> None:
    outside, before = outside_the_spool(listener), listener.spool_files()
    one = image(SOPInstanceUID=None)
    one.add_new(0x00080018, "LO", uid)  # UI would be refused by the sender
    data = encoded(one).replace(b"\x08\x00\x18\x00LO", b"\x08\x00\x18\x00UI")
    association = listener.associate()
    status = send_bytes(association, data, uid)
    association.abort()
    assert status in (0xA900, None)  # None: pynetdicom itself has refused the command
    assert listener.spool_files() == before
    assert not ESCAPED.exists()
    assert outside_the_spool(listener) == outside


def test_an_object_that_is_too_large_is_refused_and_the_next_is_kept(tmp_path: Path) -> None:
    with running(tmp_path, receiver={"max_object_mib": 0.01, "processes": 1}) as listener:
        association = listener.associate()
        large, small = mr_image(noise(1, 100, 100)), image()
        assert send_bytes(association, encoded(large), large.SOPInstanceUID) == 0xA700
        assert send_bytes(association, encoded(small), small.SOPInstanceUID) == 0x0000
        association.release()
        assert len(listener.spool_files()) == 1


def test_strangers_are_refused(listener: Listener) -> None:
    for calling, called, reason in (("STRANGER", "MIQA", 3), ("STORESCU", "OTHER", 7)):
        association = AE(calling).associate("127.0.0.1", listener.port, [build_context(MR)], called)
        # pynetdicom returns when the connection is closed, and may note why a moment later.
        assert wait_for(lambda association=association: association.is_rejected, seconds=20)
        assert association.acceptor.primitive is not None
        assert association.acceptor.primitive.diagnostic == reason
    # Nobody waits for an incident to be entered.
    told = "STRANGER is not one of calling_ae_titles"
    assert wait_for(lambda: any(told in detail for detail in listener.incidents()), seconds=20)


def test_deflated_is_not_taken(listener: Listener) -> None:
    deflated = "1.2.840.10008.1.2.1.99"
    association = AE("PYNETDICOM").associate("127.0.0.1", listener.port, [build_context(MR, [deflated])], "MIQA")
    assert not association.accepted_contexts
    association.abort()


def test_an_address_that_is_not_listed_is_cut_off(tmp_path: Path) -> None:
    with running(tmp_path, receiver={"processes": 1}) as listener:
        with socket.create_connection(("127.0.0.1", listener.port), source_address=("127.0.0.2", 0)) as stranger:
            stranger.settimeout(30)
            assert stranger.recv(1) == b""
        assert wait_for(lambda: any("127.0.0.2" in detail for detail in listener.incidents()), seconds=20)


def test_200_connections_that_mean_no_good_stop_nobody(listener: Listener) -> None:
    """Idle, half-open, slow and garbage ones, all at once, from the address of an honest peer."""
    memory = sum(p.memory_info().rss for p in listener.children("receiver"))
    rng = random.Random(1)
    connections, stop = [], threading.Event()

    def drip(client: socket.socket) -> None:
        with client:
            for byte in b"\x01\x00\x00\x00\x00\xcd\x00\x01":
                if stop.wait(0.5):
                    return
                try:
                    client.send(bytes([byte]))
                except OSError:
                    return

    for number in range(200):
        client = socket.create_connection(("127.0.0.1", listener.port))
        if number % 4 == 1:
            client.sendall(b"\x01\x00\x00\x00\x00\xcd\x00\x01")  # half a request
        elif number % 4 == 2:
            threading.Thread(target=drip, args=(client,), daemon=True).start()
        elif number % 4 == 3:
            client.sendall(rng.choice([b"\x01", b"GET "]) + rng.randbytes(300))
        connections.append(client)
    for _ in range(5):
        started = time.monotonic()
        command = ["echoscu", "-aec", "MIQA", "127.0.0.1", str(listener.port)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - started < 5
    grown = sum(p.memory_info().rss for p in listener.children("receiver")) - memory
    assert grown < 50 * 2**20
    stop.set()
    for client in connections:
        client.close()


def test_an_association_that_falls_silent_is_ended(tmp_path: Path) -> None:
    with running(tmp_path, receiver={"network_timeout_seconds": 2, "processes": 1, "max_associations": 1}) as listener:
        made: list[Association] = []

        def let_in() -> bool:
            made.append(listener.associate())
            return bool(made[-1].is_established)

        assert wait_for(let_in, seconds=20)  # the echo by which the start was seen may still count
        silent = made[-1]
        refused = listener.associate()
        assert wait_for(lambda: refused.is_rejected, seconds=20)  # one is the limit
        assert wait_for(lambda: not silent.is_established, seconds=20)
        assert wait_for(lambda: listener.associate().is_established, seconds=20)


def test_a_pdu_that_claims_gigabytes_is_not_believed(listener: Listener) -> None:
    client, _ = _raw_association(listener)
    client.sendall(struct.pack(">BBL", 4, 0, 0xFFFFFFF0))
    assert _ended(client)
    assert listener.answers()


def test_what_pynetdicom_refuses_by_itself_leaves_nothing(tmp_path: Path) -> None:
    """Whole data sets that reach no handler of ours: unknown class, no instance, another service, behind one that is fatal."""
    one = image()
    data, uid = encoded(one), one.SOPInstanceUID
    unknown, unnamed, echo = store_request(data, uid, "1.2.3"), store_request(data, uid), store_request(data, uid, VERIFICATION)
    del unnamed.command_set.AffectedSOPInstanceUID
    unnamed._set_command_group_length()
    whole = _fragments(store_request(data, uid))
    streams = {
        "unknown class": _store_pdus(unknown),
        "no instance": _store_pdus(unnamed),
        "another service": _store_pdus(echo),
        "two in one PDU, then what is no command": [_pdu([*whole, *whole, (1, b"\x03garbage")])],
    }
    with running(tmp_path, receiver={"processes": 1}) as listener:
        for name, pdus in streams.items():
            kept = len(listener.objects())
            client, _ = _raw_association(listener)
            with client:
                client.sendall(b"".join(pdus))
                client.shutdown(socket.SHUT_WR)  # some of them pynetdicom only ignores
                client.settimeout(60)
                with suppress(ConnectionResetError):
                    while client.recv(1 << 16):
                        continue
            stray = lambda: [path for path in listener.spool_files() if path.suffix != ".dcm"]  # noqa: E731
            wait_for(lambda stray=stray: not stray(), seconds=20, what=f"{name}: a clean spool")
            assert len(listener.spool_files()) == len(listener.objects()) <= kept + 1


def test_10_000_mutated_pdus(listener: Listener) -> None:
    """Seeded; requests and, within associations, commands and data sets. Nothing half-written stays.

    Eight at most in an association: the receiver hangs up at the first that it cannot take, and looks at none after it.
    """
    rng = random.Random(20)
    before, outside = [p.pid for p in listener.children("receiver")], outside_the_spool(listener)
    request = _request_bytes()
    one = image()
    store = _store_pdus(store_request(encoded(one), one.SOPInstanceUID))
    sent = 0
    while sent < 10_000:
        if rng.random() < 0.3:
            burst = [_mutated(rng, request)]
            client = socket.create_connection(("127.0.0.1", listener.port))
        else:
            try:
                client, _ = _raw_association(listener)
            except OSError:
                continue
            burst = [_mutated(rng, rng.choice(store)) for _ in range(8)]
        with client:
            client.settimeout(20)
            with suppress(OSError):  # cut off in the middle, as it should be
                client.sendall(b"".join(burst))
            sent += len(burst)
    # Well below the time after which the receiver hangs up on a peer that says nothing.
    wait_for(lambda: not listener.open_associations(), seconds=20, what="the end of associations that were cut off")
    assert listener.answers()
    assert [p.pid for p in listener.children("receiver")] == before
    wait_for(lambda: not [path for path in listener.spool_files() if path.suffix != ".dcm"], what="the spool is clean")
    assert outside_the_spool(listener) == outside
    known = {one.file for one in listener.objects()}
    assert {f"{path.parent.name}/{path.name}" for path in listener.spool_files()} == known


def test_no_patient_data_in_the_log(listener: Listener, shared: Path) -> None:
    """Last of this listener's tests: all that it was sent is behind it."""
    listener.store(shared / "data" / "mri" / "brain_T1_studyforrest")
    one = image()
    association = listener.associate()
    send_bytes(association, encoded(one), one.SOPInstanceUID)
    association.abort()
    log = listener.log.read_text()
    assert "association with STORESCU" in log
    for secret in (
        "Secretname",
        "SECRETID",
        "Jane_Doe",
        "STS_001",
        one.SOPInstanceUID,
        one.StudyInstanceUID + "\n",
        "Traceback",
    ):
        assert secret not in log, secret


def _request_bytes() -> bytes:
    from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "PYNETDICOM", "MIQA"
    context = build_context(MR, [EXPLICIT])
    context.context_id = 1
    primitive.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = "1.2.3.4"
    primitive.user_information = [length, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


def _raw_association(listener: Listener) -> tuple[socket.socket, bytes]:
    """A socket on which an association was accepted."""
    client = socket.create_connection(("127.0.0.1", listener.port))
    client.settimeout(60)
    client.sendall(_request_bytes())
    header = client.recv(6, socket.MSG_WAITALL)
    if len(header) < 6 or header[0] != 2:
        client.close()
        raise OSError("not accepted")
    return client, client.recv(int.from_bytes(header[2:6], "big"), socket.MSG_WAITALL)


def _fragments(request: C_STORE_RQ) -> list[tuple[int, bytes]]:
    """Presentation data values of a C-STORE in context 1: the command, then the data set."""
    return [
        (context_id, value)
        for primitive in request.encode_msg(1, 16384)
        for context_id, value in primitive.presentation_data_value_list
    ]


def _pdu(fragments: list[tuple[int, bytes]]) -> bytes:
    """One P-DATA PDU (PS3.8 9.3.5)."""
    items = b"".join(struct.pack(">LB", len(value) + 1, context_id) + value for context_id, value in fragments)
    return struct.pack(">BBL", 4, 0, len(items)) + items


def _store_pdus(request: C_STORE_RQ) -> list[bytes]:
    """A PDU for each fragment."""
    return [_pdu([one]) for one in _fragments(request)]


def _mutated(rng: random.Random, pdu: bytes) -> bytes:
    found = bytearray(pdu)
    for _ in range(rng.randint(1, 8)):
        kind = rng.randrange(4)
        at = rng.randrange(min(len(found), 200)) if found else 0
        if kind == 0 and found:
            found[at] = rng.randrange(256)
        elif kind == 1:
            found[at:at] = rng.randbytes(rng.randint(1, 12))
        elif kind == 2:
            del found[at : at + rng.randint(1, 12)]
        elif len(found) > 6:
            found[2:6] = struct.pack(">L", rng.choice([0, 1, 5, len(found), 0x7FFFFFFF, 0xFFFFFFFF, rng.randrange(1 << 16)]))
    return bytes(found)


def _ended(client: socket.socket) -> bool:
    """Whether the other side aborts or hangs up."""
    with client:
        client.settimeout(60)
        try:
            answer = client.recv(1)
        except ConnectionResetError:
            return True
        return answer in (b"", b"\x07")
