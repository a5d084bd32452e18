"""Peers of the real world: Orthanc and dcmtk. A test is skipped where the peer that it needs is absent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from certificates import Certificates, make_certificates
from orthanc_server import PROGRAM, Orthanc, running_orthanc


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """The path of a command-line program, by its name; skips where it is not installed."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return found

    return find


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An Orthanc that takes and finds everything; use UIDs of your own, the tests of a session share it."""
    if PROGRAM is None:
        pytest.skip("Orthanc is not installed")
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Certificates:
    """An authority, a server's and a client's certificate, and a stranger's that it did not sign."""
    return make_certificates(program("openssl"), tmp_path_factory.mktemp("certificates"))
