"""Speed of the listener on this machine: python Testing/benchmarks/listener.py [--objects 60] [--latency]

Throughput of 512 x 512 x 16 bit objects over one and four associations, all in the same run: the listener (which makes each
object durable before it answers), pynetdicom's own storescp application (which does not), and dcmtk's storescp --fork +B. The
senders are dcmtk's storescu. With --latency: from the last object of a 24-slice series to its stored verdict.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "peers"), str(Path(__file__).parents[1] / "unit")]

from pydicom.uid import generate_uid  # noqa: E402
from sqlalchemy import select  # noqa: E402

from listening import ENVIRONMENT, Listener, free_port, wait_for  # noqa: E402
from miqanet_core.listener.catalogue import Result  # noqa: E402
from readers.dicom_maker import mr_image, noise, save  # noqa: E402

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=60, help="objects an association sends")
    parser.add_argument("--processes", type=int, default=2, help="receiver processes of the listener")
    parser.add_argument("--latency", action="store_true", help="measure the time to the verdict, too")
    options = parser.parse_args()
    if shutil.which("storescu") is None:
        raise SystemExit("dcmtk is not installed")
    with tempfile.TemporaryDirectory() as name:
        throughput(Path(name), options.objects, options.processes)
        if options.latency:
            latency(Path(name) / "latency")


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
    """A real brain, 24 slices of the demo, sent as a scanner does: one after the other."""
    from miqanet_core.cli.demo import demo_series

    folder.mkdir()
    one = Listener(folder, scoring={"workers": 1}, receiver={"processes": 1})
    series = demo_series()
    middle = len(series.voxels) // 2
    uid = generate_uid()
    for number, image in enumerate(series.voxels[middle - 12 : middle + 12]):
        scaled = (1000 * (image - image.min()) / (image.max() - image.min())).astype("uint16")
        dataset = mr_image(scaled, SeriesInstanceUID=uid, ImagePositionPatient=[0, 0, number], InstanceNumber=number + 1)
        save(dataset, folder / "set" / f"{number:02}.dcm")
    try:
        one.start()
        wait_for(lambda: "at work" in one.log.read_text(), what="the worker")
        send([folder / "set"], one.port)

        def result() -> Result | None:
            with one.catalogue().read() as session:
                return session.scalars(select(Result)).first()

        found = wait_for(result, what="the verdict")
        quiet = one.settings.completion.quiet_seconds
        print(
            f"from the last of {found.objects} objects to the stored verdict ({found.verdict}): {found.latency_seconds:.1f} s, "
            f"of which {quiet:g} s are the quiet time; load of the machine {os.getloadavg()[0]:.1f}"
        )
    finally:
        one.kill()


if __name__ == "__main__":
    main()
