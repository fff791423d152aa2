"""The commands of the first minutes on an imitated Windows (tests/foreign): nothing here ran on Windows."""

import json
import os
import subprocess
import sys

import pytest

from fakes.checkout import ROOT
from fakes.command import assert_success, misuse
from fakes.network import HEIGHT, OUTPUT_SHAPE, OUTPUTS, WIDTH, network
from fakes.waiting import HANG_S
from fakes.zoo import declared_file, model_yml, omz_yml, write_model

FOREIGN = str(ROOT / "tests" / "foreign")

#: A module of posezoo that says what it sees.
PROBE = """
import os, sys
try:
    import fcntl
except ImportError:
    print("no fcntl")
print(sys.platform, hasattr(os, "geteuid"))
with open("a", "w") as file:
    print(file.encoding)
    try:
        os.replace("a", "b")
    except PermissionError:
        print("in use")
os.replace("a", "b")
"""


def on_windows(*args, cwd, **environ):
    return run("-m", "posezoo", *map(str, args), cwd=cwd, **environ)


def python_on_windows(code, folder):
    return run("-c", code, cwd=folder)


def start(*args, cwd):
    environ = {**os.environ, "PYTHONPATH": FOREIGN}
    return subprocess.Popen([sys.executable, *args], env=environ, cwd=cwd)


def run(*args, cwd, **environ):
    return subprocess.run(
        [sys.executable, *args],
        env={**os.environ, "PYTHONPATH": FOREIGN, **environ},
        cwd=cwd,
        capture_output=True,
        encoding="cp1252",
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """A registry of one model, whose file lies in a folder."""
    root = tmp_path_factory.mktemp("zoo")
    (root / "net.tflite").write_bytes(network("tflite"))
    declared = model_yml(
        files=[declared_file(root / "net.tflite")],
        inputs=[{"name": "image", "shape": [1, HEIGHT, WIDTH, 3], "layout": "NHWC"}],
        outputs=[{"name": name, "shape": list(OUTPUT_SHAPE)} for name in OUTPUTS],
    )
    write_model(root / "models", "net", declared)
    return root


def left_behind(folder):
    return [path.name for path in folder.rglob("*") if path.suffix in (".part", ".guard", ".link")]


def test_posezoo_is_imported_and_the_imitation_takes_effect(tmp_path):
    code = f"import posezoo, posezoo.api; exec({PROBE!r}, {{'__name__': 'posezoo.probe'}})"
    ended = python_on_windows(code, tmp_path)
    seen = ["no fcntl", "win32 False", "cp1252", "in use"]
    assert (ended.stdout.splitlines(), ended.stderr) == (seen, "")


@pytest.mark.parametrize("args", [["list"], ["get", "blazepose-full", "--dry_run"], ["doctor"]])
def test_a_verb_that_only_shows_something_works(args, tmp_path):
    ended = on_windows(*args, cwd=tmp_path)
    assert "Traceback" not in ended.stderr
    assert ended.stdout and (ended.returncode == 0 or args == ["doctor"]), ended.stderr


def test_a_model_is_downloaded_and_converted(zoo, tmp_path):
    for _again in range(2):
        args = ("get", "net", "-o", tmp_path / "out", "--models_dir", zoo / "models")
        ended = on_windows(*args, cwd=tmp_path)
        assert_success(ended)
    assert (tmp_path / "out/public/net/FP16/net.xml").is_file()
    assert left_behind(tmp_path) == []


def test_a_wrong_file_leaves_nothing_behind(zoo, tmp_path):
    wrong = model_yml(files=[{**declared_file(zoo / "net.tflite"), "checksum": "0" * 96}])
    write_model(tmp_path / "models", "net", wrong)
    ended = on_windows("download", "net", "-o", "out", "--models_dir", "models", cwd=tmp_path)
    assert ended.returncode == 1 and "SHA-384" in ended.stderr
    assert left_behind(tmp_path) == []


def test_poses_are_found_in_a_photo(shared, tmp_path):
    environ = {"POSEZOO_MIRROR": str(shared / "data" / "mirror")}
    photo = sorted((shared / "data" / "photos").glob("*.jpg"))[0]
    args = ("run", "blazepose-full", "--input", photo, "-o", "found")
    ended = on_windows(*args, cwd=tmp_path, **environ)
    assert_success(ended)
    assert (tmp_path / "found" / "poses.json").is_file()
    assert left_behind(tmp_path) == []


def test_a_broken_connection_is_resumed_where_it_broke(tmp_path, server):
    content = bytes(range(256)) * 400
    (tmp_path / "net.tflite").write_bytes(content)
    address = server.serve("net", content, ranges=True)
    server.serve("net", content, ranges=True, times=1, cut_at=60_000)
    file = {**declared_file(tmp_path / "net.tflite"), "source": address}
    write_model(tmp_path / "models", "net", model_yml(files=[file]))
    args = ("download", "net", "-o", "out", "--models_dir", "models")
    ended = on_windows(*args, cwd=tmp_path)
    assert_success(ended)
    assert [request.headers["Range"] for request in server.requests] == [None, "bytes=60000-"]
    assert (tmp_path / "out/public/net/net.tflite").read_bytes() == content
    assert left_behind(tmp_path) == []


#: Lists one file in one manifest again and again.
WRITER = """
import sys
from pathlib import Path
from posezoo.core.files.manifest import settle
for number in range(100):
    settle(Path(), {sys.argv[1]: {"size": number}})
"""


def test_two_processes_that_write_one_manifest_lose_no_file(tmp_path):
    writers = [start("-c", WRITER, name, cwd=tmp_path) for name in ("net.xml", "net.bin")]
    assert [writer.wait(HANG_S) for writer in writers] == [0, 0]
    manifest = json.loads((tmp_path / "provenance.json").read_text("utf-8"))
    assert manifest["files"] == {"net.xml": {"size": 99}, "net.bin": {"size": 99}}
    assert left_behind(tmp_path) == []


def test_two_commands_that_write_one_lock_lose_no_line(tmp_path):
    (tmp_path / "net.bin").write_bytes(b"weights")
    names = ["first", "second"]
    for name in names:
        declared = model_yml(files=[declared_file(tmp_path / "net.bin")])
        write_model(tmp_path / "models", name, declared)
    flags = ("--models_dir", "models", "-o", "out")
    assert_success(on_windows("download", "--all", *flags, cwd=tmp_path))
    writers = [start("-m", "posezoo", "lock", name, *flags, cwd=tmp_path) for name in names]
    assert [writer.wait(HANG_S) for writer in writers] == [0, 0]
    lines = (tmp_path / "posezoo.lock").read_text("utf-8").splitlines()
    assert {json.loads(line)["model"] for line in lines} == set(names)
    assert left_behind(tmp_path) == []


def test_a_file_is_replaced_as_soon_as_no_other_process_reads_it(tmp_path):
    code = """
import threading, time
from pathlib import Path
from posezoo.core.files.verified_files import write_atomically
path = Path("card.md")
write_atomically(path, b"old")
reader = open(path, "rb")
threading.Timer(0.2, reader.close).start()
write_atomically(path, b"new")
print(path.read_bytes(), reader.closed)
"""
    ended = python_on_windows(code, tmp_path)
    assert ended.stdout == "b'new' True\n", ended.stderr


@pytest.mark.parametrize("length", [240, 300])
def test_a_path_that_is_too_long_is_one_error_with_a_hint(zoo, tmp_path, length):
    folder = tmp_path
    while len(str(folder)) < length - 1:
        folder /= "x" * min(50, length - 1 - len(str(folder)))
    args = ("download", "net", "-o", folder, "--models_dir", zoo / "models")
    ended = on_windows(*args, cwd=tmp_path)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    *_, error, hint = ended.stderr.splitlines()
    assert "cannot be written: No such file or directory" in error
    assert hint.endswith("with a path so short that no file's has more than 259 characters")


def test_a_path_of_wsl_is_explained_where_it_is_none(tmp_path):
    ended = on_windows("run", "--input", "/mnt/c/Users/ann/photo.jpg", cwd=tmp_path)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "is a path of WSL; on Windows: C:\\Users\\ann\\photo.jpg" in ended.stderr
    error = misuse(on_windows("get", "blazepose-full", "-o", "/mnt/d/models", cwd=tmp_path))
    assert "is a path of WSL; on Windows: D:\\models" in error


def write_model_with_code(root):
    """A model of Open Model Zoo that needs its pre-convert.py."""
    (root / "net.onnx").write_bytes(network("onnx"))
    files = [declared_file(root / "net.onnx")]
    words = ["--input_model=$conv_dir/made.onnx", "--output=pafs"]
    path = write_model(root / "models", "net", omz_yml(files=files, model_optimizer_args=words))
    path.with_name("pre-convert.py").write_text("open('it-ran', 'w')", "utf-8")


def test_code_that_comes_with_a_model_is_never_run_without_a_sandbox(tmp_path):
    """Also if the user allows it."""
    write_model_with_code(tmp_path)
    flags = ("-o", "out", "--models_dir", "models", "--allow_upstream_code")
    ended = on_windows("get", "net", *flags, cwd=tmp_path)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert list(tmp_path.rglob("it-ran")) == []
    assert "bubblewrap exists only for Linux" in ended.stderr
    assert "use Linux, such as in WSL" in ended.stderr
