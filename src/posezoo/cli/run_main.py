"""The one door out of a command line: how a run ends, whatever happens in it.

Exit codes: what the work returns · 1 a failure that the user can act on · 3 a bug of ours (a log is
written and its path shown) · 130, 143, 129 ended by ^C, SIGTERM, SIGHUP. argparse itself ends with 2
where flags are wrong.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from posezoo.errors import PosezooError, redact_secrets


def run_main(work: Callable[[], int], *, report_error: Callable[[PosezooError], None] | None = None) -> int:
    """Do the work of a command and return its exit code; nothing that it raises gets any further.

    Args:
        work: the command; argparse's SystemExit passes.
        report_error: how a failure is told; as ``error:`` and ``hint:`` where None.
    """
    # Of a picture that cannot be unpacked OpenCV warns, too, in words of its own; read when it is loaded.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 `>&-`: nobody listens, and that is fine
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            # A terminal that cannot show a character gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        with _signals_raise():
            return _run(work, report_error or print_error)
    except SignalExit as ended:
        return ended.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `posezoo list | head -1`: nobody reads on, and Python must not try to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class SignalExit(BaseException):
    """A signal asked us to end."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def print_to_stderr(line: str, end: str = "\n") -> None:
    """Print to the standard error, unless it is closed."""
    with contextlib.suppress(OSError, ValueError):
        print(line, end=end, file=sys.stderr, flush=True)


def _run(work: Callable[[], int], report_error: Callable[[PosezooError], None]) -> int:
    try:
        try:
            code = work()
        except SystemExit:  # argparse has answered: --help, --version, wrong usage
            sys.stdout.flush()
            raise
        sys.stdout.flush()
        return code
    except PosezooError as error:
        report_error(error)
        return 1
    except (BrokenPipeError, SignalExit):
        raise
    except OSError as error:
        # What no room below translated: a full standard output, mostly; or a working folder that was removed.
        unnamed = "the working folder" if isinstance(error, FileNotFoundError) else "output"
        print_to_stderr(f"error: {error.filename or unnamed}: {error.strerror or error}")
        return 1
    except Exception:  # noqa: BLE001 the last door before a traceback
        return _report_bug()


def error_lines(error: PosezooError, mark: str = "error: ") -> list[str]:
    """A failure as text: the problem, and what to do next."""
    hint = [f"  hint: {error.hint}"] if error.hint else []
    return [f"{mark}{error.problem}", *hint]


def print_error(error: PosezooError) -> None:
    """Print a failure to the standard error."""
    for line in error_lines(error):
        print_to_stderr(line)


def _report_bug() -> int:
    trace = traceback.format_exc()
    with tempfile.NamedTemporaryFile(
        "w", prefix="posezoo-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(redact_secrets(f"posezoo {' '.join(_shown(sys.argv[1:]))}\n\n{trace}"))
    print_to_stderr(f"error: a bug in posezoo: {trace.strip().splitlines()[-1]}")
    print_to_stderr(f"  hint: what happened is written to {log.name}: please report it")
    return 3


def _shown(arguments: Sequence[str]) -> Iterator[str]:
    """A command line without what --header says."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if before == "--header":
            yield "***"
        else:
            yield "--header=***" if argument.startswith("--header=") else argument


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind like ^C does, so that temporary files are cleaned up."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SignalExit(128 + number)

    before: dict[str, signal._HANDLER] = {}
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # so it is left by __main__
        with contextlib.suppress(ValueError):
            before["SIGINT"] = signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):  # SIGHUP is not everywhere
        if hasattr(signal, name):
            with contextlib.suppress(ValueError):  # not in the main thread
                before[name] = signal.signal(getattr(signal, name), end)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
