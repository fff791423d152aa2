"""The commands of the first minutes on an imitated Windows (tests/foreign): nothing here ran on Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.network import HEIGHT, OUTPUT_SHAPE, OUTPUTS, WIDTH, network
from fakes.zoo import declared_file, model_yml, write_model

FOREIGN = str(Path(__file__).resolve().parents[1] / "foreign")

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


def test_posezoo_is_imported(tmp_path):
    ended = python_on_windows("import posezoo, posezoo.api; print('imported')", tmp_path)
    assert (ended.stdout, ended.stderr) == ("imported\n", "")


def test_the_imitation_takes_effect(tmp_path):
    code = f"exec({PROBE!r}, {{'__name__': 'posezoo.probe'}})"
    ended = python_on_windows(code, tmp_path)
    seen = ["no fcntl", "win32 False", "cp1252", "in use"]
    assert ended.stdout.splitlines() == seen, ended.stderr


@pytest.mark.parametrize(
    "args", [["list"], ["info", "blazepose-full"], ["plan", "blazepose-full"], ["doctor"]]
)
def test_a_verb_that_only_shows_something_works(args, tmp_path):
    ended = on_windows(*args, cwd=tmp_path)
    assert "Traceback" not in ended.stderr
    assert ended.stdout and (ended.returncode == 0 or args == ["doctor"]), ended.stderr


def test_a_model_is_downloaded_and_converted(zoo, tmp_path):
    for _again in range(2):
        args = ("get", "net", "-o", tmp_path / "out", "--models_dir", zoo / "models")
        ended = on_windows(*args, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out/public/net/FP16/net.xml").is_file()
    assert left_behind(tmp_path) == []


def test_a_wrong_file_leaves_nothing_behind(zoo, tmp_path):
    wrong = model_yml(files=[{**declared_file(zoo / "net.tflite"), "checksum": "0" * 96}])
    write_model(tmp_path / "models", "net", wrong)
    ended = on_windows("download", "net", "-o", "out", "--models_dir", "models", cwd=tmp_path)
    assert ended.returncode == 1 and "SHA-384" in ended.stderr
    assert left_behind(tmp_path) == []


@pytest.mark.slow
def test_poses_are_found_in_a_photo(shared, tmp_path):
    environ = {"POSEZOO_MIRROR": str(shared / "data" / "mirror")}
    photo = sorted((shared / "data" / "photos").glob("*.jpg"))[0]
    args = ("run", "blazepose-full", "--input", photo, "-o", "found")
    ended = on_windows(*args, cwd=tmp_path, **environ)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "found" / "poses.json").is_file()
    assert left_behind(tmp_path) == []


def test_code_of_authors_is_refused_because_there_is_no_sandbox(tmp_path):
    code = "from posezoo.omz.sandbox import explain_missing_sandbox as explain; print(explain())"
    ended = python_on_windows(code, tmp_path)
    assert ended.stdout == "bubblewrap exists only for Linux\n"
