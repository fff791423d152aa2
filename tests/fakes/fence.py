"""The tests are a guest on somebody's machine: they read none of its settings, and leave nothing there.

To import this module is enough; conftest.py does so before it imports posezoo. Processes that tests start inherit
what is left. Their files are in memory where TMPDIR names no folder and there is room.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

#: What the processes of tests are started with, and what tests are told by name.
KEPT = {
    *("PATH", "TMPDIR", "LD_LIBRARY_PATH", "PYENV_ROOT", "PYTHONPATH", "PYTHONPYCACHEPREFIX"),
    *(
        "FIRST_MINUTES",
        "MEDIAPIPE_MODELS",
        "POSENET_PEER",
        "REDRAW_GOLDEN",
        "SOAK_MOMENTS",
        "TFJS_MODELS",
    ),
    *("ASK_JUDGES", "RECORD_JUDGES", "STORE_PUBLIC_FACE", "STORE_REPLAY"),
}
if os.name == "nt":  # programs do not start without them, and temporary files have no folder
    KEPT |= {"COMSPEC", "PATHEXT", "SYSTEMROOT", "TEMP", "TMP"}
KEPT_PREFIXES = ("PYTEST_",)

#: The same on every machine. No package index is reached, and no file of a user is read.
FIXED = {
    "LANG": "C.UTF-8",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    # The checkout may belong to another user, as in a container.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "NPM_CONFIG_GLOBALCONFIG": os.devnull,
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INDEX": "1",
    # Results are compared with those of other runtimes, also on a CPU that has bf16.
    "POSEZOO_INFERENCE_PRECISION": "f32",
    # ONNX Runtime reports to its makers as soon as it is loaded.
    "ORT_DISABLE_TELEMETRY": "1",
    # PyTorch's threads wait for each other in a loop. Where several tests share the cores, that takes up to four
    # times as much CPU time as the work. numpy's threads do so, too; posezoo's commands have one.
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
}

#: The tests write 16 GB, nearly all of which they remove at once: on a disk, they would wait for it a quarter of the time.
IN_MEMORY = "/dev/shm"
NEEDED_BYTES = 8 << 30

#: Whether a skip is an error: "1", or "nightly". posezoo itself would take the variable for an unknown setting.
tests_all = os.environ.get("ALL_TESTS", "")

#: The environment of tests that install packages from the tester's index: this is all they take from the tester.
ONLINE: dict[str, str] = {}
_OF_AN_INDEX = ("pip_", "uv_", "npm_config_")
_OF_A_NETWORK = ("_proxy", "cert", "cert_file", "cert_dir", "ca_bundle", "ca_certs", "cainfo")


def _put_up() -> None:
    """Take the tester's settings away from this process, and give it a home folder of its own.

    A worker of pytest-xdist inherits all from the process that started it, and gets ``ONLINE`` and ``tests_all``
    from conftest.py.
    """
    # The converter of OpenVINO would look up a host, and write to the home folder.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    clean = {name: value for name, value in os.environ.items() if _is_kept(name)} | FIXED
    ONLINE.update(clean)
    for name in ("PIP_CONFIG_FILE", "PIP_NO_INDEX", "NPM_CONFIG_GLOBALCONFIG"):
        del ONLINE[name]
    ONLINE.update({name: value for name, value in os.environ.items() if _is_for_an_index(name)})
    # A tester may install for a user, which a virtual environment refuses.
    ONLINE["PIP_USER"] = "0"
    if "TMPDIR" not in clean and _has_room_in_memory():
        tempfile.tempdir = clean["TMPDIR"] = ONLINE["TMPDIR"] = _make_folder_in_memory()
        os.chmod(tempfile.tempdir, 0o755)  # some tests start programs as another user
    home = _make_folder("home-")
    os.environ.clear()
    os.environ.update(clean, HOME=home, USERPROFILE=home)
    os.umask(0o022)
    # A shell starts programs in the background with ^C ignored, and their children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def online() -> Iterator[None]:
    """The settings of the tester's index, for a fixture that asks it; what posezoo keeps of it stays in the tests."""
    cache = {"XDG_CACHE_HOME": str(Path(os.environ["HOME"], ".cache"))}
    with mock.patch.dict(os.environ, ONLINE | cache, clear=True):
        yield


def _is_kept(name: str) -> bool:
    return name in KEPT or name.startswith(KEPT_PREFIXES)


def _is_for_an_index(name: str) -> bool:
    lowered = name.lower()
    is_place = lowered in ("home", "netrc", "userprofile", "xdg_config_home")
    return is_place or lowered.startswith(_OF_AN_INDEX) or lowered.endswith(_OF_A_NETWORK)


def _has_room_in_memory() -> bool:
    """Whether files of programs, too, may be in memory, and would leave enough of it."""
    try:
        status = os.statvfs(IN_MEMORY)
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return False
    available = next((int(line.split()[1]) for line in lines if "MemAvailable" in line), 0) << 10
    is_usable = os.access(IN_MEMORY, os.W_OK) and not status.f_flag & os.ST_NOEXEC
    return is_usable and min(available, status.f_bavail * status.f_frsize) > NEEDED_BYTES


def _make_folder_in_memory() -> str:
    """A folder that this process keeps locked; those of killed runs, whose locks are gone, are removed."""
    import fcntl  # Windows has none

    parent = os.open(IN_MEMORY, os.O_RDONLY)
    fcntl.flock(parent, fcntl.LOCK_EX)  # until the new folder is locked, too
    for left in Path(IN_MEMORY).glob("posezoo-tests-locked-*"):
        with suppress(OSError):  # of a run that goes on, of another user, or no folder
            folder = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    made = _make_folder("locked-", IN_MEMORY)
    fcntl.flock(os.open(made, os.O_RDONLY), fcntl.LOCK_EX)
    os.close(parent)
    return made


def _make_folder(prefix: str, parent: str | None = None) -> str:
    """A folder that is removed when this process ends."""
    folder = tempfile.mkdtemp(prefix=f"posezoo-tests-{prefix}", dir=parent)
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # not a fork of it
        shutil.rmtree(folder, ignore_errors=True)


_put_up()
