"""Runs a command, and turns its result, error or signal into an exit code.

Exit codes: the command's return value · 1 a failure that the user can act on · 2 wrong flags (by
argparse), or flags that do not fit what is named
· 3 a bug of posezoo (a log is written, and its path shown) · 130, 143, 129 ended by ^C,
SIGTERM, SIGHUP.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from posezoo.console.printing import discard_output, flush_output, print_error, print_to_stderr
from posezoo.core.errors import (
    ImageWarning,
    PosezooError,
    PreparationWarning,
    explain_missing_requirement,
    hide_passwords,
    os_reason,
    redact_secrets,
)
from posezoo.core.workers.signals import SignalExit, signals_raise

#: What is true after ^C of a command whose next run does the rest.
RESUMES = "what is complete was kept; run the same command again for the rest"

# The end of the dynamic linker's message if there is no address space for a library.
_NOT_MAPPED = "failed to map segment from shared object"


def _show_warning(
    show: Callable[..., None], message: Warning | str, kind: type[Warning], *place: Any
) -> None:
    if issubclass(kind, (ImageWarning, PreparationWarning)):
        print_to_stderr(f"warning: {message}")
    else:
        show(message, kind, *place)


def _prepare_streams() -> None:
    # A closed stream (`>&-`) is not an error. A file that got its number would get messages.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            # A character that the terminal cannot show becomes an escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def run_main(
    work: Callable[[], int], *, report_error: Callable[[PosezooError], None] = print_error
) -> int:
    """Run a command and return its exit code; the only exception that it raises is argparse's
    SystemExit.
    """
    # OpenCV reads this when it is imported; otherwise it prints its own warnings about unreadable
    # images.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    _prepare_streams()
    # __main__ sets ^C to the system's default; where it is ignored, it stays ignored.
    interrupt = ["SIGINT"] if signal.getsignal(signal.SIGINT) is signal.SIG_DFL else []
    try:
        with (
            signals_raise("SIGTERM", "SIGHUP", *interrupt),
            warnings.catch_warnings(),
        ):
            warnings.showwarning = partial(_show_warning, warnings.showwarning)
            try:
                code = work()
                flush_output()
                return code
            except SignalExit:
                raise
            except SystemExit:  # from argparse, which has printed --help, --version or wrong usage
                flush_output()
                raise
            except PosezooError as error:
                report_error(error)
                flush_output()
                return error.exit_code
    except SignalExit as ended:
        return ended.exit_code
    except KeyboardInterrupt as interrupt:
        print_to_stderr(": ".join(filter(None, ["interrupted", *interrupt.args])))
        return 130
    except BrokenPipeError:
        discard_output(sys.stdout)  # as in `posezoo demo --raw_output_message | head -1`
        return 0
    except OSError as error:
        # An OSError that no code handled: mostly the output's disk is full or the working folder
        # was removed.
        discard_output(sys.stdout)
        unnamed = "the working folder" if isinstance(error, FileNotFoundError) else "output"
        print_to_stderr(f"error: {error.filename or unnamed}: {os_reason(error)}")
        return 1
    except Exception as error:  # noqa: BLE001 any other exception is a bug, or a limit of the system
        failure = explain_missing_requirement(error) or _find_system_limit(error)
        if failure is None:
            return _report_bug(error)
        report_error(failure)
        return 1


@contextlib.contextmanager
def interruptible(after: str) -> Iterator[None]:
    """Say what is true after ^C, and what the same command does if it is run again."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(after) from interrupt


def _find_system_limit(error: Exception) -> PosezooError | None:
    if isinstance(error, MemoryError) or _NOT_MAPPED in str(error):
        return PosezooError(
            "the system gives no more memory",
            hint="close other programs, or raise the limit (ulimit -v)",
        )
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        return PosezooError(
            "the system allows no more threads",
            hint="raise the limit (ulimit -u), or use fewer threads: --jobs 1",
        )
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop from "):
        path = str(error).removeprefix("Symlink loop from ").strip("'")
        return PosezooError(f"{path}: a link in this path leads back to itself")
    if isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding():
        name = error.object[max(0, error.start - 20) : error.end + 20]
        return PosezooError(
            f"a name with {name!a} cannot be used with the encoding of this system,"
            f" {error.encoding}",
            hint="set PYTHONUTF8=1",
        )
    return None


def command_line() -> str:
    """The command as it was given; secrets are replaced by ``***``."""
    words = list(sys.argv[1:])
    for index, word in enumerate(words):  # the values of --header are secret
        if word.startswith("--header="):
            words[index] = "--header=***"
        elif index and sys.argv[index] == "--header":
            words[index] = "***"
    return hide_passwords(redact_secrets(f"posezoo {' '.join(words)}"))


def _report_bug(error: Exception) -> int:
    import tempfile
    import traceback

    trace = traceback.format_exc()
    report = hide_passwords(redact_secrets(f"{command_line()}\n\n{trace}"))
    plugin = ""
    with contextlib.suppress(Exception):  # whatever packages are installed
        plugin = _find_plugin(error)
    what = trace.strip().splitlines()[-1]
    print_to_stderr(f"error: a bug in {plugin or 'posezoo'}: {what}")
    to_whom = " to its makers" if plugin else ""
    try:
        with tempfile.NamedTemporaryFile(
            "wb", prefix="posezoo-", suffix=".log", delete=False
        ) as log:
            # A name that is not UTF-8 may be in the command.
            log.write(report.encode(errors="backslashreplace"))
    except OSError:
        print_to_stderr(f"  hint: please report this{to_whom}:\n{report}")
    else:
        print_to_stderr(f"  hint: the details are in {log.name}: please report them{to_whom}")
    return 3


def _find_plugin(error: BaseException) -> str:
    import traceback

    from posezoo.core.plugins import PLUGIN_GROUPS, describe_plugin, installed

    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    # Frames of compiled code may have no names.
    packages = {str(frame.f_globals.get("__name__")).partition(".")[0] for frame in frames}
    for group in PLUGIN_GROUPS:
        for entry_point in installed(group).values():
            if re.split("[.:]", entry_point.value)[0] in packages:
                return describe_plugin(group, entry_point)[1]
    return ""
