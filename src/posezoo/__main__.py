"""Starts the command lines (``python -m posezoo`` and all others), so that ^C works from the first
moment.

Only what is needed for that is imported here.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from importlib import import_module
from pathlib import Path

_COMMAND = "posezoo.cli.main"


def main(module: str = _COMMAND, release: str = "") -> int:
    """Run a module's ``main``, for a release of Open Model Zoo if one is given, and return its exit
    code.

    While the module is imported, ^C ends the process by its signal, without a traceback; then
    ``cli.run_main`` handles it.
    """
    # No command multiplies large matrices, for which numpy's import would start a thread for each
    # core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # OpenCV would resize each frame in all its threads, which then spin for a while and take CPU
    # time from the inference.
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    # At exit, Python searches all objects for reference cycles twice. Without that, a short command
    # takes a tenth less time.
    atexit.register(gc.freeze)
    # If SIGINT is ignored (by nohup, or for a background job of a shell), it stays ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if module != _COMMAND:  # scripts start the other programs by their paths in a clone
        _enter_environment_of_clone()
    try:
        run = import_module(module).main
    except ModuleNotFoundError as error:
        from posezoo.core.errors import explain_missing_requirement

        if failure := explain_missing_requirement(error):
            raise SystemExit(f"error: {failure.problem}\n  hint: {failure.hint}") from error
        raise
    code: int = run(release=release) if release else run()
    return code


def _enter_environment_of_clone() -> None:
    """If this Python lacks what posezoo needs, as the system's does under sudo, start again with
    that of ``.venv`` beside the clone.
    """
    environment = Path(__file__).resolve().parents[2] / ".venv"
    python = environment / "bin" / "python"
    if Path(sys.prefix) == environment or not os.access(python, os.X_OK):
        return
    from posezoo.core.errors import find_missing_requirements

    if find_missing_requirements():
        os.execv(python, [str(python), *sys.argv])


if __name__ == "__main__":
    raise SystemExit(main())
