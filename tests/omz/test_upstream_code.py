"""--allow_upstream_code: code that comes with a model is run shut in, and what it tries does not come about."""

import errno
import json
import os
import platform
import resource
import socket
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from fakes.checkout import ROOT
from fakes.command import assert_success, omz_tool, posezoo_process, printed, refusal, run_process
from fakes.network import HEIGHT, WIDTH, network
from fakes.sandbox import needs_sandbox
from fakes.waiting import HANG_S, wait_until
from fakes.when_used import needs
from fakes.zoo import declared_file, omz_yml, write_model
from posezoo.core.errors import ConversionError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.omz import sandbox, upstream_code, upstream_job
from posezoo.omz.upstream_code import run_upstream_code

#: What a tame pre-convert.py does: it copies the network from the one folder into the other.
COPIES = """
import shutil, sys
shutil.copy(sys.argv[1] + "/net.onnx", sys.argv[2] + "/made.onnx")
"""


def zoo_of(folder, script=COPIES, **changes):
    """A registry and downloads of a model whose pre-convert.py is this."""
    downloads = folder / "downloads" / "public" / "net"
    downloads.mkdir(parents=True, exist_ok=True)
    (downloads / "net.onnx").write_bytes(network("onnx"))
    content = omz_yml(
        **{
            "files": [
                {
                    **declared_file(downloads / "net.onnx"),
                    "source": "https://models.invalid/net.onnx",
                }
            ],
            "input_info": [{"name": "image", "shape": [1, 3, HEIGHT, WIDTH], "layout": "NCHW"}],
            "model_optimizer_args": ["--input_model=$conv_dir/made.onnx", "--output=pafs"],
            **changes,
        }
    )
    path = write_model(folder / "models", "net", content)
    if script:
        path.with_name("pre-convert.py").write_text(textwrap.dedent(script))
    return folder


def run(folder, script, seconds=60, memory_bytes=upstream_code.MEMORY_BYTES):
    """Run such a script; the folder of its results, which is gone afterwards."""
    spec = open_registry([zoo_of(folder, script) / "models"]).find("net")
    layout = ModelLayout(folder / "downloads", folder / "out")
    limits = patch.multiple(upstream_code, LIMIT_S=seconds, MEMORY_BYTES=memory_bytes)
    with limits, run_upstream_code(spec, layout) as there:
        assert there.conversions is not None
        told = there.conversions / "told"
        return json.loads(told.read_text()) if told.is_file() else there.conversions


def tells(code):
    """A script that writes down what a piece of code, which sets ``told``, found out."""
    return (
        "import json, os, sys\ntold = None\n"
        + textwrap.dedent(code)
        + "\njson.dump(told, open(sys.argv[2] + '/told', 'w'))\n"
    )


def places_in(folder):
    return ("--models_dir", folder / "models", "-d", folder / "downloads", "-o", folder / "out")


def converter(folder, *args, **environ):
    return omz_tool("converter", *places_in(folder), "--name", "net", *args, **environ)


@pytest.fixture
def asked_again():
    """This process asks for the sandbox again, as another system's would."""
    sandbox.explain_missing_sandbox.cache_clear()
    yield
    sandbox.explain_missing_sandbox.cache_clear()


def test_without_consent_nothing_runs_and_the_flag_is_named(tmp_path):
    zoo_of(tmp_path, "open('/tmp/it-ran', 'w')")
    error = refusal(converter(tmp_path))
    assert "(upstream-code, pre-convert)" in error
    assert "--allow_upstream_code" in error


@needs_sandbox
def test_with_consent_the_code_is_announced_and_run_and_its_file_is_converted(tmp_path):
    ended = converter(zoo_of(tmp_path), "--allow_upstream_code", "--precisions", "FP32")
    assert_success(ended)
    assert "runs code that comes with the model" in ended.stderr
    assert "models/public/net/pre-convert.py" in ended.stderr
    assert "the sandbox restricts that code: " in ended.stderr
    ir = import_openvino().Core().read_model(tmp_path / "out/public/net/FP32/net.xml")
    assert [port.any_name for port in ir.outputs] == ["pafs"]
    assert "ONNX Runtime" in (tmp_path / "out/public/net/FP32/provenance.json").read_text()
    again = converter(tmp_path, "--allow_upstream_code", "--precisions", "FP32")
    assert "it is up to date" in again.stdout
    assert "runs code" not in again.stderr
    without = converter(tmp_path, "--precisions", "FP32")
    assert (without.returncode, "it is up to date" in without.stdout) == (0, True)


@needs_sandbox
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_strict_lock_without_the_ir_refuses_it_before_any_code_runs(tmp_path, force):
    zoo_of(tmp_path)
    lock = tmp_path / "posezoo.lock"
    assert_success(posezoo_process("lock", "net", "--lock", lock, *places_in(tmp_path)))
    error = refusal(
        converter(tmp_path, "--allow_upstream_code", "--locked", "--lock", lock, *force)
    )
    assert "net: FP16/net.xml is not in " in error
    assert "runs code" not in error
    assert_success(converter(tmp_path, "--allow_upstream_code"))
    assert_success(posezoo_process("lock", "net", "--lock", lock, *places_in(tmp_path)))
    known = converter(tmp_path, "--allow_upstream_code", "--locked", "--lock", lock, "--force")
    assert_success(known)
    assert "runs code" in known.stderr


@needs_sandbox
def test_a_dry_run_runs_nothing(tmp_path):
    output = printed(converter(zoo_of(tmp_path), "--allow_upstream_code", "--dry_run"))
    assert "(DRY RUN) Converting net to IR (FP32)" in output
    assert not (tmp_path / "out").exists()


@needs_sandbox
def test_it_writes_only_into_the_folder_of_its_results(tmp_path):
    (tmp_path / "mine").write_text("mine")
    published = tmp_path / "downloads/public/net/net.onnx"
    places = [
        tmp_path / "mine",
        tmp_path / "new",
        Path.home() / "x",
        published,
        Path("/usr/lib/posezoo-test"),
        Path("/x"),
    ]
    told = run(
        tmp_path,
        tells(f"""
        told = {{}}
        for place in {list(map(str, places))!r}:
            try:
                open(place, "ab").write(b"x")
            except OSError as error:
                told[place] = error.errno
            try:
                os.unlink(place)
            except OSError:
                pass
        """),
    )
    # The other places lie in /tmp, and the sandbox has a /tmp of its own.
    assert [told[str(place)] for place in places[3:]] == [errno.EROFS] * 3
    assert places[0].read_text() == "mine"
    assert not places[1].exists() and not places[2].exists()
    assert published.read_bytes() == network("onnx")


@needs_sandbox
def test_it_reads_no_file_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "shh")
    secrets = [
        Path.home() / ".netrc",
        Path.home() / ".ssh" / "id_ed25519",
        tmp_path / "downloads" / "other",
    ]
    for secret in secrets:
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text("password")
    host = [
        f"/proc/{os.getpid()}/environ",
        f"/proc/{os.getpid()}/root/etc/passwd",
        "/proc/1/root/etc/passwd",
    ]
    places = [*map(str, secrets), "/etc/passwd", "/etc/shadow", "/proc/kcore", *host]
    told = run(
        tmp_path,
        tells(f"""
        told = {{"read": [], "folders": {{}}}}
        for place in {places!r}:
            try:
                told["read"].append(open(place, "rb").read().decode("latin-1"))
            except OSError:
                pass
        for folder in ("/", "/home", "/root", {str(Path.home())!r}, "/run", "/var", "/etc", {sys.prefix!r}):
            try:
                told["folders"][folder] = os.listdir(folder)
            except OSError:
                pass
        told["environ"] = open("/proc/1/environ").read()
        told["processes"] = [name for name in os.listdir("/proc") if name.isdigit()]
        """),
    )
    assert told["read"] == []
    assert "shh" not in told["environ"]
    assert len(told["processes"]) == 2  # bubblewrap and the code itself
    assert set(told["folders"]["/etc"]) <= {"ld.so.cache", "alternatives", "localtime"}
    assert not {"run", "var", "boot", "mnt", "srv"} & set(told["folders"]["/"])
    assert told["folders"].get(str(Path.home()), []) == []
    assert set(told["folders"][sys.prefix]) <= {
        "bin",
        "lib",
        "lib64",
        "pyvenv.cfg",
        "local",
        "share",
    }


@needs_sandbox
def test_it_sees_no_secret_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "shh")
    told = run(
        tmp_path,
        tells("""
        told = dict(os.environ)
        told["self"] = open("/proc/self/environ", "rb").read().decode("latin-1")
        """),
    )
    assert "shh" not in json.dumps(told)
    assert set(told) <= {
        "HOME",
        "TMPDIR",
        "USER",
        "LANG",
        "LC_CTYPE",
        "OMP_NUM_THREADS",
        "PWD",
        "self",
    }


@needs_sandbox
def test_it_changes_no_permissions_times_and_owners(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    published = tmp_path / "downloads" / "public" / "net" / "net.onnx"
    zoo_of(tmp_path)
    before = [path.stat() for path in (mine, published)]
    told = run(
        tmp_path,
        tells(f"""
        told = []
        def attempt(path, *actions):
            for action in actions:
                try:
                    action()
                    told.append(path)
                except OSError:
                    pass
        for path in ({str(mine)!r}, {str(published)!r}):
            attempt(
                path,
                lambda: os.chmod(path, 0o777),
                lambda: os.utime(path, (0, 0)),
                lambda: os.setxattr(path, "user.posezoo", b"x"),
                lambda: os.link(path, sys.argv[2] + "/link"),
                lambda: os.rename(path, path + "x"),
            )
        # Set to what it is: if the sandbox fails, Python itself is not changed.
        for path in (os.__file__, sys.executable, {str(published)!r}):
            status = os.stat(path)
            attempt(
                path,
                lambda: os.chmod(path, status.st_mode),
                lambda: os.chown(path, -1, -1),
                lambda: os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns)),
                lambda: open(path, "ab").close(),
            )
        """),
    )
    assert told == []
    assert [path.stat() for path in (mine, published)] == before


@needs_sandbox
def test_it_reaches_no_other_process(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as other:
        nice = os.getpriority(os.PRIO_PROCESS, other.pid)
        limits = resource.prlimit(other.pid, resource.RLIMIT_NOFILE)
        told = run(
            tmp_path,
            tells(f"""
            import ctypes, resource, signal
            told = []
            def trace():
                if ctypes.CDLL(None).ptrace(16, {other.pid}, 0, 0) == -1:
                    raise OSError
            attempts = (
                lambda: os.kill({other.pid}, signal.SIGKILL),
                lambda: os.kill({os.getpid()}, 0),
                lambda: os.setpriority(os.PRIO_PROCESS, {other.pid}, 5),
                lambda: resource.prlimit({other.pid}, resource.RLIMIT_NOFILE, (9, 9)),
                lambda: os.sched_setaffinity({other.pid}, {{0}}),
                lambda: os.pidfd_open({other.pid}),
                trace,
            )
            for attempt in attempts:
                try:
                    attempt()
                    told.append("reached")
                except OSError:
                    told.append("refused")
            """),
        )
        assert told == ["refused"] * 7
        assert other.poll() is None
        assert os.getpriority(os.PRIO_PROCESS, other.pid) == nice
        assert resource.prlimit(other.pid, resource.RLIMIT_NOFILE) == limits
        other.kill()


@needs_sandbox
def test_it_has_no_privileges_also_if_root_starts_it(tmp_path):
    told = run(
        tmp_path,
        tells("""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
        told = {name: status[name].strip() for name in ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
        # Arguments with which these calls fail in another way if the sandbox does not refuse them.
        told["done"] = []
        for name, arguments in {
            "mount": (None, b"/tmp", None, 0, None),
            "sethostname": (b"x", -1),
            "unshare": (0x10000000,),
            "chroot": (b"/tmp",),
        }.items():
            ctypes.set_errno(0)
            getattr(libc, name)(*arguments)
            if ctypes.get_errno() != 1:
                told["done"].append(name)
        # Opened and not written: if the sandbox fails, the system keeps its settings.
        for place in ("sys/kernel/core_pattern", "sys/kernel/hostname", "sysrq-trigger", "self/oom_score_adj"):
            try:
                open(f"/proc/{place}", "r+").close()
                told["done"].append(place)
            except OSError:
                pass
        told["setuid"] = [
            place for place in ("/usr/lib", sys.prefix + "/lib", sys.argv[2], "/tmp", "/dev")
            if not os.statvfs(place).f_flag & os.ST_NOSUID
        ]
        """),
    )
    assert {told.pop(name) for name in ("CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
    assert told == {"NoNewPrivs": "1", "Seccomp": "2", "done": [], "setuid": []}


#: System calls without a function in Python, by machine.
NUMBERS = {
    "x86_64": {
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "memfd_create": 319,
        "shmget": 29,
        "bpf": 321,
    }
    | {"io_uring_setup": 425, "setns": 308, "userfaultfd": 323, "clone3": 435, "memfd_secret": 447},
    "aarch64": {
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "memfd_create": 279,
        "shmget": 194,
    }
    | {
        "bpf": 280,
        "io_uring_setup": 425,
        "setns": 268,
        "userfaultfd": 282,
        "clone3": 435,
        "memfd_secret": 447,
    },
}


@needs_sandbox
def test_keyrings_and_memory_without_a_limit_are_refused(tmp_path):
    told = run(
        tmp_path,
        tells(f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        arguments = {{
            "add_key": (b"user", b"posezoo", b"x", 1, -3),
            "request_key": (b"user", b"posezoo", None, -3),
            "keyctl": (0, -3, 0),
            "memfd_create": (b"x", 0),
            "shmget": (0, 1 << 20, 0o1600),
        }}
        told = {{}}
        for name, number in {NUMBERS[platform.machine()]!r}.items():
            ctypes.set_errno(0)
            if libc.syscall(number, *arguments.get(name, (0, 0, 0, 0, 0))) != -1:
                told[name] = "done"
            else:
                told[name] = ctypes.get_errno()
        """),
    )
    assert told.pop("clone3") == errno.ENOSYS
    assert set(told.values()) == {errno.EPERM}


@needs_sandbox
def test_shared_memory_temporary_files_and_results_are_bounded(tmp_path):
    told = run(
        tmp_path,
        tells("""
        import mmap, threading
        told = {}
        def attempt(name, action):
            try:
                told[name] = action()
            except (OSError, RuntimeError) as error:
                told[name] = str(error)
        attempt("shared mapping", lambda: mmap.mmap(-1, 1 << 30) and "done")
        attempt("/dev/shm", lambda: open("/dev/shm/x", "w").close())
        attempt("file", lambda: os.truncate(os.open(sys.argv[2] + "/big", os.O_CREAT | os.O_RDWR), 1 << 30))
        told["/tmp"] = os.statvfs("/tmp").f_frsize * os.statvfs("/tmp").f_blocks
        wait = threading.Event()
        def start_threads():
            while len(threads) < 10000:
                threads.append(threading.Thread(target=wait.wait))
                threads[-1].start()
        threads = []
        attempt("threads", start_threads)
        told["threads started"] = len(threads)
        wait.set()
        """),
        memory_bytes=1 << 29,
    )
    assert told["shared mapping"] == "[Errno 12] Cannot allocate memory"
    assert "Read-only" in told["/dev/shm"]
    assert told["file"] == "[Errno 27] File too large"
    assert told["/tmp"] <= 1 << 30
    assert told["threads"] == "can't start new thread"
    assert told["threads started"] < 4096


@needs_sandbox
def test_what_the_kernel_keeps_for_it_is_bounded(tmp_path):
    """Buffers of sockets and empty folders take memory that no limit of a process counts."""
    told = run(
        tmp_path,
        tells("""
        import socket
        told = {"buffers": [], "pairs": 0, "bytes": 0, "folders": 0}
        one, other = socket.socketpair()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF, 32, 33):  # 32, 33: SO_SNDBUFFORCE and SO_RCVBUFFORCE
            try:
                one.setsockopt(socket.SOL_SOCKET, option, 8 << 20)
            except PermissionError:
                told["buffers"].append("refused")
        pairs = []
        try:
            while True:
                pairs.append(socket.socketpair())
        except OSError:
            told["pairs"] = len(pairs)
        for end in sum(pairs, ()):
            end.setblocking(False)
            try:
                while True:
                    told["bytes"] += end.send(bytes(1 << 16))
            except BlockingIOError:
                pass
        for pair in pairs:
            for end in pair:
                end.close()
        try:
            while told["folders"] < 1 << 17:
                os.mkdir(f"/tmp/{told['folders']}")
                told["folders"] += 1
        except OSError as error:
            told["reason"] = error.strerror
        """),
    )
    assert told["buffers"] == ["refused"] * 4
    assert told["pairs"] < upstream_job.MAX_OPEN_FILES / 2
    assert told["bytes"] < 256 << 20
    if sandbox.limits_temporary_files():
        assert told["folders"] < sandbox.TEMPORARY_FILES
        assert told["reason"] == "No space left on device"


@needs_sandbox
def test_where_systemd_runs_it_gets_a_memory_scope_of_its_own(tmp_path, monkeypatch):
    """A program stands for systemd-run, which starts the rest of its words as that does; there is no systemd here."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "systemd-run").write_text(
        f'#!/bin/sh\nprintf "%s " "$@" >> {tmp_path}/asked; echo >> {tmp_path}/asked\n'
        'while [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'
    )
    (programs / "systemd-run").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    sandbox.has_memory_scope.cache_clear()
    try:
        told = run(tmp_path, tells("told = sorted(os.environ)"), memory_bytes=1 << 30)
    finally:
        sandbox.has_memory_scope.cache_clear()
    last = (tmp_path / "asked").read_text().splitlines()[-1]
    assert "--scope" in last and f"--property MemoryMax={2 << 30} " in last
    assert "XDG_RUNTIME_DIR" not in told


@needs_sandbox
def test_it_opens_no_socket(tmp_path):
    requested = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self):
            requested.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    abstract = f"\0posezoo-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(abstract)
        local.listen()
        told = run(
            tmp_path,
            tells(f"""
            import socket, urllib.request
            told = []
            pair = socket.socketpair(type=socket.SOCK_DGRAM)
            for attempt in (
                lambda: urllib.request.urlopen(
                    "http://127.0.0.1:{server.server_port}/secret", timeout=3).read(),
                lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)),
                lambda: socket.socket(socket.AF_UNIX).connect("/run/docker.sock"),
                lambda: socket.socket(socket.AF_UNIX).connect({abstract!r}),
                lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
                lambda: socket.socket(socket.AF_VSOCK),
                lambda: pair[0].sendto(b"x", "/run/docker.sock"),
                lambda: pair[0].connect({abstract!r}),
                lambda: pair[0].send(b"x"),  # which reaches the code itself
            ):
                try:
                    attempt()
                    told.append("sent")
                except OSError:
                    told.append("refused")
            """),
        )
    server.shutdown()
    server.server_close()
    assert told == ["refused"] * 8 + ["sent"]
    assert requested == []


@needs_sandbox
def test_it_starts_no_process(tmp_path):
    told = run(
        tmp_path,
        tells(f"""
        import subprocess, threading
        told = []
        for attempt in (os.fork, lambda: subprocess.run([sys.executable]), lambda: os.system("true") and 1 / 0,
                        lambda: os.execv("/bin/true", ["true"]), lambda: os.kill({os.getpid()}, 0)):
            try:
                attempt()
                told.append("begun")
            except (OSError, ZeroDivisionError):
                told.append("refused")
        thread = threading.Thread(target=lambda: told.append("threads work"))
        thread.start()
        thread.join()
        """),
    )
    assert told == ["refused"] * 5 + ["threads work"]


@needs_sandbox
def test_it_ends_when_posezoo_is_killed(tmp_path):
    zoo_of(
        tmp_path,
        """
        import sys, time
        with open(sys.argv[2] + "/beat", "a") as stream:
            while True:
                print("x", file=stream, flush=True)
                time.sleep(0.01)
        """,
    )
    program = ROOT / "tools/downloader/converter.py"
    command = [sys.executable, program, *places_in(tmp_path), "--name", "net"]

    def running():
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has just ended
                if str(tmp_path) in path.read_bytes().decode("utf-8", "replace"):
                    yield path

    with subprocess.Popen(
        [*map(str, command), "--allow_upstream_code"], stderr=subprocess.PIPE
    ) as parent:
        wait_until(lambda: list(tmp_path.glob("out/public/net/*/made/beat")), "the code's start")
        assert len(list(running())) > 1
        parent.kill()

    wait_until(lambda: not list(running()), "the end of the code")


DEEP = """
import os, sys
os.chdir(sys.argv[2])
for _ in range(3000):
    os.mkdir("deep")
    os.chdir("deep")
"""


@needs_sandbox
def test_deeply_nested_folders_are_refused_and_removed(tmp_path):
    with pytest.raises(
        ConversionError, match="left a folder that cannot be read: File name too long"
    ):
        run(tmp_path, DEEP)
    assert list((tmp_path / "out/public/net").iterdir()) == []
    assert run(tmp_path, tells("told = 'next'")) == "next"


@needs_sandbox
def test_results_without_permissions_are_read_and_removed(tmp_path):
    told = run(
        tmp_path,
        tells("""
        told = "told"
        os.makedirs(sys.argv[2] + "/closed/inner")
        open(sys.argv[2] + "/closed/inner/file", "w").close()
        for name in ("/closed/inner/file", "/closed/inner", "/closed", ""):
            os.chmod(sys.argv[2] + name, 0)
        os.chmod(sys.argv[2], 0o300)
        """),
    )
    assert told == "told"
    assert list((tmp_path / "out/public/net").iterdir()) == []


@needs_sandbox
def test_code_that_writes_files_for_ever_is_ended_and_its_files_are_removed(tmp_path):
    script = "import sys\nn = 0\nwhile True:\n    n += 1\n    open(f'{sys.argv[2]}/{n}', 'w').write('x')\n"
    with pytest.raises(ConversionError, match="was ended after 1 s"):
        run(tmp_path, script, seconds=1)
    assert list((tmp_path / "out/public/net").iterdir()) == []


@needs_sandbox
def test_code_that_forks_for_ever_is_ended(tmp_path):
    start_time = time.monotonic()
    script = (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    )
    with pytest.raises(ConversionError, match="was ended after 1 s"):
        run(tmp_path, script, seconds=1)
    assert time.monotonic() - start_time < HANG_S


@needs_sandbox
def test_code_that_prints_for_ever_is_ended_and_fills_no_memory(tmp_path):
    with pytest.raises(ConversionError, match="was ended after 1 s"):
        run(tmp_path, "while True:\n    print('x' * 1000)\n", seconds=1)


@needs_sandbox
def test_code_that_takes_all_memory_is_reported(tmp_path):
    with pytest.raises(ConversionError, match="MemoryError"):
        run(tmp_path, "x = [bytes(1 << 26) for _ in range(1000)]", memory_bytes=1 << 29)


@needs_sandbox
@pytest.mark.parametrize("name", ["pipe", "folder/pipe"])
def test_a_special_file_among_its_results_is_refused(tmp_path, name):
    script = f"import os, sys\nos.chdir(sys.argv[2])\nos.mkdir('folder')\nos.mkfifo({name!r})"
    with pytest.raises(ConversionError, match="left 'pipe', which is not a regular file"):
        run(tmp_path, script)


@needs_sandbox
def test_a_link_among_its_results_is_refused(tmp_path):
    (tmp_path / "secret.onnx").write_bytes(network("onnx"))
    with pytest.raises(ConversionError, match=r"left 'made\.onnx', which is not a regular file"):
        run(
            tmp_path,
            f"import os, sys\nos.symlink({str(tmp_path / 'secret.onnx')!r}, sys.argv[2] + '/made.onnx')",
        )


@pytest.mark.parametrize(
    ("bwrap", "reason"),
    [
        (None, "bubblewrap is not installed"),
        (
            "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1",
            "bubblewrap cannot run Python here: bwrap: setting up uid map: Permission denied",
        ),
    ],
)
def test_without_the_sandbox_nothing_runs_and_the_reason_is_named(
    tmp_path, asked_again, bwrap, reason
):
    zoo_of(tmp_path, "open('/tmp/it-ran', 'w')")
    programs = tmp_path / "programs"
    programs.mkdir()
    if bwrap:
        (programs / "bwrap").write_text(f"#!/bin/sh\n{bwrap}\n")
        (programs / "bwrap").chmod(0o755)
    error = refusal(converter(tmp_path, "--allow_upstream_code", PATH=str(programs)))
    assert f"(upstream-code, sandbox): its code runs only in a sandbox: {reason}" in error
    assert "install bubblewrap" in error
    assert "runs code" not in error
    assert not (tmp_path / "out").exists()


def test_the_stage_itself_refuses_to_run_without_the_sandbox(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "posezoo.omz.upstream_code.explain_missing_sandbox", lambda **_: "it is not there"
    )
    with pytest.raises(ConversionError, match="runs only in a sandbox: it is not there"):
        run(tmp_path, "")


@needs_sandbox
def test_control_characters_in_its_output_are_escaped(tmp_path):
    with pytest.raises(ConversionError) as failed:
        run(tmp_path, r"raise SystemExit('\x1b[2J gone')")
    assert failed.value.problem.isprintable()
    assert "gone" in failed.value.problem


def test_a_changed_file_is_refused_before_it_runs(tmp_path):
    zoo_of(tmp_path)
    spec = open_registry([tmp_path / "models"]).find("net")
    (tmp_path / "downloads/public/net/net.onnx").write_bytes(b"other")
    with (
        pytest.raises(ConversionError, match=r"model\.yml declares"),
        run_upstream_code(spec, ModelLayout(tmp_path / "downloads", tmp_path / "out")),
    ):
        pass


#: A network as its authors would publish it: a module and its weights.
MODULE = """
import torch

class Net(torch.nn.Module):
    def __init__(self, channels, name=None):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, channels, 1)

    def forward(self, image):
        return self.conv(image)
"""

EXPORT = [
    "--model-path=$dl_dir",
    "--model-name=Net",
    "--import-module=net_module",
    "--weights=$dl_dir/net.pth",
    "--model-param=channels=2",
    "--model-param=name='x'",
    "--input-shape=[1,3,4,6]",
    "--input-names=image",
    "--output-names=heatmaps",
    "--output-file=$conv_dir/net.onnx",
]


def pytorch_zoo(folder, export, weights=None):
    torch = needs("torch")
    downloads = folder / "downloads" / "public" / "net"
    downloads.mkdir(parents=True)
    (downloads / "net_module.py").write_text(MODULE)
    state = {
        "conv.weight": torch.arange(6.0).reshape(2, 3, 1, 1),
        "conv.bias": torch.tensor([1.0, 2.0]),
    }
    torch.save(state if weights is None else weights, downloads / "net.pth")
    files = [
        {**declared_file(downloads / name), "source": f"https://models.invalid/{name}"}
        for name in ("net_module.py", "net.pth")
    ]
    return zoo_of(
        folder,
        "",
        framework="pytorch",
        files=files,
        conversion_to_onnx_args=export,
        input_info=[{"name": "image", "shape": [1, 3, 4, 6], "layout": "NCHW"}],
        model_optimizer_args=["--input_model=$conv_dir/net.onnx", "--mean_values=image[1,2,3]"],
    )


@needs_sandbox
def test_a_pytorch_model_of_a_foreign_zoo_is_exported_and_converted(tmp_path):
    ended = converter(
        pytorch_zoo(tmp_path, EXPORT), "--allow_upstream_code", "--precisions", "FP32"
    )
    assert_success(ended)
    assert "'Net' of the module 'net_module' in $dl_dir" in ended.stderr
    ir = compiled(tmp_path / "out/public/net/FP32/net.xml")
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 4, 6)).astype(np.float32)
    kernel = np.arange(6.0).reshape(2, 3)
    expected = np.einsum("oi,nihw->nohw", kernel, image - np.float32([1, 2, 3]).reshape(1, 3, 1, 1))
    expected += np.array([1, 2]).reshape(1, 2, 1, 1)
    assert np.abs(ir([image])[0] - expected).max() <= 1e-5 * np.abs(expected).max()
    assert not list((tmp_path / "downloads").rglob("__pycache__"))


@needs_sandbox
def test_a_parameter_that_is_not_a_literal_is_not_evaluated(tmp_path):
    export = [*EXPORT, "--model-param=name=open('/tmp/x','w')"]
    error = refusal(converter(pytorch_zoo(tmp_path, export), "--allow_upstream_code"))
    assert "is not a literal" in error


class Evil:
    def __reduce__(self):
        return os.mkdir, ("/tmp/posezoo-evil",)


@needs_sandbox
def test_weights_that_are_code_are_refused(tmp_path):
    error = refusal(converter(pytorch_zoo(tmp_path, EXPORT, Evil()), "--allow_upstream_code"))
    assert "UnpicklingError: Weights only load failed" in error
    assert not Path("/tmp/posezoo-evil").exists()


def test_on_another_system_nothing_runs_and_the_way_out_is_named(tmp_path):
    """On an imitated Windows; it never ran there."""
    zoo_of(tmp_path, "open(sys.argv[2] + '/it-ran', 'w')")
    script = ROOT / "tools" / "downloader" / "converter.py"
    error = refusal(run_process(
        [sys.executable, script, "--name", "net", "--allow_upstream_code", "--models_dir", "models",
         "-d", "downloads", "-o", "out"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "foreign")},
        ))  # fmt: skip
    assert "bubblewrap exists only for Linux" in error
    assert "use Linux, such as in WSL" in error
    assert "Traceback" not in error
    assert not [*tmp_path.rglob("it-ran")]
