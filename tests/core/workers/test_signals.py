"""posezoo.core.workers.signals: a signal ends a process, whatever the process does at that moment."""

import signal
import sys

import pytest

from fakes.command import assert_quiet_success, heed_interrupts, run_process
from posezoo.core.workers.signals import signals_raise

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
    ended = run_process(
        [sys.executable, "-c", program],
        preexec_fn=heed_interrupts,
    )
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


def test_a_signal_means_afterwards_what_it_meant_before():
    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    with signals_raise("SIGTERM", "SIGNONE"):
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
def test_a_signal_that_is_ignored_stays_ignored(name):
    """As under nohup, and in what a shell starts in the background."""
    program = (
        "import os, signal\n"
        f"signal.signal(signal.{name}, signal.SIG_IGN)\n"
        "from posezoo.cli.run_main import run_main\n"
        f"raise SystemExit(run_main(lambda: os.kill(os.getpid(), signal.{name}) or 0))"
    )
    assert_quiet_success(run_process([sys.executable, "-c", program]))
