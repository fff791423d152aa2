"""What a process is made to do in tests of the process: its module imports little, as the process would."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

from posezoo.core.events import StepStarted, WarningIssued


def crash_in_step(step, *, listener):
    if step:
        listener(StepStarted("net", step))
    os.kill(os.getpid(), signal.SIGSEGV)


def report_and_return(word, *, listener):
    listener(WarningIssued(f"{word} in {Path.cwd()} for {os.environ['WHO']}"))
    return os.getpid()


def crash(number):
    os.kill(os.getpid(), number)


def fail(kind):
    raise kind("a bug")


def hang(path):
    path.write_text(str(os.getpid()))
    threading.Event().wait()


def compute_for_ever():
    while True:
        pass


def stop_for(seconds):
    """Stop this process for a while, as a busy machine does for shorter times."""
    subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)
    return "done"


def wait_for_ever():
    threading.Event().wait()
