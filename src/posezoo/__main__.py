"""python -m posezoo, and every other way in: the command line, where ^C is answered from the first moment.

Nothing but what is needed for that is imported here.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
from importlib import import_module


def main(module: str = "posezoo.cli.main") -> int:
    """Run a module's ``main`` and return its exit code.

    While the module is imported there is nothing to clean up: ^C ends the process as it ends any other, by
    its signal, and not with a traceback from the middle of an import. From then on ``cli.door`` answers.
    """
    # No command multiplies large matrices, but numpy's import would start a thread for each core to do so.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # At its end Python looks for circles among all objects, twice, before the system takes everything back
    # anyhow: a tenth of a short command's time.
    atexit.register(gc.freeze)
    # Where it is ignored (nohup, a shell's background), it stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    code: int = import_module(module).main()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
