"""The process that code of a model's authors runs in: it shuts itself in first, then does one job.

It is a program of its own, started by its path with ``python -I``; nothing of posezoo is imported beside that
code. In: a line of JSON. What it could not shut is told in the first line of its output, as JSON, before any
line of that code has run; with ``"only_tell": true`` nothing else happens.
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import platform
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

#: What shutting in is made of, and what that code can do where it fails.
MEASURES = {
    "network": "reach the network",
    "processes": "start other programs and processes",
    "writes": "write wherever you may",
    "reads": "read whatever you may, files with passwords among it",
    "memory": "fill the memory",
}

_NEW_USER, _NEW_NET, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_NO_NEW_PRIVS, _SECCOMP, _PDEATHSIG = 38, 22, 1
_THREAD = 0x00010000

# Numbers of system calls. ``socket`` shuts local services out too, io_uring would be a way around.
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
    """Shut in, tell, and do the job on the standard input."""
    job = json.loads(sys.stdin.readline())
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what that code prints is no answer
    shut = enter_sandbox(job["reads"], job["writes"], job["memory_bytes"], job["seconds"])
    answer.write(json.dumps([name for name in MEASURES if name not in shut]) + "\n")
    answer.close()
    if not job["only_tell"]:
        _TASKS[job["task"]](job)
    return 0


def enter_sandbox(reads: Sequence[str], writes: Sequence[str], memory_bytes: int, seconds: float) -> set[str]:
    """Give up all that the job does not need, for good, as far as the system allows it.

    Args:
        reads: files and folders that may be read, beside what Python itself and its packages need.
        writes: folders that may be written to.
        memory_bytes: the most data that may be held, or written into one file.
        seconds: how long all processors may work for it, should nobody be left to end it.

    Returns:
        The names of those ``MEASURES`` that hold.
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
    if _apply_landlock(libc, [*_PYTHONS_OWN, *sys.path, sys.prefix, sys.base_prefix, *reads], writes):
        held |= {"reads", "writes"}
    filtered = _apply_seccomp(libc)
    if filtered:
        held.add("processes")
    if alone or filtered:
        held.add("network")
    return held


def _unshare_network(libc: ctypes.CDLL) -> bool:
    """A network of its own, which leads nowhere: in a user namespace, else by a right that root has."""
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
            break  # then files have no owner's name, nothing else
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
        # Libraries map far more than they touch.
        allowed = memory_bytes * (4 if limit == resource.RLIMIT_AS else 1)
        _, max_count = resource.getrlimit(limit)
        if max_count == resource.RLIM_INFINITY or allowed < max_count:
            try:
                resource.setrlimit(limit, (allowed, allowed))
            except (OSError, ValueError):
                return False
    return True


# Of the whole system only libraries, and what they look at: nothing of /home, /root, /etc, /proc/<others>.
_PYTHONS_OWN = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/lib", "/lib64", "/usr/share", "/opt",
    "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system",
)  # fmt: skip

# landlock.h: what a folder may be used for, up to version 3 of the interface; reading alone.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE, _READ, _READ_DIR = 1, 2, 4, 8
_ALL = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_TRUNCATE = 1 << 14


def _apply_landlock(libc: ctypes.CDLL, reads: Sequence[str], writes: Sequence[str]) -> bool:
    """Reading and writing, allowed in these places alone (Landlock, Linux 5.13; of truncating 6.2)."""
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    handled = _ALL[min(version, 3)]
    # Since version 6 also no signals to others, and none of their abstract sockets.
    attribute = struct.pack("=QQQ", handled, 0, 3) if version >= 6 else struct.pack("=Q", handled)
    ruleset = libc.syscall(_CREATE_RULESET, attribute, len(attribute), 0)
    if ruleset < 0:
        return False
    places = [(path, _EXECUTE | _READ | _READ_DIR) for path in reads]
    places += [(path, handled & ~_EXECUTE) for path in writes]
    places += [("/dev/null", _READ | _WRITE)]
    for path, access in places:
        _allow(libc, ruleset, path, access & handled)
    return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        handle = os.open(path or ".", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        access &= _EXECUTE | _WRITE | _READ | _TRUNCATE
    libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", access, handle), 0)
    os.close(handle)


def _apply_seccomp(libc: ctypes.CDLL) -> bool:
    """No new processes or programs, no sockets, no looking into others (seccomp)."""
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
        (load, 0, 0, 0),  # the number
        (is_set, 0, 1, 0x40000000),  # x32's numbers
        (give, 0, 0, eperm),
    ]
    for number in refused:
        program += [(equal, 0, 1, number), (give, 0, 0, eperm)]
    # Threads are begun by clone; glibc falls back to it where clone3, whose flags nobody can see, is missing.
    program += [(equal, 0, 1, calls["clone3"]), (give, 0, 0, enosys)]
    program += [
        (equal, 0, 3, calls["clone"]),
        (load, 0, 0, 16),  # its first argument
        (is_set, 1, 0, _THREAD),
        (give, 0, 0, eperm),
        (give, 0, 0, allow),
    ]
    code = b"".join(struct.pack("=HBBI", *each) for each in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    described = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    return bool(libc.prctl(_SECCOMP, 2, described, 0, 0) == 0)


def _pre_convert(job: dict[str, Any]) -> None:
    """A script of the model's folder, which gets the downloaded files' folder and one for its results."""
    import runpy

    script = str(job["script"])
    sys.argv = [script, str(job["downloads"]), str(job["results"])]
    runpy.run_path(script, run_name="__main__")


def _export(job: dict[str, Any]) -> None:
    """A network that a module of the authors' makes, with its weights, as ONNX."""
    import importlib

    import torch

    requested: dict[str, list[str]] = job["arguments"]
    sys.path[:0] = requested.get("--model-path", [])
    module = importlib.import_module(_one(requested, "--import-module"))
    network = getattr(module, _one(requested, "--model-name"))(
        **_literals(requested.get("--model-param", []))
    )
    if weights := requested.get("--weights"):
        # weights_only: what a file says is not run.
        network.load_state_dict(torch.load(weights[-1], map_location="cpu", weights_only=True))
    network.eval()
    kind = getattr(torch, requested.get("--inputs-dtype", ["float"])[-1])
    shapes = ast.literal_eval(_one(requested, "--input-shapes"))
    if not isinstance(shapes[0], (list, tuple)):
        shapes = (shapes,)
    inputs = tuple(torch.zeros(tuple(shape), dtype=kind) for shape in shapes)
    further: dict[str, Any] = {"dynamo": False, **_literals(requested.get("--conversion-param", []))}
    with torch.no_grad():
        torch.onnx.export(
            network,
            inputs,
            _one(requested, "--output-file"),
            opset_version=int(requested.get("--opset_version", ["13"])[-1]),
            input_names=_one(requested, "--input-names").split(","),
            output_names=_one(requested, "--output-names").split(","),
            **further,
        )


def _one(requested: dict[str, list[str]], flag: str) -> str:
    if flag not in requested:
        raise SystemExit(f"conversion_to_onnx_args lacks {flag}")
    return requested[flag][-1]


def _literals(texts: Sequence[str]) -> dict[str, object]:
    """name=value, each value a literal of Python's; no name in it is looked up."""
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise SystemExit(f"{name}: {value[:80]!r} is no literal") from None
    return found


_TASKS: dict[str, Callable[[dict[str, Any]], None]] = {"pre-convert": _pre_convert, "export": _export}

if __name__ == "__main__":
    sys.exit(main())
