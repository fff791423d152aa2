"""The files with recorded outputs and with ranges, which lie beside a model.yml."""

import os
import re
import shutil
from pathlib import Path

import pytest

from fakes.command import posezoo
from posezoo.core.files.verified_files import compute_digest

ROOT = Path(__file__).parents[2]
RECORDED, RANGES = FILES = ("recorded_outputs.safetensors", "int8_ranges.safetensors")


@pytest.fixture
def model(tmp_path):
    """The folder of a model with both files, in a copy of its registry."""
    for name in ("movenet-thunder", "nanodet-g"):
        shutil.copytree(ROOT / "models/public" / name, tmp_path / "models/public" / name)
    shutil.copytree(ROOT / "licenses", tmp_path / "licenses")
    return tmp_path / "models/public/movenet-thunder"


def check(model, *names):
    """The exit code, and the lines about the files of these models, or of all."""
    ended = posezoo("lint", *names, "--models_dir", model.parents[1])
    assert "Traceback" not in ended.stderr
    lines = ended.stdout.splitlines()
    return ended.returncode, [
        line for line in lines if line.endswith(("[files-beside]", "[measured]"))
    ]


def write_declared(path, content):
    """Another file, with its checksum in model.yml."""
    before = compute_digest(path).value
    path.write_bytes(content)
    declaration = path.with_name("model.yml")
    text = declaration.read_text("utf-8")
    assert before in text
    declaration.write_text(text.replace(before, compute_digest(path).value), "utf-8")


def take_from_another(path):
    """The file of another model, with its checksum in model.yml."""
    before = compute_digest(path).value
    shutil.copy(path.parents[1] / "nanodet-g" / path.name, path)
    declaration = path.with_name("model.yml")
    text = declaration.read_text("utf-8")
    declaration.write_text(text.replace(before, compute_digest(path).value), "utf-8")


def put_folder(path):
    path.unlink()
    path.mkdir()


def append(path):
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize("file", FILES)
def test_the_file_of_another_model_is_found_although_its_digest_is_right(model, file):
    take_from_another(model / file)
    code, lines = check(model)
    assert (code, len(lines)) == (1, 2)  # either of them may be wrong
    assert "nanodet-g has the same file" in lines[0]


def test_a_measurement_in_the_future_is_found(model):
    path = model / "measured.yml"
    path.write_text(re.sub(r"date: \S+", "date: 2131-01-31", path.read_text("utf-8"), count=1))
    code, (line,) = check(model, "movenet-thunder")
    assert (code, "measured.yml: 2131-01-31 is in the future" in line) == (1, True)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (Path.unlink, "cannot be read: No such file or directory"),
        (put_folder, "cannot be read: Is a directory"),
        (append, "its digest differs from the one in model.yml"),
        pytest.param(
            lambda path: (path.unlink(), os.mkfifo(path)),
            "cannot be read: it is not a regular file",
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes"),
        ),
    ],
)
def test_both_files_are_checked_alike(model, file, spoil, problem):
    path = model / file
    spoil(path)
    code, (line,) = check(model, "movenet-thunder")
    assert code == 1
    assert f"error: {path}: {problem} [files-beside]" in line


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (RECORDED, "has no recorded 'output'"),
        (RANGES, "is not a file with ranges: it has no weights"),
    ],
)
def test_a_file_without_tensors_is_an_error(model, file, problem):
    path = model / file
    write_declared(path, b"\2\0\0\0\0\0\0\0{}")
    code, (line,) = check(model, "movenet-thunder")
    assert code == 1
    assert f"error: {path}: {problem} [files-beside]" in line


def test_a_file_of_another_format_is_named_as_what_it_is(model):
    write_declared(model / RECORDED, b"<html>")
    code, (line,) = check(model, "movenet-thunder")
    assert code == 1
    assert f"{model / RECORDED}: is not a checkpoint, but a web page or XML" in line
