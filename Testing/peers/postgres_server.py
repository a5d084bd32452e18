"""A private PostgreSQL in a folder, on a free port; run as the user ``postgres`` when the tests run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from listening import free_port


@dataclass
class Postgres:
    """``url``: SQLAlchemy's, of its database."""

    programs: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._run(
            "pg_ctl",
            "-D",
            str(self.folder / "cluster"),
            "-l",
            str(self.folder / "log"),
            "-w",
            "-t",
            "120",
            "-o",
            options,
            "start",
        )

    def kill(self) -> None:
        """kill -9 of the server and all its processes."""
        server = psutil.Process(int((self.folder / "cluster" / "postmaster.pid").read_text().split()[0]))
        family = [server, *server.children(recursive=True)]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, timeout=30)
        # The server that is gone would be asked for by its number, which may be another's by now.
        (self.folder / "cluster" / "postmaster.pid").unlink()

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "cluster"), "-m", "immediate", "stop", check=False)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [str(self.programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, timeout=180, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Make a cluster and start it; skips where PostgreSQL is not installed.

    In a folder beside pytest's own, which are shut to the user ``postgres``.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(p) for p in [shutil.which("initdb")] if p]
    if not found:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="miqa-postgres-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = Postgres(found[-1].parent, folder, free_port())
        server._run("initdb", "-D", str(folder / "cluster"), "-A", "trust", "-U", "postgres", "-N")
        server.start()
        try:
            yield server
        finally:
            server.stop()
