"""What differs between operating systems: locks, links, owners, signals, limits, folders of users.

No other module asks which system it runs on. All of it runs on Linux; the type checker and
simulation alone check what is for Windows and macOS.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

IS_LINUX = sys.platform == "linux"
IS_MACOS = sys.platform == "darwin"
IS_WINDOWS = sys.platform == "win32"

#: The folders of the files that this process has open.
OPEN_FILES = tuple(map(Path, ("/dev", "/dev/fd", "/proc/self/fd")))

#: What the kernel of Linux tells about processes and the machine; missing on other systems.
PROC = Path("/proc")
#: The limits of a container on Linux.
CGROUPS = Path("/sys/fs/cgroup")

# If the system supports it: do not follow symbolic links, and do not wait for the writer of a pipe.
READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

# If the system supports it: do not follow symbolic links, and do not convert line ends.
WRITE_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

# M_ARENA_MAX of malloc.h
_ARENA_MAX = -8

_PRIVATE_PAGES = re.compile(r"^(?:RssAnon|RssShmem|VmSwap):\s*(\d+) kB", re.MULTILINE)


def try_lock(handle: int) -> bool | None:
    """Lock an open file or folder without waiting; None without locks that end with their process
    and let others rename the file.
    """
    if sys.platform == "win32":
        return None
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    device = os.fstat(handle).st_dev
    if device not in _EXCLUSIVE:
        _EXCLUSIVE[device] = _excludes_others(handle)
    return True if _EXCLUSIVE[device] else None


#: Whether locks keep others out, by the number of the file system.
_EXCLUSIVE: dict[int, bool] = {}


def _excludes_others(handle: int) -> bool:
    """Whether a lock of ours keeps others out: on some network file systems, such as Lustre without
    its option flock, everyone gets the lock.
    """
    if sys.platform != "linux":  # elsewhere a file cannot be opened again without its name
        return True
    import fcntl

    other = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(other)
    return False


def lock_byte(handle: int, *, locked: bool) -> None:
    """Lock the first byte of an open file, or unlock it, on Windows.

    Raises:
        OSError: another process or thread has locked it.
    """
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK if locked else msvcrt.LK_UNLCK, 1)


def replace_file(source: Path, target: Path) -> None:
    """Rename a file; Windows refuses that while another process reads the target, so wait for it.

    Raises:
        OSError: it cannot be renamed; on Windows, also not within 2 s.
    """
    for _ in range(200 if IS_WINDOWS else 0):
        with suppress(PermissionError):
            os.replace(source, target)
            return
        time.sleep(0.01)
    os.replace(source, target)


def belongs_to_user(status: os.stat_result) -> bool:
    """Whether a file belongs to the user of this process; Windows does not tell."""
    return sys.platform == "win32" or status.st_uid == os.geteuid()


def is_superuser() -> bool:
    """Whether this process may do everything (root)."""
    return sys.platform != "win32" and os.geteuid() == 0


def sync(path: Path) -> None:
    """Wait until the bytes of a file, or the names in a folder, are on the disk.

    Raises:
        OSError: they cannot be written to the disk.
    """
    if IS_WINDOWS and path.is_dir():  # Windows can only sync files
        return
    handle = os.open(path, os.O_RDWR if IS_WINDOWS else os.O_RDONLY)
    try:
        sync_open_file(handle)
    finally:
        os.close(handle)


def sync_open_file(handle: int) -> None:
    """The same for a file or folder that is open."""
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems cannot.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise


class Lifeline:
    """A pipe by which Linux kills the session of another process if this one ends for any reason.

    The other process may be in a library that returns much later, or never.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe() if IS_LINUX else (-1, -1)
        #: What the process must inherit.
        self.descriptors = (self._reading,) if IS_LINUX else ()

    def tie(self, process: subprocess.Popen[bytes]) -> None:
        """Tie the process, which has inherited the pipe, to this one."""
        if sys.platform != "linux":
            return
        import fcntl

        fcntl.fcntl(self._reading, fcntl.F_SETOWN, -process.pid)
        fcntl.fcntl(self._reading, fcntl.F_SETSIG, signal.SIGKILL)
        state = fcntl.fcntl(self._reading, fcntl.F_GETFL)
        fcntl.fcntl(self._reading, fcntl.F_SETFL, state | os.O_ASYNC)
        os.close(self._reading)
        self._reading = -1

    def close(self) -> None:
        """Close the pipe, after the process has ended."""
        for descriptor in (self._reading, self._writing):
            if descriptor >= 0:
                os.close(descriptor)
        self._reading = self._writing = -1


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that was started in its own session, and all that it started there; on
    Windows, its child processes continue.
    """
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def kill_own_session() -> None:
    """Kill this process and all that it started, if it was started in its own session."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


def signal_main_thread(number: int) -> None:
    """Send a signal to this process that also ends what its main thread waits for, if possible."""
    main = threading.main_thread().ident
    if sys.platform == "win32" or main is None:
        signal.raise_signal(number)
    else:
        signal.pthread_kill(main, number)


def call_in_forks(call: Callable[[], object]) -> None:
    """Call a function at the beginning of each fork of this process."""
    if sys.platform != "win32":
        os.register_at_fork(after_in_child=call)


def call_around_forks(
    before: Callable[[], object], in_parent: Callable[[], object], in_child: Callable[[], object]
) -> None:
    """Call functions in this process before and after each of its forks, and in the fork."""
    if sys.platform != "win32":
        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def available_cores() -> int:
    """The number of cores that this process may use, at most those of its container's quota."""
    return quota_cores() or _usable_cores()


def quota_cores() -> int:
    """The number of cores that a container's quota of CPU time is worth, rounded up; 0 if it is not
    below the number of usable cores.
    """
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with suppress(OSError, ValueError):  # no container, or "max"
            quota, period = " ".join((CGROUPS / name).read_text("ascii") for name in files).split()
            cores = math.ceil(int(quota) / int(period))
            return cores if 0 < cores < _usable_cores() else 0  # version 1 has -1 for no quota
    return 0


def _usable_cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """The bytes of memory that this process and its children may use: the machine's, or the
    container's.
    """
    if sys.platform == "win32":
        import ctypes

        kib = ctypes.c_ulonglong()
        ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kib))
        return kib.value << 10
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # no container, or "max"
        total = min(total, int((CGROUPS / "memory.max").read_text("ascii")))
    return total


def used_memory(pid: int) -> int:
    """The bytes of memory of a process and those that it started, without pages of mapped files; 0
    where unknown.
    """
    used = 0
    with suppress(OSError):  # it has just ended, or the system is not Linux
        status = (PROC / f"{pid}/status").read_text("ascii", "replace")
        used = sum(map(int, _PRIVATE_PAGES.findall(status))) << 10
        for children in (PROC / f"{pid}/task").glob("*/children"):
            used += sum(map(used_memory, map(int, children.read_text("ascii").split())))
    return used


def used_cpu_s(pid: int) -> float:
    """The CPU time of a process; that of the clock where it is not known."""
    if sys.platform == "linux":
        with suppress(OSError):  # it has just ended
            status = (PROC / f"{pid}/stat").read_text("ascii", "replace")
            # The name of the process, in parentheses, may contain spaces.
            user_ticks, system_ticks = status.rpartition(")")[2].split()[11:13]
            return (int(user_ticks) + int(system_ticks)) / os.sysconf("SC_CLK_TCK")
    return time.monotonic()


def release_memory() -> None:
    """Give memory that was freed back to the system, where the C library keeps it."""
    _call_glibc("malloc_trim", 0)


def release_pages(mapped: mmap.mmap) -> None:
    """Give the pages of a mapped file back to the system, which reads them again when needed."""
    if sys.platform != "win32":
        mapped.madvise(mmap.MADV_DONTNEED)


def share_heap() -> None:
    """Let the threads of this process share one heap: what each keeps in its own is up to 70 MB."""
    _call_glibc("mallopt", _ARENA_MAX, 1)


def _call_glibc(name: str, *args: int) -> None:
    if IS_LINUX:
        import ctypes

        with suppress(AttributeError):  # another C library
            getattr(ctypes.CDLL(None), name)(*args)


def peak_memory_mib() -> float | None:
    """The peak memory of this process; None if the system does not report it.

    On Linux it is read from /proc: getrusage gives a child its parent's peak.
    """
    with suppress(OSError):
        status = (PROC / "self/status").read_text("utf-8")
        if peak := re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE):
            return int(peak[1]) / 1024
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return None


def find_system_folder(kind: str, home: Path, environ: Mapping[str, str]) -> Path:
    """The folder for posezoo's ``config``, ``cache`` or ``data`` at the system's usual place."""
    if sys.platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "posezoo" / kind
    if sys.platform == "darwin":
        library = "Caches" if kind == "cache" else "Application Support"
        return home / "Library" / library / "posezoo"
    return home / {"data": ".local/share"}.get(kind, f".{kind}") / "posezoo"
