"""A pointer of Git LFS instead of a file: it is named wherever a user names a file."""

import shutil
from pathlib import Path

import pytest

from fakes.command import posezoo, refusal
from fakes.server import Server
from fakes.zoo import declared_file, model_yml, write_model

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 12345678\n"
)
XML = '<?xml version="1.0"?><net name="a" version="11"></net>'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A clone without the files of Git LFS."""
    monkeypatch.chdir(tmp_path)
    for suffix in ("onnx", "xml", "bin", "tflite", "pth", "safetensors", "pb", "jpg", "mp4"):
        (tmp_path / f"a.{suffix}").write_text(POINTER)
    (tmp_path / "b.xml").write_text(XML)
    (tmp_path / "b.bin").write_text(POINTER)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("run a.onnx", "a.onnx"),
        ("run a.xml", "a.xml"),
        ("run b.xml", "b.bin"),
        ("run a.bin", "a.bin"),
        ("run a.tflite", "a.tflite"),
        ("run a.pth", "a.pth"),
        ("run a.safetensors", "a.safetensors"),
        ("run --input a.jpg", "a.jpg"),
        ("run --input a.mp4", "a.mp4"),
        ("benchmark a.onnx", "a.onnx"),
        ("convert a.onnx -o net.xml", "a.onnx"),
        ("convert a.tflite -o net.xml", "a.tflite"),
        ("convert a.pb -o net.xml", "a.pb"),
    ],
)
def test_it_is_named_with_what_to_do(folder, command, name):
    error = refusal(posezoo(*command.split()))
    assert f"error: {name}: is a Git LFS pointer: the file itself was not" in error
    assert "hint: in the folder of its repository: git lfs pull" in error
    assert not Path("net.xml").exists()


def test_also_sent_by_a_server(folder):
    (folder / "real.onnx").write_bytes(b"x" * 5000)
    with Server() as server:
        address = server.serve("net.onnx", POINTER.encode())
        file = {**declared_file(folder / "real.onnx"), "source": address}
        write_model(folder / "zoo", "net", model_yml(files=[file]))
        ended = posezoo("download", "net", "--models_dir", "zoo", "--allow_http", "-o", "out")
    assert ended.returncode == 1
    assert "is a Git LFS pointer, not the file" in ended.stderr


def test_also_where_the_downloaded_file_was_committed_with_git(folder):
    (folder / "net.onnx").write_bytes(b"x" * 5000)
    write_model(folder / "zoo", "net", model_yml(files=[declared_file(folder / "net.onnx")]))
    (folder / "out" / "public" / "net").mkdir(parents=True)
    shutil.copy("a.onnx", folder / "out" / "public" / "net" / "net.onnx")
    error = refusal(posezoo("convert", "net", "--models_dir", "zoo", "-o", "out", "-d", "out"))
    assert "net.onnx: is a Git LFS pointer" in error
