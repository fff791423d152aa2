"""Windows, as far as Linux can show it: posezoo sees only what is there, and files behave as there.

A Python with this folder in PYTHONPATH starts like this (make test-foreign). Only the modules of posezoo are deceived:
tests, pytest and libraries keep the real system. It is a simulation: nothing here ran on Windows.

- modules that only POSIX has cannot be imported, and ``os`` and ``signal`` lack what Windows lacks; besides, there
  are neither hard nor symbolic links, as without the right to create them;
- ``sys.platform`` is win32; msvcrt and the function for the size of the memory are imitated;
- /proc, /sys and /dev are not there, and folders cannot be opened;
- a file that this process has open or mapped cannot be renamed, replaced or removed, and one that another process has
  locked cannot be removed;
- a file whose path has more than 259 characters, and a folder with more than 247, cannot be created or opened;
- a name that differs in case only from one in its folder is that file or folder;
- a text file that is opened without an encoding is read and written in cp1252, as are the standard streams;
- children are started afresh, never forked, and inherit no descriptors.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import importlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

OF_LINUX = ("/proc", "/sys", "/dev")
#: The files of tests may be in memory, in a folder below /dev.
OF_TESTS = os.environ.get("TMPDIR", os.devnull)
MISSING = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
HIDDEN = {
    "os": {
        *("O_ASYNC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_PATH"),
        *(
            "chown",
            "copy_file_range",
            "fchown",
            "fork",
            "forkpty",
            "getegid",
            "geteuid",
            "getgid",
            "getloadavg",
        ),
        *(
            "getpgid",
            "getpgrp",
            "getuid",
            "killpg",
            "lchown",
            "link",
            "memfd_create",
            "mkfifo",
            "mknod",
            "nice",
        ),
        *(
            "posix_fadvise",
            "posix_fallocate",
            "pread",
            "preadv",
            "pwrite",
            "register_at_fork",
            "sched_getaffinity",
        ),
        *("sendfile", "setsid", "statvfs", "symlink", "sysconf", "uname", "wait4"),
    },
    "signal": {
        *(
            "SIGALRM",
            "SIGBUS",
            "SIGCHLD",
            "SIGHUP",
            "SIGKILL",
            "SIGPIPE",
            "SIGTRAP",
            "SIGUSR1",
            "alarm",
        ),
        *("pthread_kill", "pthread_sigmask", "setitimer", "sigwait"),
    },
    "socket": {"AF_UNIX"},
    "sys": set(),
    "ctypes": set(),
}
_import = builtins.__import__
_open = io.open
_text_encoding = io.text_encoding


class Deceived(ModuleType):
    """A module that lacks some names, and has others."""

    def __init__(self, real: ModuleType, hidden: set[str], changed: dict[str, Any]) -> None:
        super().__init__(real.__name__)
        vars(self).update(_real=real, _hidden=hidden, _changed=changed)

    def __getattr__(self, name: str) -> Any:
        if name in self._hidden:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} on Windows")
        return self._changed[name] if name in self._changed else getattr(self._real, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._real, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._real, name)


def _lock_byte(handle: int, mode: int, _count: int) -> None:
    fcntl.flock(handle, fcntl.LOCK_UN if mode == 0 else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _tell_memory(kib: Any) -> int:
    kib._obj.value = 16 << 20
    return 1


MSVCRT = SimpleNamespace(LK_UNLCK=0, LK_NBLCK=2, locking=_lock_byte)
CHANGED: dict[str, dict[str, Any]] = {
    "sys": {"platform": "win32"},
    "ctypes": {
        "windll": SimpleNamespace(
            kernel32=SimpleNamespace(GetPhysicallyInstalledSystemMemory=_tell_memory)
        )
    },
}
_deceived: dict[str, ModuleType] = {}


def _is_posezoo(name: object) -> bool:
    return str(name).partition(".")[0] == "posezoo"


def _import_there(
    name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
) -> Any:
    if globals is None or not _is_posezoo(globals.get("__name__")):
        return _import(name, globals, locals, fromlist, level)
    if name in MISSING:
        raise ModuleNotFoundError(f"No module named {name!r} (on Windows)", name=name)
    if name == "msvcrt":
        return MSVCRT
    if name in HIDDEN:
        if name not in _deceived:
            real = importlib.import_module(name)
            _deceived[name] = Deceived(real, HIDDEN[name], CHANGED.get(name, {}))
        return _deceived[name]
    return _import(name, globals, locals, fromlist, level)


def _asked_by_posezoo() -> bool:
    """Whether posezoo's code called, directly or through the standard library."""
    frame = sys._getframe()
    while frame is not None:
        top = str(frame.f_globals.get("__name__")).partition(".")[0]
        if top == "posezoo":
            return True
        if top not in sys.stdlib_module_names and top != __name__:
            return False
        frame = frame.f_back
    return False


def _is_in_use(path: str) -> bool:
    """Whether this process has a file open or mapped."""
    real = os.path.realpath(path)
    if os.path.isdir(real) or not os.path.exists(real):
        return False
    handles = _listdir("/proc/self/fd")
    for handle in handles:
        try:
            if _readlink(f"/proc/self/fd/{handle}") == real:
                return True
        except OSError:
            continue
    with _open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        return any(line.rstrip("\n").endswith(f" {real}") for line in maps)


_listdir = os.listdir
_lstat = os.lstat
_readlink = os.readlink  # pathlib would be asked in turn
_is_looking = False


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    global _is_looking
    if event not in _RULES or _is_looking or _is_removing or not _asked_by_posezoo():
        return
    _is_looking = True
    try:
        _RULES[event](*arguments)
    finally:
        _is_looking = False


def _refuse_open(path: Any, *_others: Any) -> None:
    if isinstance(path, int) or path is None:
        return
    name = os.fsdecode(path)
    _refuse_of_linux(name)
    if _others and _others[0] is None and os.path.isdir(name):  # by os.open
        raise PermissionError(13, "Permission denied (a folder, on Windows)", name)

    _refuse_long(name, 259)


def _refuse_folder(path: Any, *_others: Any) -> None:
    _refuse_long(os.fsdecode(path), 247)


def _refuse_long(name: str, limit: int) -> None:
    if len(str(Path(name).absolute())) > limit:
        raise FileNotFoundError(2, "No such file or directory (too long, on Windows)", name)


def _refuse_list(path: Any) -> None:
    _refuse_of_linux(str(path))


def _refuse_of_linux(name: str) -> None:
    if name.startswith(OF_LINUX) and not name.startswith((os.devnull, OF_TESTS)):
        raise FileNotFoundError(2, "No such file or directory (on Windows)", name)


def _stat_there(path: Any, **options: Any) -> os.stat_result:
    is_path = not isinstance(path, int) and not _is_looking
    if is_path and os.fsdecode(path).startswith(OF_LINUX) and _asked_by_posezoo():
        _refuse_of_linux(os.fsdecode(path))
    return _stat(path, **options)


_stat = os.stat


def _refuse_change(*paths: Any) -> None:
    for path in paths:
        if isinstance(path, (str, bytes, os.PathLike)) and _is_in_use(os.fsdecode(path)):
            raise PermissionError(
                13, "Permission denied (it is open, on Windows)", os.fsdecode(path)
            )


def _as_stored(path: Any) -> Any:
    """A path as its folders spell it, if that differs in case only."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or _is_looking:
        return path
    try:
        _lstat(path)
        return path
    except ValueError:
        pass
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return path
    folder, name = os.path.split(os.fspath(path).rstrip("/"))
    folder = _as_stored(folder)
    try:
        names = _listdir(folder or ".")
    except OSError:
        return path
    same = (each for each in names if each.casefold() == name.casefold())
    return str(Path(folder) / next(same, name))


def _ignore_case(call: Any, count: int = 1) -> Any:
    """The function, whose first arguments are paths."""

    def called(*paths: Any, **options: Any) -> Any:
        if _asked_by_posezoo():
            paths = (*map(_as_stored, paths[:count]), *paths[count:])
        return call(*paths, **options)

    return called


def _refuse_link(*paths: Any) -> None:
    raise OSError(1, "A required privilege is not held by the client (on Windows)", paths[1])


_RULES = {
    "open": _refuse_open,
    "os.listdir": _refuse_list,
    "os.scandir": _refuse_list,
    "os.rename": _refuse_change,
    "os.remove": _refuse_change,
    "os.mkdir": _refuse_folder,
    "os.link": _refuse_link,
    "os.symlink": _refuse_link,
}


def _open_there(
    file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, *others: Any, **more: Any
) -> Any:
    if encoding is None and "b" not in mode and _asked_by_posezoo():
        encoding = "cp1252"
    if _asked_by_posezoo():
        file = _as_stored(file)
    return _open(file, mode, buffering, encoding, *others, **more)


def _text_encoding_there(encoding: Any, stacklevel: int = 2) -> Any:
    if encoding is None and _asked_by_posezoo():
        return "cp1252"
    return _text_encoding(encoding, stacklevel + 1)


_unlink = os.unlink
_is_regular = os.path.isfile


def _unlink_there(path: Any, *, dir_fd: Any = None) -> None:
    """Remove a file while nobody else can lock it: Windows does not remove what another process has open."""
    if dir_fd is not None or not _asked_by_posezoo() or not _is_regular(path):
        _unlink(path, dir_fd=dir_fd)
        return
    _refuse("os.remove", (path,))
    with _open(path, "rb") as locked:
        try:
            fcntl.flock(locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(13, "Permission denied (locked, on Windows)", path) from error
        _is_removing.append(True)
        try:
            _unlink(path)
        finally:
            _is_removing.pop()


def _remove_there(self: Any, *raised: Any) -> Any:
    """End the with of a temporary file: Windows removes it when it is closed, also where its last bytes find no space."""
    try:
        return self.file.__exit__(*raised)
    finally:
        self.close()


_is_removing: list[bool] = []
_start = subprocess.Popen.__init__


def _start_there(self: Any, args: Any, *others: Any, **options: Any) -> None:
    if _asked_by_posezoo() and options.get("pass_fds"):
        raise ValueError("pass_fds not supported on Windows.")
    if isinstance(args, list) and args[1:2] == ["-I"] and "-c" in args:  # it reads no PYTHONPATH
        place = args.index("-c") + 1
        here = str(Path(__file__).resolve().parent)
        begin = f"import sys; sys.path.insert(0, {here!r}); sys.modules.pop('sitecustomize', None); import sitecustomize; "
        args = [*args[:place], begin + args[place], *args[place + 1 :]]
    _start(self, args, *others, **options)


def install() -> None:
    """From now on, posezoo's modules see this system."""
    sys.is_foreign = True  # type: ignore[attr-defined]
    builtins.__import__ = _import_there
    builtins.open = io.open = _open_there  # type: ignore[assignment]
    io.text_encoding = _text_encoding_there  # type: ignore[assignment]
    os.unlink = os.remove = _ignore_case(_unlink_there)
    os.stat = _ignore_case(_stat_there)
    for name in ("open", "lstat", "mkdir", "rmdir", "scandir", "listdir", "utime", "chmod"):
        setattr(os, name, _ignore_case(getattr(os, name)))
    os.rename = _ignore_case(os.rename, 2)
    os.replace = _ignore_case(os.replace, 2)
    subprocess.Popen.__init__ = _start_there  # type: ignore[method-assign]
    tempfile.TemporaryFile = tempfile.NamedTemporaryFile  # type: ignore[misc]
    tempfile._TemporaryFileWrapper.__exit__ = _remove_there  # type: ignore[attr-defined]
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    sys.addaudithook(_refuse)
    if "posezoo" in sys.orig_argv:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="cp1252")  # type: ignore[union-attr]


install()
