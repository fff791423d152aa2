"""posezoo VERB: the verbs, and how a run ends.

Exit codes: 0 all done · 1 something failed · 2 wrong flags · 3 a bug of ours (a log is written and
its path shown) · 130, 143, 129 ended by ^C, SIGTERM, SIGHUP.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import FrameType

from posezoo.cli.options import HelpFormatter
from posezoo.errors import PosezooError

#: In the order of a model's life; each is a module with ``add_parser(verbs)`` and ``run(args) -> int``.
VERBS = ("list", "info", "download", "convert", "get", "run", "verify", "doctor")

DESCRIPTION = """\
A human-pose model zoo for OpenVINO: fetch, verify, convert and run its models.

  posezoo run                       poses on two sample photos, with the zoo's default model
  posezoo run --input me.jpg        poses on your own photo
  posezoo list                      what there is
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="posezoo",
        description=DESCRIPTION,
        epilog="posezoo VERB --help shows a verb's flags and examples",
        formatter_class=HelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    verbs = top.add_subparsers(metavar="VERB", required=True, title="verbs")
    for name in VERBS:
        module = import_module(f"posezoo.cli.{name}")
        verb = module.add_parser(verbs)
        verb.set_defaults(run=module.run, parser=verb)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            # A terminal that cannot show a character gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with _signals_raise():
        try:
            return _run(argv)
        except _Ended as ended:
            return ended.code
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            # `posezoo list | head -1`: nobody reads on, and Python must not try to flush at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


def _run(argv: Sequence[str] | None) -> int:
    args = parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except PosezooError as error:
        _say_error(error)
        return 1
    except (BrokenPipeError, _Ended):
        raise
    except OSError as error:
        # What no room below translated: a full standard output, mostly.
        _say(f"error: {error.filename or 'output'}: {error.strerror or error}")
        return 1
    except Exception:  # noqa: BLE001 the last door before a traceback
        return _report_bug()


def _say_error(error: PosezooError) -> None:
    _say(f"error: {error.problem}")
    if error.hint:
        _say(f"  hint: {error.hint}")


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def _report_bug() -> int:
    trace = traceback.format_exc()
    with tempfile.NamedTemporaryFile(
        "w", prefix="posezoo-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"posezoo {' '.join(sys.argv[1:])}\n\n{trace}")
    _say(f"error: a bug in posezoo: {trace.strip().splitlines()[-1]}")
    _say(f"  hint: what happened is written to {log.name}: please report it")
    return 3


class _Ended(BaseException):
    """A signal asked us to end."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind like ^C does, so that temporary files are cleaned up."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _Ended(128 + number)

    before = {}
    for name in ("SIGTERM", "SIGHUP"):  # SIGHUP is not everywhere
        if hasattr(signal, name):
            with contextlib.suppress(ValueError):  # not in the main thread
                before[name] = signal.signal(getattr(signal, name), end)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


class _Version(argparse.Action):
    """Look the version up only when it is asked for: importlib.metadata costs 30 ms."""

    def __call__(self, parser: argparse.ArgumentParser, *args: object, **kwargs: object) -> None:
        from posezoo.version import version

        print(f"posezoo {version()}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
