"""The scoring process: runs the ``miqanet`` command for a front end, and never outlives it.

Started as ``python worker.py ARGUMENTS OF miqanet``, in Slicer's Python or in another one that has the dependencies. Before
anything else it writes ``{"event": "process", "pid": N}`` to stdout, and makes itself the leader of a group of processes of its
own, so that the front end can end it with all its children. Its stdin is the leash: when that closes, because the front end let
go or crashed, the whole group ends at once.
"""

import json
import os
import signal
import subprocess
import sys
import threading


def end_group() -> None:
    """End this process and all its children, now."""
    if os.name == "posix":
        os.killpg(0, signal.SIGKILL)
    subprocess.run(["taskkill", "/T", "/F", "/PID", str(os.getpid())], check=False, capture_output=True)


def watch_leash() -> None:
    """Wait until stdin closes."""
    # os.read: a buffered stdin would hold a lock that Python wants when it exits.
    while os.read(0, 1024):
        pass
    end_group()


def main() -> None:
    """Run the command of ``sys.argv``."""
    if os.name == "posix":
        os.setsid()
    print(json.dumps({"event": "process", "pid": os.getpid()}), flush=True)
    threading.Thread(target=watch_leash, daemon=True).start()

    from core_package import load_core

    # Names of this folder's files must not hide anything that the library imports.
    sys.path.pop(0)
    load_core()
    from miqanet_core.cli import main as miqanet

    sys.argv[0] = "miqanet"
    miqanet()


if __name__ == "__main__":
    main()
