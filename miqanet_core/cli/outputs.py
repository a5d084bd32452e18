"""Where results are written: the named files, and a folder with everything for each series."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent
from typing import Any

from miqanet_core.cli.guard import UsageError
from miqanet_core.cli.kept import Kept
from miqanet_core.cli.terminal import inform
from miqanet_core.policy import Policy
from miqanet_core.quality import SeriesQuality
from miqanet_core.readers import WHOLE, Shard
from miqanet_core.report.csv import artifacts_in, csv_parts, to_csv
from miqanet_core.report.files import write_file
from miqanet_core.report.model_card import shipped_model_card
from miqanet_core.series import MRSeries

STDOUT = Path("-")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True)
class Targets:
    """The files that the command line names."""

    out: Path | None = None
    json: Path | None = None
    csv: Path | None = None
    html: Path | None = None
    overlay: Path | None = None
    dicom: Path | None = None
    of_shard: bool = False

    def __post_init__(self) -> None:
        if STDOUT in (self.html, self.overlay, self.out, self.dicom):
            raise UsageError("only --json and --csv can write to stdout (-)")
        if self.json == self.csv == STDOUT:
            raise UsageError("--json - and --csv - cannot share stdout; name a file for one of them")
        named = [path for path in (self.json, self.csv, self.html, self.overlay) if path not in (None, STDOUT)]
        if len(set(named)) < len(named):
            raise UsageError("two results cannot go to the same file")
        if self.overlay and not self.overlay.name.lower().endswith((".nii", ".nii.gz")):
            raise UsageError(f"--overlay {self.overlay}: the overlay is NIfTI; name it .nii.gz or .nii")
        if self.dicom and find_spec("highdicom") is None:
            raise UsageError("--dicom needs highdicom: pip install 'miqanet_core[listener]'")

    @property
    def use_stdout(self) -> bool:
        """A result goes to stdout, so nothing else may."""
        return STDOUT in (self.json, self.csv)

    def of(self, shard: Shard) -> Targets:
        """The same for one of several shards, which must not write over each other.

        ``scores.csv`` becomes ``scores.2-of-4.csv`` and ``results/`` ``results/2-of-4/``.
        """
        if shard == WHOLE:
            return self
        label = f"{shard.index}-of-{shard.count}"

        def file(path: Path | None) -> Path | None:
            if path is None or path == STDOUT:
                return path
            stem, dot, endings = path.name.partition(".")
            return path.with_name(f"{stem}.{label}{dot}{endings}")

        def folder(path: Path | None) -> Path | None:
            return path and path / label

        return Targets(
            folder(self.out), file(self.json), file(self.csv), file(self.html), file(self.overlay), folder(self.dicom), True
        )

    @property
    def none_named(self) -> bool:
        """No output option at all: the table is the result."""
        return not any((self.out, self.json, self.csv, self.html, self.overlay, self.dicom))


@dataclass
class Writer:
    """Writes results as they come (``--out``, ``--dicom``) and at the end (the named files and the index).

    Holds no series: what the named files need is kept on disk. ``waiting``: numbers of the scored series whose files stand
    only after :meth:`finish`. ``flagged``: whether a series was.
    """

    targets: Targets
    policy: Policy
    flagged: bool = False
    waiting: list[int] = field(default_factory=list)
    _kept: Kept = field(default_factory=Kept)
    _artifacts: set[str] = field(default_factory=set)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _names: dict[str, int] = field(default_factory=lambda: {"index": 1})

    def add(self, series: MRSeries, quality: SeriesQuality) -> Path | None:
        """Take a result; with ``--out`` and ``--dicom`` write its files now. Returns its JSON file when that stands."""
        self.flagged |= quality.flagged
        name = unique_name(series.description, self._names)
        if self.targets.dicom:
            self._write_dicom(self.targets.dicom, name, series, quality)
        result = self._write_folder(self.targets.out, name, series, quality) if self.targets.out else None
        if self.targets.html or self.targets.overlay:
            self._kept.add((series, quality))
        elif self.targets.json or self.targets.csv:
            self._kept.add((None, replace(quality, map=None)))
        self._artifacts |= artifacts_in(quality)
        return result

    def finish(self) -> None:
        """Write what needs all results. A shard without a series writes an empty list, so that its files are there."""
        if not self._kept and not self._rows and not self.targets.of_shard:
            return
        if self.targets.out:
            from miqanet_core.report.html import render_index

            self._say(write_file(self.targets.out / "index.html", render_index(self._rows)))
        if self.targets.json:
            self._put(self.targets.json, json_parts((quality for _, quality in self._kept), len(self._kept)))
        if self.targets.csv:
            self._put(self.targets.csv, csv_parts((quality for _, quality in self._kept), sorted(self._artifacts)))
        if self.targets.html and self._kept:
            self._put(self.targets.html, [self._html(self._kept)])
        if self.targets.overlay and self._kept:
            from miqanet_core.report.overlay import write_overlay

            self._say(write_overlay(self.targets.overlay, *next(iter(self._kept))))

    def _write_dicom(self, folder: Path, name: str, series: MRSeries, quality: SeriesQuality) -> None:
        from miqanet_core.dicom import Kind, headers_of, is_own_output, results_of

        try:
            headers = headers_of(series)
            if any(map(is_own_output, headers)):
                inform(f"{name}: no DICOM result, MIQA itself wrote this")
                return
            objects = results_of(quality, series, headers, kinds=set(Kind), policy=self.policy)
        except ValueError as error:
            inform(f"{name}: no DICOM result: {error}")
            return
        for kind, dataset in objects.items():
            file = io.BytesIO()
            dataset.save_as(file, enforce_file_format=True)
            self._say(write_file(folder / f"{name}.{kind.value}.dcm", file.getvalue()))

    def _write_folder(self, folder: Path, name: str, series: MRSeries, quality: SeriesQuality) -> Path:
        from miqanet_core.report.overlay import write_overlay

        files = {"report": f"{name}.html", "json": f"{name}.json", "csv": f"{name}.csv"}
        write_file(folder / files["report"], self._html([(series, quality)]))
        write_file(folder / files["csv"], to_csv([quality]))
        if series.geometry is None or quality.map is None:
            inform(f"{name}: no overlay, the series {'has no geometry' if series.geometry is None else 'was not assessed'}")
        else:
            files["overlay"] = f"{name}.nii.gz"
            write_overlay(folder / files["overlay"], series, quality)
        self._rows.append({"quality": replace(quality, map=None, slices=()), "files": files})
        return write_file(folder / files["json"], to_json([quality]))

    def _html(self, results: Iterable[tuple[MRSeries, SeriesQuality]]) -> str:
        from miqanet_core.report.html import Scored, render_html

        return render_html((Scored(*result) for result in results), self.policy, model_card=shipped_model_card())

    def _put(self, target: Path, parts: Iterable[str]) -> None:
        if target != STDOUT:
            self._say(write_file(target, parts))
            return
        sys.stdout.flush()
        binary = getattr(sys.stdout, "buffer", None)
        for part in parts:
            if binary is None:
                sys.stdout.write(part)
            else:
                binary.write(part.encode("utf-8"))  # JSON is UTF-8, whatever the terminal speaks

    @staticmethod
    def _say(path: Path) -> None:
        inform(f"wrote {path}")


def to_json(results: Sequence[SeriesQuality]) -> str:
    """One series as an object, several as a list."""
    return "".join(json_parts(results, len(results)))


def json_parts(results: Iterable[SeriesQuality], count: int) -> Iterator[str]:
    """The document of :func:`to_json`, series by series."""
    if count == 1:
        yield from (f"{quality.to_json()}\n" for quality in results)
        return
    opening = "[\n"
    for quality in results:
        yield opening + indent(quality.to_json(), "  ")
        opening = ",\n"
    yield "\n]\n" if count else "[]\n"


def with_identity(series: MRSeries, quality: SeriesQuality, wanted: bool) -> SeriesQuality:
    """The result with the series' identity in it, or surely without."""
    facts = {key: value for key, value in quality.series.items() if key != "identity"}
    if wanted:
        facts["identity"] = asdict(series.identity)
    return replace(quality, series=facts)


def unique_name(description: str, taken: dict[str, int]) -> str:
    """A file name from a description: safe on every system, and not yet in ``taken``, to which it is added.

    ``taken``: names without regard to case, each with the highest number that was put behind it.
    """
    safe = re.sub(r"[^\w.+-]+", "_", description).strip("._-") or "series"
    safe = safe.encode("utf-8")[:120].decode("utf-8", "ignore")  # file systems count bytes, to 255
    if safe.split(".")[0].lower() in _RESERVED:
        safe = f"series_{safe}"
    name, number = safe, taken.get(safe.casefold(), 1)
    while name.casefold() in taken:
        number += 1
        name = f"{safe}-{number}"
    taken[safe.casefold()] = number
    taken[name.casefold()] = max(1, taken.get(name.casefold(), 1))
    return name
