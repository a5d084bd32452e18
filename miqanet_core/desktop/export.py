"""Copies of a result's files, which the scoring process has written as ``miqanet score --out`` does."""

from __future__ import annotations

from pathlib import Path

from miqanet_core.report.files import write_file

KINDS = (".html", ".csv", ".json", ".nii.gz")


def export_result(result_file: Path, folder: Path) -> list[Path]:
    """Copy report, table, JSON and overlay into a folder, under a name that is not taken there yet.

    ``result_file``: the JSON. Returns the files written; InputError when one cannot be.
    """
    stem = result_file.name.removesuffix(".json")
    name, number = stem, 1
    while any((folder / f"{name}{kind}").exists() for kind in KINDS):
        number += 1
        name = f"{stem}-{number}"
    found = [(kind, result_file.with_name(f"{stem}{kind}")) for kind in KINDS]
    return [write_file(folder / f"{name}{kind}", path.read_bytes()) for kind, path in found if path.is_file()]
