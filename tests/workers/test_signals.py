"""posezoo.workers.signals: a signal ends a process, whatever the process does at that moment."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from fakes.command import heed_interrupts
from fakes.waiting import HANG_S

# Python ignores what the finalizer raises.
PROGRAM = """
import os, time
from posezoo.cli.run_main import run_main

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), {number})

def work():
    Finalized()
    time.sleep(600)

raise SystemExit(run_main(work))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_command_although_python_ignores_its_exception(number, code):
    program = PROGRAM.format(number=int(number))
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        preexec_fn=heed_interrupts,
    )
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
