"""Certificates of a small authority of our own, made with openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority, and pairs of certificate and key; ``stranger`` is of another authority."""

    authority: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]
    stranger: tuple[Path, Path]


def make_certificates(openssl: str, folder: Path) -> Certificates:
    """For localhost and 127.0.0.1, valid for two days."""

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True, timeout=120)

    def authority(name: str) -> Path:
        request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
        run(*request, "-keyout", f"{name}.key", "-out", f"{name}.pem")
        return folder / f"{name}.pem"

    def signed(name: str, by: str) -> tuple[Path, Path]:
        run("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1", encoding="ascii")
        signer = ("-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial", "-extfile", "names")
        run("x509", "-req", "-in", f"{name}.csr", *signer, "-days", "2", "-out", f"{name}.pem")
        return folder / f"{name}.pem", folder / f"{name}.key"

    ours = authority("authority")
    authority("others")
    return Certificates(ours, signed("server", "authority"), signed("client", "authority"), signed("stranger", "others"))
