"""--allow_upstream_code: code that comes with a model is run shut in, and what it tries does not come about."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from fakes.command import posezoo
from fakes.network import HEIGHT, WIDTH, network
from fakes.waiting import HANG_S
from fakes.zoo import declared_file, omz_yml, write_model
from posezoo.convert.upstream_code import ProcessLimits, describe_run, run_upstream_code
from posezoo.errors import ConversionError
from posezoo.ir.openvino_import import import_openvino
from posezoo.layout import ModelLayout
from posezoo.registry import open_registry

ROOT = Path(__file__).resolve().parents[2]

#: What a tame pre-convert.py does: it copies the network from the one folder into the other.
COPIES = """
import shutil, sys
shutil.copy(sys.argv[1] + "/net.onnx", sys.argv[2] + "/made.onnx")
"""


def zoo_of(folder: Path, script: str = COPIES, **changes: object) -> Path:
    """A registry and downloads of a model whose pre-convert.py is this."""
    downloads = folder / "downloads" / "public" / "net"
    downloads.mkdir(parents=True, exist_ok=True)
    (downloads / "net.onnx").write_bytes(network("onnx"))
    content = omz_yml(
        **{
            "files": [{**declared_file(downloads / "net.onnx"), "source": "https://models.invalid/net.onnx"}],
            "input_info": [{"name": "image", "shape": [1, 3, HEIGHT, WIDTH], "layout": "NCHW"}],
            "model_optimizer_args": ["--input_model=$conv_dir/made.onnx", "--output=pafs"],
            **changes,
        }
    )
    path = write_model(folder / "models", "net", content)
    if script:
        path.with_name("pre-convert.py").write_text(textwrap.dedent(script))
    return folder


def run(folder: Path, script: str, seconds: float = 60, **how) -> Path:
    """Run such a script; the folder of its results, which is gone afterwards."""
    spec = open_registry([zoo_of(folder, script) / "models"]).find("net")
    layout = ModelLayout(folder / "downloads", folder / "out")
    with run_upstream_code(spec, layout, limits=ProcessLimits(seconds, **how)) as there:
        assert there.conversions is not None
        told = there.conversions / "told"
        return json.loads(told.read_text()) if told.is_file() else there.conversions


def tells(code: str) -> str:
    """A script that writes down what a piece of code, which sets ``told``, found out."""
    return (
        "import json, os, sys\ntold = None\n"
        + textwrap.dedent(code)
        + "\njson.dump(told, open(sys.argv[2] + '/told', 'w'))\n"
    )


def converter(folder: Path, *args, **environ):
    return subprocess.run(
        [
            sys.executable,
            ROOT / "tools" / "downloader" / "converter.py",
            *("--models_dir", folder / "models", "-d", folder / "downloads", "-o", folder / "out"),
            *("--name", "net", *map(str, args)),
        ],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_consent_nothing_runs_and_the_flag_is_named(tmp_path):
    zoo_of(tmp_path, "open('/tmp/it-ran', 'w')")
    ended = converter(tmp_path)
    assert ended.returncode == 1
    assert "(upstream-code, pre-convert)" in ended.stderr
    assert "--allow_upstream_code" in ended.stderr


def test_with_consent_the_code_is_announced_and_run_and_its_file_is_converted(tmp_path):
    ended = converter(zoo_of(tmp_path), "--allow_upstream_code", "--precisions", "FP32")
    assert ended.returncode == 0, ended.stderr
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


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_strict_lock_without_the_ir_refuses_it_before_any_code_runs(tmp_path, force):
    zoo_of(tmp_path)
    lock = tmp_path / "posezoo.lock"
    places = ("--models_dir", tmp_path / "models", "-d", tmp_path / "downloads", "-o", tmp_path / "out")
    assert posezoo("lock", "net", "--lock", lock, *places).returncode == 0
    ended = converter(tmp_path, "--allow_upstream_code", "--locked", "--lock", lock, *force)
    assert ended.returncode == 1
    assert "net: FP16/net.xml is not in " in ended.stderr
    assert "runs code" not in ended.stderr
    assert converter(tmp_path, "--allow_upstream_code").returncode == 0
    assert posezoo("lock", "net", "--lock", lock, *places).returncode == 0
    known = converter(tmp_path, "--allow_upstream_code", "--locked", "--lock", lock, "--force")
    assert known.returncode == 0, known.stderr
    assert "runs code" in known.stderr


def test_a_dry_run_runs_nothing(tmp_path):
    ended = converter(zoo_of(tmp_path), "--allow_upstream_code", "--dry_run")
    assert ended.returncode == 0, ended.stderr
    assert "(DRY RUN) Converting net to IR (FP32)" in ended.stdout
    assert not (tmp_path / "out").exists()


def test_it_writes_only_into_the_folder_of_its_results(tmp_path):
    (tmp_path / "mine").write_text("mine")
    places = [
        tmp_path / "mine",
        tmp_path / "new",
        tmp_path / "downloads/public/net/net.onnx",
        Path.home() / "x",
    ]
    told = run(
        tmp_path,
        tells(f"""
        told = {{}}
        for place in {list(map(str, places))!r}:
            try:
                open(place, "ab").write(b"x")
                told[place] = "written"
            except OSError as error:
                told[place] = error.errno
        try:
            os.unlink({str(places[0])!r})
            told["unlink"] = "gone"
        except OSError:
            pass
        """),
    )
    assert set(told.values()) == {13}
    assert places[0].read_text() == "mine"


def test_it_reads_no_file_of_the_user(tmp_path):
    secret = Path.home() / ".netrc"
    secret.write_text("password")
    told = run(
        tmp_path,
        tells(f"""
        told = []
        for place in ({str(secret)!r}, "/etc/passwd", "/proc/{os.getpid()}/environ", "/proc/1/environ"):
            try:
                told.append(open(place, "rb").read().decode("latin-1"))
            except OSError:
                pass
        """),
    )
    assert told == []


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
    assert set(told) <= {"HOME", "TMPDIR", "USER", "LANG", "LC_CTYPE", "self"}


def test_it_opens_no_socket(tmp_path):
    requested = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self):
            requested.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    told = run(
        tmp_path,
        tells(f"""
        import socket, urllib.request
        told = []
        for attempt in (
            lambda: urllib.request.urlopen("http://127.0.0.1:{server.server_port}/secret", timeout=3).read(),
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)),
            lambda: socket.socket(socket.AF_UNIX).connect("/run/docker.sock"),
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
    assert told == ["refused"] * 3
    assert requested == []


def test_it_starts_no_process(tmp_path):
    told = run(
        tmp_path,
        tells("""
        import subprocess, threading
        told = []
        for attempt in (os.fork, lambda: subprocess.run(["/bin/true"]), lambda: os.system("true") and 1 / 0,
                        lambda: os.execv("/bin/true", ["true"]), lambda: os.kill(os.getppid(), 0)):
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


def test_code_that_forks_for_ever_is_ended(tmp_path):
    start_time = time.monotonic()
    script = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    with pytest.raises(ConversionError, match="was ended after 2 s"):
        run(tmp_path, script, seconds=2)
    assert time.monotonic() - start_time < HANG_S


def test_code_that_prints_for_ever_is_ended_and_fills_no_memory(tmp_path):
    with pytest.raises(ConversionError, match="was ended after 2 s"):
        run(tmp_path, "while True:\n    print('x' * 1000)\n", seconds=2)


def test_code_that_takes_all_memory_is_reported(tmp_path):
    with pytest.raises(ConversionError, match="MemoryError"):
        run(tmp_path, "x = [bytes(1 << 26) for _ in range(1000)]", memory_bytes=1 << 29)


def test_a_link_among_its_results_is_refused(tmp_path):
    (tmp_path / "secret.onnx").write_bytes(network("onnx"))
    with pytest.raises(ConversionError, match=r"left 'made\.onnx', which is not a regular file"):
        run(
            tmp_path,
            f"import os, sys\nos.symlink({str(tmp_path / 'secret.onnx')!r}, sys.argv[2] + '/made.onnx')",
        )


#: A system that is older than all of this: Landlock, seccomp and namespaces are refused.
OLD_SYSTEM = """
import ctypes, struct, sys
program = [(0x20, 0, 0, 0)]
for number in (444, 157, 272):
    program += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050026)]
program += [(0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, struct.pack("@HP", len(program), ctypes.addressof(code)), 0, 0) == 0
from pathlib import Path
from posezoo.convert.upstream_code import describe_run
from posezoo.registry import open_registry
print(*describe_run(open_registry([Path(sys.argv[1])]).find("net")), sep="\\n")
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="system calls are told by their numbers here")
def test_missing_restrictions_are_reported_before_it_runs(tmp_path):
    zoo_of(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", OLD_SYSTEM, tmp_path / "models"], capture_output=True, text=True, check=True
    )
    assert "the sandbox restricts that code: memory" in ended.stdout
    for way in (
        "reach the network",
        "start other programs",
        "write every file that you can write",
        "read every file that you can read",
    ):
        assert f"on this system it can {way}" in ended.stdout


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
        pytest.raises(ConversionError, match=r"model\.yml promises"),
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


def pytorch_zoo(folder: Path, export: list[str], weights: object = None) -> Path:
    torch = pytest.importorskip("torch", reason="needs torch")
    downloads = folder / "downloads" / "public" / "net"
    downloads.mkdir(parents=True)
    (downloads / "net_module.py").write_text(MODULE)
    state = {"conv.weight": torch.arange(6.0).reshape(2, 3, 1, 1), "conv.bias": torch.tensor([1.0, 2.0])}
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


def test_a_pytorch_model_of_a_foreign_zoo_is_exported_and_converted(tmp_path):
    ended = converter(pytorch_zoo(tmp_path, EXPORT), "--allow_upstream_code", "--precisions", "FP32")
    assert ended.returncode == 0, ended.stderr
    assert "'Net' of the module 'net_module' in $dl_dir" in ended.stderr
    ir = (
        import_openvino()
        .Core()
        .compile_model(tmp_path / "out/public/net/FP32/net.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 4, 6)).astype(np.float32)
    kernel = np.arange(6.0).reshape(2, 3)
    expected = np.einsum("oi,nihw->nohw", kernel, image - np.float32([1, 2, 3]).reshape(1, 3, 1, 1))
    expected += np.array([1, 2]).reshape(1, 2, 1, 1)
    assert np.abs(ir([image])[0] - expected).max() <= 1e-5 * np.abs(expected).max()
    assert not list((tmp_path / "downloads").rglob("__pycache__"))


def test_a_parameter_that_is_not_a_literal_is_not_evaluated(tmp_path):
    export = [*EXPORT, "--model-param=name=open('/tmp/x','w')"]
    ended = converter(pytorch_zoo(tmp_path, export), "--allow_upstream_code")
    assert ended.returncode == 1
    assert "is not a literal" in ended.stderr


class Evil:
    def __reduce__(self):
        return os.mkdir, ("/tmp/posezoo-evil",)


def test_weights_that_are_code_are_refused(tmp_path):
    ended = converter(pytorch_zoo(tmp_path, EXPORT, Evil()), "--allow_upstream_code")
    assert ended.returncode == 1
    assert "UnpicklingError: Weights only load failed" in ended.stderr
    assert not Path("/tmp/posezoo-evil").exists()


def test_an_unknown_argument_is_refused_with_the_known_ones(tmp_path):
    spec = open_registry([pytorch_zoo(tmp_path, [*EXPORT, "--evil=1"]) / "models"]).find("net")
    with pytest.raises(ConversionError, match="'--evil' is not a known argument") as refused:
        describe_run(spec)
    assert "--model-path" in refused.value.hint
