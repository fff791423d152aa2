"""Starts the command lines (``python -m posezoo`` and all others), so that ^C works from the first moment.

Only what is needed for that is imported here.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
from importlib import import_module


def main(module: str = "posezoo.cli.main") -> int:
    """Run a module's ``main`` and return its exit code.

    While the module is imported there is nothing to clean up: ^C ends the process by its signal, without a
    traceback from the middle of an import. After that ``cli.run_main`` handles it.
    """
    # No command multiplies large matrices, for which numpy's import would start a thread for each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # At exit Python looks for reference cycles among all objects, twice, although the process ends anyway: a
    # tenth of a short command's time.
    atexit.register(gc.freeze)
    # If it is ignored (nohup, a shell's background job), it stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    code: int = import_module(module).main()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
