"""A Dask scheduler and its workers, each a process of its own that a test can stop, freeze or kill."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fakes.waiting import HANG_S, wait_until

TESTS = Path(__file__).resolve().parents[1]

# Faults are noticed soon, and two lost workers are enough.
SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s",
    "DASK_DISTRIBUTED__WORKER__DAEMON": "true",
}


class Cluster:
    """A scheduler on a free port, and workers with one thread each."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        flags = ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"]
        self._start(["scheduler", *flags, "--scheduler-file", str(file)], **environ)
        wait_until(
            lambda: file.is_file() and file.read_text().endswith("}"), "the start of the scheduler"
        )
        self.address: str = json.loads(file.read_text())["address"]

    def add_worker(
        self,
        *flags: str,
        hidden: Path | None = None,
        cpuinfo: Path | None = None,
        limits_memory: bool = False,
        **environ: str,
    ) -> None:
        """Start a worker in a folder of its own.

        Args:
            hidden: a folder that it does not see.
            cpuinfo: a file that it sees as /proc/cpuinfo.
            limits_memory: whether its address space is limited to 16 GiB.
        """
        place = ["--local-directory", str(self.folder), "--host", "127.0.0.1", "--nthreads", "1"]
        wrapper: list[str] = []
        if hidden:
            wrapper = with_mount("-t", "tmpfs", "none", str(hidden))
        if cpuinfo:
            wrapper = with_mount("--bind", str(cpuinfo), "/proc/cpuinfo")
        command = ["worker", self.address, *place, *flags]
        working_folder = self.folder / f"worker-{len(self.processes)}"
        working_folder.mkdir()
        self._start(command, wrapper, limits_memory, working_folder, **environ)

    def wait_for_workers(self, count: int) -> None:
        """Wait until the scheduler has this number of workers."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=HANG_S)

    def _start(
        self,
        command: Sequence[str],
        wrapper: Sequence[str] = (),
        limits_memory: bool = False,
        working_folder: Path | None = None,
        **environ: str,
    ) -> None:
        path = os.pathsep.join(filter(None, [environ.pop("PYTHONPATH", ""), str(TESTS)]))
        with open(self.folder / f"{command[0]}-{len(self.processes)}.log", "wb") as log:
            process = subprocess.Popen(
                [*wrapper, sys.executable, "-m", "dask", *command],
                stdout=log,
                stderr=log,
                cwd=working_folder,
                env={**os.environ, **SETTINGS, "PYTHONPATH": path, **environ},
                preexec_fn=_limit_memory if limits_memory else None,
                start_new_session=True,
            )
        self.processes.append(process)

    def close(self) -> None:
        """End all processes, also those that are frozen, and those that they started."""
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def with_mount(*mount: str) -> list[str]:
    """A command that runs another one, which alone sees what is mounted."""
    script = f'mount {shlex.join(mount)} && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, "-"]


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
