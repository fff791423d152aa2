"""Run a Python program that is not trusted in a sandbox of bubblewrap (``bwrap``), or not at all.

The program sees read-only libraries and Python, its job's files, and a temporary folder in memory;
no network, other processes or capabilities, also if root starts it.
"""

from __future__ import annotations

import os
import platform
import struct
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from posezoo.core.operating_system import IS_LINUX, is_superuser
from posezoo.core.workers.program import ProgramResult, find_interpreter, find_program, run_program

#: What the sandbox allows, for the user.
PROMISE = (
    "no network and no other processes; it can read libraries, Python's packages and the model's"
    " files, and write only its results"
)

_STEP = "install bubblewrap (the program bwrap) and allow user namespaces"
HINT = (
    f"{_STEP if IS_LINUX else 'use Linux, such as in WSL'}; or create the file with the authors'"
    " tools and declare that file instead"
)

#: The size of the temporary folder, which lies in memory.
TEMPORARY_BYTES = 1 << 30

#: The most files and folders in it: the kernel keeps about 1 KiB for each, which does not count as
#: its size.
TEMPORARY_FILES = 1 << 16

# Where systemd-run finds the user's services.
_BUS = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")

# Libraries and what they need. There are no programs among them, no files of users, and nothing of
# /etc with names or passwords. NixOS has its libraries in /nix/store.
_LIBRARIES = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/usr/share", "/lib", "/lib64",
    "/nix/store", "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime",
    "/sys/devices/system/cpu",
)  # fmt: skip

# Four threads, because each reserves address space, which is limited.
_ENVIRONMENT = {
    "HOME": "/tmp", "TMPDIR": "/tmp", "USER": "nobody", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "4",
}  # fmt: skip

# By machine: its AUDIT_ARCH, the number of clone, and the refused system calls.
_SYSTEM_CALLS = {
    "x86_64": (0xC000003E, 56, (
        57, 58,  # fork, vfork: RLIMIT_NPROC does not apply to root
        41, 425,  # socket (a virtual machine's AF_VSOCK has no namespace), io_uring_setup
        54,  # setsockopt: SO_SNDBUF and SO_RCVBUF make the kernel keep more for a pair of sockets
        248, 249, 250,  # add_key, request_key, keyctl: the keyring of a session has no namespace
        # memory without a limit: shmget, semget, msgget, memfd_create, memfd_secret
        29, 64, 68, 319, 447,
        101, 272, 298, 308, 321, 323,  # ptrace, unshare, perf_event_open, setns, bpf, userfaultfd
    )),
    "aarch64": (0xC00000B7, 220, (
        198, 425, 208, 217, 218, 219, 194, 190, 186, 279, 447, 117, 97, 241, 268, 280, 282,
    )),
}  # fmt: skip


@cache
def explain_missing_sandbox(*, starts: bool = True) -> str:
    """Why the sandbox cannot be started on this system; empty if it can.

    Args:
        starts: whether it is started to see this; if False, only the program is looked for.
    """
    if not IS_LINUX:
        return "bubblewrap exists only for Linux"
    if platform.machine() not in _SYSTEM_CALLS:
        return f"posezoo does not know the system calls of {platform.machine()}"
    if find_program("bwrap") is None:
        return "bubblewrap is not installed"
    if not starts:
        return ""
    result = run_sandboxed(["-c", ""], b"", reads=(), writes=(), timeout_s=60)
    lines = result.errors.strip().splitlines() or ["without a message"]
    if result.exit_code:
        return f"bubblewrap cannot run Python here: {lines[-1]}"
    return ""


def bwrap_version() -> str:
    """The version of bubblewrap; empty if it is not installed."""
    program = find_program("bwrap")
    if program is None:
        return ""
    return (
        run_program([program, "--version"], timeout_s=60).output.decode().strip().rpartition(" ")[2]
    )


def run_sandboxed(
    arguments: Sequence[str],
    input_bytes: bytes,
    *,
    reads: Sequence[Path],
    writes: Sequence[Path],
    timeout_s: float,
    memory_bytes: int = 1 << 30,
) -> ProgramResult:
    """Run Python with these arguments in the sandbox; it is killed with this process.

    A program sets the limits of its memory itself, before it runs code that is not trusted. Where
    systemd runs, ``memory_bytes`` and the temporary folder also limit what the kernel keeps for it.
    It can read ``reads`` besides libraries and Python's packages, and write into the folders
    ``writes``.

    Raises:
        OSError: the sandbox cannot be started (``explain_missing_sandbox``).
    """
    command = [
        find_program("bwrap") or "bwrap",
        # --unshare-user, because --unshare-all goes on without a user namespace if root starts it.
        *(
            "--unshare-user",
            "--unshare-all",
            "--uid",
            "65534",
            "--gid",
            "65534",
            "--cap-drop",
            "ALL",
        ),
        *("--die-with-parent", "--new-session", "--hostname", "sandbox"),
        # Read-only, because root owns the kernel's settings in /proc/sys, with or without
        # capabilities.
        *("--proc", "/proc", "--remount-ro", "/proc"),
        *("--dev", "/dev"),
    ]
    for name in _BUS:
        command += ["--unsetenv", name]
    with _temporary_folder() as (start, options), _open_filter() as filter_fd:
        # First, because the other folders may lie in /tmp.
        command += [*options, "--chdir", "/tmp"]
        command += _bindings(reads, writes)
        # -I: neither the working folder nor the environment affects what is imported; -B: no .pyc
        # files.
        command += ["--seccomp", str(filter_fd), "--", find_interpreter(), "-I", "-B", *arguments]
        scope: tuple[str, ...] = ()
        if has_memory_scope():
            scope = _scope_command(memory_bytes + TEMPORARY_BYTES)
        bus = {name: os.environ[name] for name in _BUS if name in os.environ}
        return run_program(
            [*scope, *start, *command],
            input_bytes=input_bytes,
            environment={**_ENVIRONMENT, **bus},
            timeout_s=timeout_s,
            pass_fds=(filter_fd,),
        )


def _bindings(reads: Sequence[Path], writes: Sequence[Path]) -> Iterator[str]:
    # The interpreter and its packages; not all of its folder, which can be a home or a project.
    real = Path(sys.executable).resolve().parents[1]
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), real}
    names = ("bin", "lib", "lib64", "pyvenv.cfg")
    python = [prefix / name for prefix in prefixes for name in names]
    for path in (*_LIBRARIES, *python, *reads):
        yield from ("--ro-bind-try", str(path), str(path))
    for path in writes:
        yield from ("--bind", str(path), str(path))
    # Read-only, because /dev and /dev/shm lie in memory, without a limit. Not before the folders
    # are there: one of them may lie below /dev/shm.
    yield from ("--remount-ro", "/dev", "--remount-ro", "/")


@contextmanager
def _open_filter() -> Iterator[int]:
    """A file descriptor from which bubblewrap reads the filter of system calls."""
    read_end, write_end = os.pipe()
    try:
        with os.fdopen(write_end, "wb") as stream:
            stream.write(_system_call_filter())
        yield read_end
    finally:
        os.close(read_end)


@contextmanager
def _temporary_folder() -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    if not limits_temporary_files():
        yield (), ("--size", str(TEMPORARY_BYTES), "--tmpfs", "/tmp")
        return
    with tempfile.TemporaryDirectory(prefix="posezoo-") as folder:
        yield _mounting(folder), ("--bind", folder, "/tmp")


def _mounting(folder: str) -> tuple[str, ...]:
    """A command that mounts the temporary folder in a namespace of its own, and then starts the
    command after it. bubblewrap cannot limit the number of files of the folders that it makes.
    """
    options = f"size={TEMPORARY_BYTES},nr_inodes={TEMPORARY_FILES}"
    return (
        *(find_program("bwrap") or "bwrap", "--unshare-user", "--uid", "0", "--gid", "0"),
        *("--cap-add", "ALL", "--die-with-parent", "--dev-bind", "/", "/", "--"),
        *("/bin/sh", "-c", '"$0" -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"'),
        *(find_program("mount") or "mount", options, folder),
    )


@cache
def limits_temporary_files() -> bool:
    """Whether this system lets bubblewrap mount the temporary folder with a limit of its files."""
    with tempfile.TemporaryDirectory(prefix="posezoo-") as folder:
        ended = run_program([*_mounting(folder), "/bin/sh", "-c", "exit 0"], timeout_s=60)
    return ended.exit_code == 0


@cache
def has_memory_scope() -> bool:
    """Whether systemd can limit the memory of a program, with what the kernel keeps for it."""
    if find_program("systemd-run") is None:
        return False
    command = [*_scope_command(1 << 30), "/bin/sh", "-c", "exit 0"]
    return run_program(command, timeout_s=60).exit_code == 0


def _scope_command(limit: int) -> tuple[str, ...]:
    return (
        *(find_program("systemd-run") or "systemd-run", "--scope", "--quiet", "--collect"),
        *(("--user",) if not is_superuser() else ()),
        *("--property", f"MemoryMax={limit}", "--property", "MemorySwapMax=0", "--"),
    )


def _system_call_filter() -> bytes:
    """A seccomp filter, which bubblewrap loads: system calls that namespaces and limits do not
    cover fail.
    """
    architecture, clone, refused = _SYSTEM_CALLS[platform.machine()]
    load = 0x20
    equal = 0x15
    is_set = 0x45
    give = 0x06
    allow = 0x7FFF0000
    kill = 0x80000000
    eperm = 0x00050001
    enosys = 0x00050026
    program = [
        (load, 0, 0, 4),  # the architecture
        (equal, 1, 0, architecture),
        (give, 0, 0, kill),
        (load, 0, 0, 0),  # the number of the call
        (is_set, 0, 1, 0x40000000),  # the numbers of the x32 ABI
        (give, 0, 0, eperm),
    ]
    for number in refused:
        program += [(equal, 0, 1, number), (give, 0, 0, eperm)]
    # A filter cannot read the flags of clone3. If clone3 is missing, glibc starts threads with
    # clone.
    program += [(equal, 0, 1, 435), (give, 0, 0, enosys)]
    program += [
        (equal, 0, 3, clone),
        (load, 0, 0, 16),  # its first argument
        (is_set, 1, 0, 0x00010000),  # CLONE_THREAD: a thread, not a process
        (give, 0, 0, eperm),
        (give, 0, 0, allow),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
