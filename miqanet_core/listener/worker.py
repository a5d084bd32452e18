"""``miqanet worker``: sorts what was received, scores it, delivers what was found. Any number of them share one catalogue."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from miqanet_core.baseline import Baseline
from miqanet_core.listener.catalogue import Catalogue, heartbeats, now, queue
from miqanet_core.listener.settings import Settings
from miqanet_core.policy import Policy

_IDLE_SECONDS = 0.2
_TIDY_SECONDS = 60.0
_AFTER_A_FAULT_SECONDS = 2.0
log = logging.getLogger("miqanet.worker")


class Worker:
    """One worker process; :meth:`run` works until :meth:`stop`."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        from miqanet_core.listener.outbox import Deliverer
        from miqanet_core.listener.sandbox import Sandbox
        from miqanet_core.listener.scoring import SeriesScoring
        from miqanet_core.listener.spool import Spool
        from miqanet_core.listener.write_back import WriteBack
        from miqanet_core.scorer import Scorer

        scoring = settings.scoring
        self.name = f"{socket.gethostname()} worker {os.getpid()}"
        self._settings = settings
        self._catalogue = catalogue
        self._spool = Spool(settings.storage.spool)
        self._stop = threading.Event()
        memory = int(scoring.read_memory_gib * 2**30)
        self._sandbox = Sandbox(memory, scoring.read_seconds)
        policy = Policy.load(scoring.policy) if scoring.policy else Policy.default()
        baseline = Baseline.load(scoring.baseline) if scoring.baseline else None
        self._scorer = Scorer(scoring.model, scoring.device, scoring.precision, policy, baseline=baseline)
        self._scoring = SeriesScoring(settings, catalogue, self._scorer, self._sandbox, self.name, self._stop.is_set)
        self._write_back = WriteBack(settings, catalogue, policy, Sandbox(memory, scoring.read_seconds))
        self._deliverer = Deliverer(settings, catalogue, self.name, self._write_back)
        self._last_tidy = float("-inf")

    def stop(self) -> None:
        """Finish the slice at hand, give the job back, and end."""
        self._stop.set()

    def run(self) -> None:
        self._sandbox.start()
        self._deliverer.start()
        with self._beating():
            log.info("%s is at work on %s", self.name, self._scorer.device)
            while not self._stop.is_set():
                try:
                    busy = self._work()
                except Exception as error:  # the database may be away for a while; what was leased comes back by itself
                    log.error("the catalogue cannot be used (%s); trying again", type(error).__name__)
                    self._stop.wait(_AFTER_A_FAULT_SECONDS)
                    continue
                if not busy:
                    self._stop.wait(_IDLE_SECONDS)
            self._deliverer.stop()
            self._deliverer.join(timeout=30)
        with self._catalogue.write() as session:
            queue.release_leases_of(session, self.name)
            heartbeats.stopped(session, self.name)
        self._sandbox.close()
        self._write_back.close()
        log.info("%s has stopped", self.name)

    def _work(self) -> bool:
        from miqanet_core.listener.retention import let_go
        from miqanet_core.listener.sorting import sort_some

        moment = time.monotonic()
        if moment - self._last_tidy >= _TIDY_SECONDS:
            let_go(self._catalogue, self._settings.storage)
            self._last_tidy = moment
        lease = self._settings.scoring.lease_seconds
        busy = sort_some(self._catalogue, self._spool, self._sandbox, self.name, lease)
        return self._scoring.do_one() or busy

    @contextmanager
    def _beating(self) -> Iterator[None]:
        """The heart beats in a thread of its own: a long series takes minutes."""
        figures = {"device": self._scorer.device, "model": self._scorer.identity.name}
        started_at, ended = now(), threading.Event()

        def beat() -> None:
            while True:
                try:
                    with self._catalogue.write() as session:
                        heartbeats.beat(session, self.name, "worker", started_at, figures)
                except Exception as error:  # the database may be away for a while
                    log.error("the catalogue cannot be written (%s)", type(error).__name__)
                if ended.wait(heartbeats.BEAT_SECONDS):
                    return

        thread = threading.Thread(target=beat, name="heart", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def main(settings: Settings, parent: Connection | None = None) -> None:
    """The process. Stops at SIGTERM and SIGINT; as a child, when ``parent``, a pipe's end, is closed or its holder dies."""
    from miqanet_core.listener.receiver import set_up_logging

    set_up_logging()
    if parent is not None:
        share_cores(settings.scoring.workers)
    catalogue = Catalogue(settings.database_url).create()
    worker = Worker(settings, catalogue)
    # As a child it is stopped through the pipe: a terminal's Ctrl-C reaches all processes at once, and the parent has an order.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, (lambda *_: worker.stop()) if parent is None else signal.SIG_IGN)
    if parent is not None:
        threading.Thread(target=_stop_with, args=(worker, parent), daemon=True).start()
    worker.run()
    catalogue.close()
    if parent is not None:
        logging.shutdown()
        os._exit(0)  # all is kept; to take torch apart would only make the parent wait


def share_cores(workers: int) -> None:
    """Compute with this worker's part of the cores: threads of several processes on one core wait for one another."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // workers))


def _stop_with(worker: Worker, parent: Connection) -> None:
    try:
        parent.recv()
    except (EOFError, OSError):
        worker.stop()
