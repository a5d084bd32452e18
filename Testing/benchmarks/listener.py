"""Speed of the listener on this machine: python Testing/benchmarks/listener.py [--throughput] [--latency] [--workers]

Without an option, all three.

--throughput: 512 x 512 x 16 bit objects over one and four associations, all in the same run: the listener (which makes each
object durable before it answers), pynetdicom's own storescp application (which does not), and dcmtk's storescp --fork +B. The
senders are dcmtk's storescu.

--latency: from the last object of a 24-slice series to its stored verdict, by a worker that waits for it. The slices come all
at once, which is harder than a scanner's pace: hardly one is scored before the last is there.

--workers: the time that one and two worker processes take for a backlog of 40 series on PostgreSQL. Each has one thread, so
that two of them have twice as much of a machine with two cores as one has; all are warm before the time begins.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "peers"), str(Path(__file__).parents[1] / "unit")]

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from pydicom.dataset import Dataset  # noqa: E402
from pydicom.uid import generate_uid  # noqa: E402
from sqlalchemy import select  # noqa: E402

import backlog  # noqa: E402
from listening import ENVIRONMENT, Listener, free_port, running, wait_for  # noqa: E402
from miqanet_core.cli.demo import demo_series  # noqa: E402
from miqanet_core.listener.catalogue import Base, Catalogue, Result, Series  # noqa: E402
from postgres_server import Postgres, running_postgres  # noqa: E402
from readers.dicom_maker import mr_image, noise, save  # noqa: E402

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--throughput", action="store_true", help="objects a second")
    parser.add_argument("--latency", action="store_true", help="from the last object to the stored verdict")
    parser.add_argument("--workers", action="store_true", help="one and two workers on a backlog in PostgreSQL")
    parser.add_argument("--objects", type=int, default=60, help="objects an association sends, for the throughput")
    parser.add_argument("--processes", type=int, default=2, help="receiver processes of the listener, for the throughput")
    options = parser.parse_args()
    every = not (options.throughput or options.latency or options.workers)
    if shutil.which("storescu") is None:
        raise SystemExit("dcmtk is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.throughput or every:
            throughput(folder, options.objects, options.processes)
        if options.latency or every:
            latency(folder / "latency")
        if options.workers or every:
            try:
                with running_postgres() as server:
                    workers(folder, server)
            except pytest.skip.Exception as absent:
                print(f"one and two workers were not compared: {absent}")


def throughput(folder: Path, objects: int, processes: int) -> None:
    """Best of three rounds each, in turn, so that what else the machine does hits all alike."""
    receivers = {
        f"miqanet listen ({processes} processes, fsync)": lambda place: listener(place, processes),
        "pynetdicom storescp": pynetdicom_storescp,
        "dcmtk storescp --fork +B": dcmtk_storescp,
    }
    best: dict[tuple[str, int], float] = {}
    for number in range(ROUNDS):
        for name, start in receivers.items():
            place = folder / f"{number}-{name.split()[0]}"
            place.mkdir()
            with start(place) as port:
                for associations in (1, 4):
                    sets = [image_set(place / f"set-{associations}-{n}", objects) for n in range(associations)]
                    rate = associations * objects / send(sets, port)
                    best[name, associations] = max(rate, best.get((name, associations), 0))
            shutil.rmtree(place)
    reference = "pynetdicom storescp"
    print(f"objects a second, {objects} objects of 512 x 512 x 16 bit an association, best of {ROUNDS}, {os.cpu_count()} cores")
    print(f"{'receiver':<42}{'1 association':>15}{'4 associations':>16}{'against pynetdicom':>22}")
    for name in receivers:
        one, four = best[name, 1], best[name, 4]
        ratio = f"{one / best[reference, 1]:.2f} x, {four / best[reference, 4]:.2f} x"
        print(f"{name:<42}{one:>15.1f}{four:>16.1f}{ratio:>22}")


def image_set(folder: Path, count: int) -> Path:
    series = generate_uid()
    for number in range(count):
        pixels = noise(number % 7, 512, 512)
        save(mr_image(pixels, SeriesInstanceUID=series, ImagePositionPatient=[0, 0, number]), folder / f"{number}.dcm")
    return folder


def send(sets: list[Path], port: int) -> float:
    """Seconds until all of them, at the same time, are sent."""
    started = time.perf_counter()
    senders = [
        subprocess.Popen(
            ["storescu", "-aec", "MIQA", "+sd", "127.0.0.1", str(port), str(folder)], env=ENVIRONMENT, stderr=subprocess.DEVNULL
        )
        for folder in sets
    ]
    if any(sender.wait() for sender in senders):
        raise SystemExit(f"a sender failed on port {port}")
    return time.perf_counter() - started


@contextmanager
def listener(folder: Path, processes: int) -> Iterator[int]:
    one = Listener(folder, receiver={"processes": processes})
    try:
        yield one.start().port
    finally:
        one.kill()


@contextmanager
def pynetdicom_storescp(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "pynetdicom", "storescp", str(port), "-od", str(folder / "out"), "-q"]
    with _serving(command, port, folder):
        yield port


@contextmanager
def dcmtk_storescp(folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "out").mkdir()
    with _serving(["storescp", "--fork", "+B", "-od", str(folder / "out"), str(port)], port, folder):
        yield port


@contextmanager
def _serving(command: list[str], port: int, folder: Path) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(_echo(port), what="an echo")
        yield
    finally:
        process.kill()
        process.wait()


def _echo(port: int) -> Callable[[], bool]:
    command = ["echoscu", "-aec", "MIQA", "127.0.0.1", str(port)]
    return lambda: subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False).returncode == 0


def latency(folder: Path) -> None:
    """Three series, one after the other. The first one shows whether the worker was warm."""
    folder.mkdir()
    seconds, verdicts = [], []
    with running(folder, scoring={"workers": 1}, receiver={"processes": 1}) as one:
        wait_for(lambda: "at work" in one.log.read_text(), what="the worker")
        for number in range(ROUNDS):
            place, uid = folder / f"set-{number}", generate_uid()
            for index, image in enumerate(real_images(24, uid)):
                save(image, place / f"{index:02}.dcm")
            send([place], one.port)
            sent = time.perf_counter()

            def found(uid: str = uid) -> Result | None:
                with one.catalogue().read() as session:
                    return session.scalars(select(Result).join(Series).where(Series.series_uid == uid)).first()

            result = wait_for(found, what="the verdict")
            seconds.append(time.perf_counter() - sent)
            assert result.objects == 24
            verdicts.append(result.verdict)
        quiet = one.settings.completion.quiet_seconds
    times = ", ".join(f"{one:.1f}" for one in seconds)
    print(
        f"from the last of 24 slices of {brain().shape[1:]} to the stored verdict, in turn: {times} s ({', '.join(verdicts)}); "
        f"{quiet:g} s of each are the quiet time (aim: at most 3 s more); load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"
    )


@cache
def brain() -> np.ndarray:
    """The demo's real brain, float32 (24, rows, columns)."""
    return demo_series().voxels


def real_images(count: int, series_uid: str) -> Iterator[Dataset]:
    """Slices from its middle."""
    voxels = brain()
    first = (len(voxels) - count) // 2
    scale = 1000 / voxels.max()
    for number, image in enumerate(voxels[first : first + count]):
        pixels = np.rint(scale * image).astype(np.uint16)
        yield mr_image(pixels, SeriesInstanceUID=series_uid, ImagePositionPatient=[0, 0, 2 * number], InstanceNumber=number + 1)


def workers(folder: Path, server: Postgres, series: int = 40, slices: int = 6) -> None:
    """Best of three rounds each, in turn."""
    seconds: dict[int, list[float]] = defaultdict(list)
    for turn in range(ROUNDS):
        for number in (1, 2):
            place = folder / f"workers-{turn}-{number}"
            place.mkdir()
            catalogue = Catalogue(server.url).create()
            with running(place, storage={"database": server.url}, receiver={"processes": 1}) as one:
                backlog.fill(one, (image for n in range(series) for image in real_images(slices, f"1.2.3.{n}")))
                seconds[number].append(backlog.drain(one, series, number, patience=3600))
            Base.metadata.drop_all(catalogue.engine)
            catalogue.close()
    one_worker, two_workers = min(seconds[1]), min(seconds[2])
    print(
        f"a backlog of {series} series of {slices} slices on PostgreSQL, workers of one thread, best of {ROUNDS}: one "
        f"{one_worker:.1f} s, two {two_workers:.1f} s, {one_worker / two_workers:.2f} x as fast; "
        f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
