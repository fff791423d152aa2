"""The process that runs code of a model's authors: it restricts itself first, then does one job.

It is a program that is started by its path with ``python -I``; it imports nothing else of posezoo. Its input
is a line of JSON. The first line of its output, written before the authors' code runs, lists the restrictions
that the system lacks, as JSON; with ``"only_tell": true`` the process then ends.
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import platform
import struct
import sys
from collections.abc import Sequence
from typing import Any

#: The restrictions, each with what the code can do without it.
MEASURES = {
    "network": "reach the network",
    "processes": "start other programs and processes",
    "writes": "write every file that you can write",
    "reads": "read every file that you can read, also files with passwords",
    "memory": "fill the memory",
}

_NEW_USER, _NEW_NET, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_NO_NEW_PRIVS, _SECCOMP, _PDEATHSIG = 38, 22, 1
_THREAD = 0x00010000

# Numbers of system calls. Without ``socket``, local services cannot be reached either. io_uring is refused
# because it could make the refused calls.
_CALLS: dict[str, Any] = {
    "x86_64": {
        "audit": 0xC000003E,
        "clone": 56, "clone3": 435,
        "refused": (41, 57, 58, 59, 62, 101, 200, 234, 310, 311, 322, 425, 426, 427, 165, 272, 308, 321, 298),
    },
    "aarch64": {
        "audit": 0xC00000B7,
        "clone": 220, "clone3": 435,
        "refused": (198, 221, 129, 117, 130, 131, 270, 271, 281, 425, 426, 427, 40, 97, 268, 280, 241),
    },
}  # fmt: skip


def main() -> int:
    """Restrict this process, report the result, and do the job on the standard input."""
    job = json.loads(sys.stdin.readline())
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what that code prints is not the answer
    held = enter_sandbox(job["reads"], job["writes"], job["memory_bytes"], job["seconds"])
    answer.write(json.dumps([name for name in MEASURES if name not in held]) + "\n")
    answer.close()
    if not job["only_tell"]:
        if job["task"] == "export":
            _export(job["arguments"])
        else:
            _run_script(job)
    return 0


def enter_sandbox(reads: Sequence[str], writes: Sequence[str], memory_bytes: int, seconds: float) -> set[str]:
    """Give up permanently all rights that the job does not need, as far as the system supports it.

    Args:
        reads: files and folders that may be read, in addition to those of Python and its packages.
        writes: folders that may be written to.
        memory_bytes: the limit of memory, and of each file's size.
        seconds: the limit of time on all processors; it applies if the parent process cannot end this one.

    Returns:
        The names of the ``MEASURES`` in effect.
    """
    held = set()
    if _limit_resources(memory_bytes, seconds):
        held.add("memory")
    if sys.platform != "linux":
        return held
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PDEATHSIG, 9, 0, 0, 0)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    alone = _unshare_network(libc)
    if _apply_landlock(libc, [*_PYTHON_READS, *sys.path, sys.prefix, sys.base_prefix, *reads], writes):
        held |= {"reads", "writes"}
    filtered = _apply_seccomp(libc)
    if filtered:
        held.add("processes")
    if alone or filtered:
        held.add("network")
    return held


def _unshare_network(libc: ctypes.CDLL) -> bool:
    """Enter a network namespace without connections, in a user namespace or, if that fails, as root."""
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEW_USER | _NEW_NET | _NEW_IPC) != 0:
        return bool(libc.unshare(_NEW_NET | _NEW_IPC) == 0)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        try:
            with open(f"/proc/self/{name}", "w") as stream:
                stream.write(text)
        except OSError:
            break  # the only effect is that files show no owner's name
    return True


def _limit_resources(memory_bytes: int, seconds: float) -> bool:
    try:
        import resource
    except ImportError:
        return False
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    worked = int(seconds * (os.cpu_count() or 1)) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (worked, worked))
    for limit in (resource.RLIMIT_DATA, resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
        # Libraries map far more address space than they use, so its limit is four times as high.
        allowed = memory_bytes * (4 if limit == resource.RLIMIT_AS else 1)
        _, max_count = resource.getrlimit(limit)
        if max_count == resource.RLIM_INFINITY or allowed < max_count:
            try:
                resource.setrlimit(limit, (allowed, allowed))
            except (OSError, ValueError):
                return False
    return True


# Only libraries and the files that they need: nothing in /home and /root, only two files in /etc, and nothing
# of other processes in /proc.
_PYTHON_READS = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/lib", "/lib64", "/usr/share", "/opt",
    "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system",
)  # fmt: skip

# From landlock.h: the rights to a folder, up to version 3 of the interface.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE, _READ, _READ_DIR = 1, 2, 4, 8
_ALL = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_TRUNCATE = 1 << 14


def _apply_landlock(libc: ctypes.CDLL, reads: Sequence[str], writes: Sequence[str]) -> bool:
    """Allow reading and writing only in these places (Landlock, Linux 5.13; truncation: 6.2)."""
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    handled = _ALL[min(version, 3)]
    # Since version 6 it can also forbid signals to other processes, and access to their abstract sockets.
    attribute = struct.pack("=QQQ", handled, 0, 3) if version >= 6 else struct.pack("=Q", handled)
    ruleset = libc.syscall(_CREATE_RULESET, attribute, len(attribute), 0)
    if ruleset < 0:
        return False
    places = [(path, _EXECUTE | _READ | _READ_DIR) for path in reads]
    places += [(path, handled & ~_EXECUTE) for path in writes]
    places += [("/dev/null", _READ | _WRITE)]
    for path, access in places:
        try:
            handle = os.open(path or ".", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        if not os.path.isdir(path):
            access &= _EXECUTE | _WRITE | _READ | _TRUNCATE
        libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", access & handled, handle), 0)
        os.close(handle)
    return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)


def _apply_seccomp(libc: ctypes.CDLL) -> bool:
    """Forbid new processes and programs, sockets, and access to other processes (seccomp)."""
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return False
    refused: tuple[int, ...] = calls["refused"]
    load, equal, is_set, give = 0x20, 0x15, 0x45, 0x06
    allow, kill, eperm, enosys = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
    program = [
        (load, 0, 0, 4),  # the architecture
        (equal, 1, 0, calls["audit"]),
        (give, 0, 0, kill),
        (load, 0, 0, 0),  # the number of the call
        (is_set, 0, 1, 0x40000000),  # the numbers of the x32 ABI
        (give, 0, 0, eperm),
    ]
    for number in refused:
        program += [(equal, 0, 1, number), (give, 0, 0, eperm)]
    # A filter cannot read the flags of clone3. If clone3 is missing, glibc starts threads with clone.
    program += [(equal, 0, 1, calls["clone3"]), (give, 0, 0, enosys)]
    program += [
        (equal, 0, 3, calls["clone"]),
        (load, 0, 0, 16),  # its first argument
        (is_set, 1, 0, _THREAD),
        (give, 0, 0, eperm),
        (give, 0, 0, allow),
    ]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    program_pointer = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    return bool(libc.prctl(_SECCOMP, 2, program_pointer, 0, 0) == 0)


def _run_script(job: dict[str, Any]) -> None:
    """Run a script from the model's folder; its arguments are the folders of downloads and of results."""
    import runpy

    script = str(job["script"])
    sys.argv = [script, str(job["downloads"]), str(job["results"])]
    runpy.run_path(script, run_name="__main__")


def _export(requested: dict[str, list[str]]) -> None:
    """Build a network with the authors' module, load its weights, and export it to ONNX."""
    import importlib

    import torch

    sys.path[:0] = requested.get("--model-path", [])
    module = importlib.import_module(_one(requested, "--import-module"))
    network = getattr(module, _one(requested, "--model-name"))(
        **_literals(requested.get("--model-param", []))
    )
    if weights := requested.get("--weights"):
        # weights_only: no code in the file is run.
        network.load_state_dict(torch.load(weights[-1], map_location="cpu", weights_only=True))
    network.eval()
    dtype = getattr(torch, requested.get("--inputs-dtype", ["float"])[-1])
    shapes = ast.literal_eval(_one(requested, "--input-shapes"))
    if not isinstance(shapes[0], (list, tuple)):
        shapes = (shapes,)
    inputs = tuple(torch.zeros(tuple(shape), dtype=dtype) for shape in shapes)
    options: dict[str, Any] = {"dynamo": False, **_literals(requested.get("--conversion-param", []))}
    with torch.no_grad():
        torch.onnx.export(
            network,
            inputs,
            _one(requested, "--output-file"),
            opset_version=int(requested.get("--opset_version", ["13"])[-1]),
            input_names=_one(requested, "--input-names").split(","),
            output_names=_one(requested, "--output-names").split(","),
            **options,
        )


def _one(requested: dict[str, list[str]], flag: str) -> str:
    if flag not in requested:
        raise SystemExit(f"conversion_to_onnx_args lacks {flag}")
    return requested[flag][-1]


def _literals(texts: Sequence[str]) -> dict[str, object]:
    """Parse texts of the form name=value; each value must be a Python literal."""
    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            values[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise SystemExit(f"{name}: {value[:80]!r} is not a literal") from None
    return values


if __name__ == "__main__":
    sys.exit(main())
