"""Other files in the folders of a model are reported as extra, symlinked or special; posezoo's own are not."""

import json
import os
import socket

import pytest

from fakes.checkout import ROOT, copy_checkout, git
from fakes.command import assert_success, omz_tool, posezoo, printed
from fakes.files import zipped
from fakes.network import network
from fakes.when_used import needs
from fakes.zoo import declared_file, model_yml, onnx_yml, write_composite, write_model
from posezoo.core.registry import open_registry

RECORDED = {"runtime": "A 1.0", "file": "recorded.safetensors", "checksum": "0" * 96}


@pytest.fixture
def zoo(tmp_path):
    """A model and a composite of one part, downloaded."""
    for name in ("a", "part"):
        (tmp_path / f"{name}.tflite").write_bytes(name.encode() * 1000)
        place = f"whole/{name}" if name == "part" else name
        file = declared_file(tmp_path / f"{name}.tflite", name=f"sub/{name}.tflite")
        write_model(tmp_path / "models", place, model_yml(files=[file]))
    write_composite(tmp_path / "models", "whole", ["part"])
    assert_success(run(tmp_path, "download", "--all"))
    return tmp_path


def run(zoo, *args):
    return posezoo(*args, "--models_dir", zoo / "models", "-o", zoo / "out", cwd=zoo)


def states(zoo, *args, model="--all"):
    found = json.loads(run(zoo, "verify", model, "--format", "json", *args).stdout)["artifacts"]
    assert found, "nothing was checked"
    return {
        f"{each['model']}/{each['artifact']}": each["state"]
        for each in found
        if each["state"] != "good"
    }


def test_a_download_leaves_no_untracked_file(zoo):
    assert states(zoo) == {}
    assert_success(run(zoo, "verify", "--all"))


def test_all_counts_what_was_never_fetched_on_one_line_and_is_no_error(zoo):
    for name in ("never", "nor_this"):
        write_model(zoo / "models", name, model_yml())
    output = printed(run(zoo, "verify", "--all"))
    *checked, last = output.splitlines()
    assert [line.split()[:2] for line in checked] == [["good", "a:"], ["good", "part:"]]
    assert last == "not checked: 2 models that no command fetched, and that no lock names"


def test_what_was_never_fetched_must_be_here_if_the_command_or_the_lock_names_it(zoo):
    write_model(zoo / "models", "never", model_yml())
    ended = run(zoo, "verify", "never")
    assert (ended.returncode, ended.stdout.count("missing ")) == (1, 1)
    assert_success(run(zoo, "lock", "never"))
    ended = run(zoo, "verify", "--all")
    assert (ended.returncode, ended.stdout.count("missing ")) == (1, 1)
    assert "not checked" not in ended.stdout


def test_a_strict_lock_does_not_refuse_what_was_never_fetched(zoo):
    assert_success(run(zoo, "lock", "a", "part"))
    write_model(zoo / "models", "never", model_yml())
    assert_success(run(zoo, "verify", "--all", "--locked"))
    (zoo / "out" / "public" / "never").mkdir(parents=True)
    (zoo / "out" / "public" / "never" / "evil.py").write_text("import os")
    ended = run(zoo, "verify", "--all", "--locked")
    assert (ended.returncode, ended.stdout.count("refused ")) == (1, 1)


def test_each_type_of_untracked_file_has_its_state(zoo):
    folder = zoo / "out" / "public" / "a"
    (folder / "evil.py").write_text("import os")
    (folder / "sub" / "b.tflite").write_bytes(b"x")
    (folder / "more" / "deep").mkdir(parents=True)
    (folder / "more" / "deep" / "x").write_bytes(b"x")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "FP16").symlink_to(zoo)
    os.mkfifo(folder / "pipe")
    (folder / ".other.part").write_bytes(b"x")
    with socket.socket(socket.AF_UNIX) as bound:
        os.chdir(folder)  # the path of a socket is short
        try:
            bound.bind("socket")
        finally:
            os.chdir(zoo)
    (zoo / "out" / "public" / "whole" / "notes.txt").write_text("x")
    assert states(zoo) == {
        "a/.other.part": "extra",
        "a/FP16": "symlinked",
        "a/evil.py": "extra",
        "a/link": "symlinked",
        "a/more": "extra",
        "a/pipe": "special",
        "a/socket": "special",
        "a/sub/b.tflite": "extra",
        "whole/notes.txt": "extra",
    }
    ended = run(zoo, "verify", "a")
    assert ended.returncode == 1
    assert ended.stdout.endswith(f"not good; moving {folder}/.other.part away repairs the first\n")
    assert f"special  a: pipe ({folder}/pipe)" in ended.stdout


@pytest.mark.parametrize(
    ("put", "state"),
    [
        (lambda path, good: path.symlink_to(good), "symlinked"),
        (lambda path, good: os.mkfifo(path), "special"),
        (lambda path, good: path.mkdir(), "special"),
        (lambda path, good: path.write_bytes(bytes(1000)), "changed"),
        (lambda path, good: None, "missing"),
    ],
)
def test_what_replaces_a_file_has_its_state(zoo, put, state):
    path = zoo / "out" / "public" / "a" / "sub" / "a.tflite"
    path.unlink()
    put(path, zoo / "a.tflite")
    assert states(zoo) == {"a/sub/a.tflite": state}


def test_cards_records_and_partial_downloads_are_not_untracked(zoo):
    folder = zoo / "out" / "public" / "a"
    for name in (
        "README.md",
        "card.json",
        "provenance.json",
        "sub/.a.tflite.part",
        ".posezoo/whatever",
        ".provenance.json.part",
        ".provenance.json.guard",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    (folder / ".posezoo-worked-in").mkdir()
    (zoo / "out" / "public" / "whole" / "README.md").write_text("x")
    assert states(zoo) == {}


def test_a_conversion_leaves_no_untracked_file(tmp_path):
    needs("openvino")
    (tmp_path / "net.onnx").write_bytes(network("onnx"))
    file = declared_file(tmp_path / "net.onnx")
    write_model(tmp_path / "models", "net", onnx_yml(file, skeleton="coco-17"))
    assert_success(run(tmp_path, "get", "net"))
    assert (tmp_path / "out" / "public" / "net" / "coco-17.svg").is_file()
    assert states(tmp_path) == {}
    assert_success(run(tmp_path, "convert", "net", "-d", tmp_path / "out", "-o", tmp_path / "irs"))
    xml = tmp_path / "out" / "public" / "net" / "FP16" / "net.xml"
    xml.rename(tmp_path / "net.xml")
    xml.symlink_to(tmp_path / "net.xml")
    assert states(tmp_path) == {"net/FP16/net.xml": "symlinked"}


def test_a_registry_may_be_the_output_folder(zoo):
    ended = posezoo("download", "a", "--models_dir", "models", "-o", "models", cwd=zoo)
    assert_success(ended)
    here = ("--models_dir", "models", "-o", "models")
    assert_success(posezoo("verify", "a", *here, cwd=zoo))
    # What a registry has beside its model.yml is its own; the folders of IR are posezoo's.
    write_model(zoo / "models", "never", model_yml(recorded_outputs=RECORDED))
    for name in (
        "a/example.jpg",
        "a/assets/a.png",
        "never/recorded.safetensors",
        "whole/photo.jpg",
    ):
        path = zoo / "models" / "public" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert_success(posezoo("verify", "--all", *here, cwd=zoo))
    (zoo / "models" / "public" / "a" / "sub" / "evil.bin").write_bytes(b"x")
    assert "extra    a: sub/evil.bin" in posezoo("verify", "--all", *here, cwd=zoo).stdout


def test_git_ignores_what_is_written_into_the_registry_of_a_clone(tmp_path):
    copy_checkout(tmp_path)
    git(tmp_path, "init", "--quiet")
    registry = open_registry((tmp_path / "models",))
    written = []
    for spec in registry.select().models:
        written += [spec.path.parent / file.name for file in spec.files]
        written += [
            spec.path.parent / name
            for name in (
                "FP16/net.xml",
                "FP16-INT8/provenance.json",
                ".posezoo/net.json",
                "net.onnx",
            )
        ]
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    names = git(tmp_path, "ls-files", "--others", "--exclude-standard", "models").splitlines()
    assert {*names} == {*git(ROOT, "ls-files", "models").splitlines()}


def test_the_members_of_an_archive_are_compared_once_it_is_unpacked(tmp_path):
    members = {"net.pb": b"graph", "labels.txt": b"people"}
    (tmp_path / "net.zip").write_bytes(zipped(members))
    steps = [{"$type": "unpack_archive", "format": "zip", "file": "net.zip"}]
    declared = model_yml(files=[declared_file(tmp_path / "net.zip")], postprocessing=steps)
    write_model(tmp_path / "models", "a", declared)
    assert states(tmp_path, model="a") == {"a/net.zip": "missing"}
    ended = run(tmp_path, "verify", "a")
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
    assert_success(run(tmp_path, "download", "a"))
    assert states(tmp_path) == {}
    folder = tmp_path / "out" / "public" / "a"
    (folder / "net.pb").write_bytes(b"other")
    (folder / "labels.txt").unlink()
    assert states(tmp_path) == {"a/net.pb": "changed", "a/labels.txt": "missing"}


def test_a_precision_of_which_nothing_was_downloaded_is_not_missing(tmp_path):
    files = []
    for precision in ("FP16", "FP32"):
        for suffix in (".xml", ".bin"):
            content = tmp_path / f"{precision}{suffix}"
            content.write_bytes(f"{precision} of {suffix}".encode())
            files.append(declared_file(content, name=f"{precision}/net{suffix}"))
    write_model(tmp_path / "models", "net", model_yml(framework="dldt", files=files))
    every = {f"net/{file['name']}": "missing" for file in files}
    assert states(tmp_path, model="net") == every
    words = ("--name", "net", "--precisions", "FP16", "--models_dir", "models", "-o", "out")
    assert_success(omz_tool("downloader", *words, cwd=tmp_path))
    assert states(tmp_path) == {}
    (folder,) = (tmp_path / "out").rglob("FP16")
    (folder / "net.bin").unlink()
    assert states(tmp_path) == {"net/FP16/net.bin": "missing"}
    (folder / "net.xml").unlink()
    assert states(tmp_path, model="net") == every
