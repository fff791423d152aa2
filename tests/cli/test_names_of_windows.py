"""A name that means something else on Windows is refused on every system, wherever a file's name comes from."""

import io
import json
import tarfile
import zipfile
from hashlib import sha256

import cv2
import numpy as np
import pytest

from fakes.command import assert_success, posezoo, refusal
from fakes.irs import write_ir
from fakes.wheels import make_wheel, member_of
from fakes.zoo import as_yaml, declared_file, model_yml, write_model
from posezoo.core import features
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.registry import named_registry_root

REFUSED = [
    *("CON", "nul.txt", "sub/COM1.tar.gz", "Aux .bin", "LPT\u00b9", "conin$", "prn/net.bin"),
    *(
        "net.bin:stream",
        "C:net.bin",
        "sub\\net.bin",
        "net.",
        "net ",
        "folder./net.bin",
        "folder /net.bin",
    ),
]
#: One of each kind, for the places that ask the same function; its own test has many more.
OF_EACH_KIND = ["sub/COM1.tar.gz", "net.bin:stream", "sub\\net.bin", "folder /net.bin"]
FORMATS = ["zip", "gztar"]


def packed(format, *names):
    stream = io.BytesIO()
    if format == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            for name in names:
                archive.writestr(name, b"weights")
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 7
                tar.addfile(member, io.BytesIO(b"weights"))
    return stream.getvalue()


def download(root):
    return posezoo("download", "net", "-o", "out", "--models_dir", "models", cwd=root)


def declare_archive(root, format, *names):
    archive = root / "net.archive"
    archive.write_bytes(packed(format, *names))
    steps = [{"$type": "unpack_archive", "file": archive.name, "format": format}]
    write_model(
        root / "models", "net", model_yml(files=[declared_file(archive)], postprocessing=steps)
    )


def declare_files(root, *names):
    published = root / "published"
    published.write_bytes(b"weights")
    files = [declared_file(published, name=name) for name in names]
    write_model(root / "models", "net", model_yml(files=files))


def is_refused(root, name):
    ended = download(root)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1, said
    assert "Traceback" not in said
    assert name.rpartition("/")[2].encode("ascii", "backslashreplace").decode()[:3] in said
    assert not [
        path
        for path in (root / "out").rglob("*")
        if path.is_file() and path.read_bytes() == b"weights"
    ]


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_yml_with_such_a_file_is_refused(tmp_path, name):
    declare_files(tmp_path, name)
    is_refused(tmp_path, name)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_an_archive_with_such_a_member_is_refused(tmp_path, format, name):
    declare_archive(tmp_path, format, "net.bin", name)
    is_refused(tmp_path, name)


@pytest.mark.parametrize("format", FORMATS)
def test_two_members_that_differ_in_case_only_are_refused(tmp_path, format):
    declare_archive(tmp_path, format, "sub/Net.bin", "Sub/net.bin")
    is_refused(tmp_path, "net.bin")


def test_two_files_that_differ_in_case_only_are_refused(tmp_path):
    declare_files(tmp_path, "Net.bin", "net.bin")
    is_refused(tmp_path, "net.bin")


@pytest.mark.parametrize("name", ["NET.ONNX", "Net.Zip"])
def test_a_member_that_differs_from_a_declared_file_in_case_only_is_refused(tmp_path, name):
    (tmp_path / "net.onnx").write_bytes(b"network")
    (tmp_path / "net.zip").write_bytes(packed("zip", name))
    steps = [{"$type": "unpack_archive", "file": "net.zip", "format": "zip"}]
    files = [declared_file(tmp_path / each) for each in ("net.onnx", "net.zip")]
    write_model(tmp_path / "models", "net", model_yml(files=files, postprocessing=steps))
    is_refused(tmp_path, name)
    assert (tmp_path / "out/public/net/net.onnx").read_bytes() == b"network"


# --- other places of a model.yml


def described(place, name):
    """What a model.yml says, with this name at a place."""
    if place == "license":
        return {"license": {"spdx": "Apache-2.0", "text": name}}
    if place == "recorded outputs":
        return {"recorded_outputs": {"runtime": "x 1", "file": name, "checksum": "0" * 96}}
    wheel = {"name": "net-1-py3-none-any.whl", "size": 1, "sha256": "0" * 64}
    source = {"$type": "npm_package", "package": "net", "version": "1.0.0", "member": name}
    if place == "wheel":
        source = {"$type": "python_package", "package": "net", "version": "1", "wheel": wheel}
        source["member"] = name
    file = {"name": "net.tflite", "size": 3, "checksum": "0" * 96, "source": source}
    return {"files": [file]}


@pytest.mark.parametrize("place", ["license", "recorded outputs", "wheel", "tarball"])
@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_such_a_name_anywhere_in_a_model_yml_is_refused_at_its_place(tmp_path, place, name):
    write_model(tmp_path / "models", "net", model_yml(**described(place, name)))
    ended = posezoo("info", "net", "--models_dir", "models", cwd=tmp_path)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "models/public/net/model.yml:" in ended.stderr
    assert len(ended.stderr.splitlines()) == 2, ended.stderr  # the error and its hint


# --- packages: one member is read, and no other is ever written


def test_other_members_of_a_wheel_are_never_written(tmp_path, monkeypatch):
    names = ["net.bin", "CON", "a:b", "sub\\net.bin", "NET.BIN"]
    wheel = make_wheel(tmp_path / "links", dict.fromkeys(names, b"weights"))
    content = wheel.read_bytes()
    stated = {"name": wheel.name, "size": len(content), "sha256": sha256(content).hexdigest()}
    source = {"$type": "python_package", "package": "skeletons", "version": "1.5"}
    declare_member(tmp_path, {**source, "wheel": stated, "member": "net.bin"})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    is_the_only_file(tmp_path)


def declare_member(root, source):
    (root / "net.bin").write_bytes(b"weights")
    file = {**declared_file(root / "net.bin"), "source": source}
    (root / "net.bin").unlink()
    write_model(root / "models", "net", model_yml(files=[file]))


def is_the_only_file(root):
    ended = download(root)
    assert_success(ended)
    written = [path for path in (root / "out").rglob("*") if path.is_file()]
    assert [path.name for path in written if path.read_bytes() == b"weights"] == ["net.bin"]


@pytest.mark.parametrize("name", ["public/net/CON", "public/aux/model.yml", "a:b", "x\\y", "Omz"])
def test_a_registry_in_a_wheel_with_such_a_member_is_refused(tmp_path, monkeypatch, name):
    ended = read_registry(tmp_path, monkeypatch, ["public/net/model.yml", "omz", name])
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "error: the registry omz cannot be read: " in ended.stderr
    assert not named_registry_root("omz").exists()


def read_registry(root, monkeypatch, names):
    content = as_yaml(model_yml()).encode()
    members = {f"omz_tools/models/{name}": content for name in names}
    wheel = make_wheel(root / "links", members, "openvino_dev-2024.6.0-7-py3-none-any.whl")
    source = member_of(wheel, "omz_tools/models", package="openvino-dev")
    module, attribute = features.PARTS["registries"]["omz"].split(":")
    monkeypatch.setattr(f"{module}.{attribute}", source)
    monkeypatch.setenv("PIP_FIND_LINKS", str(root / "links"))
    return posezoo("list", "net", "--registry", "omz", cwd=root)


# --- names of models


def new(root, name, *files):
    flags = ("--license", "Apache-2.0", "--models_dir", "models")
    return posezoo("new", name, "--from", *files, *flags, cwd=root)


@pytest.mark.parametrize("name", ["con", "Nul.1", "lpt9"])
def test_a_folder_of_such_a_name_is_no_model(tmp_path, name):
    write_model(tmp_path / "models", name, model_yml())
    error = refusal(posezoo("list", "--models_dir", "models", cwd=tmp_path))
    problem = f"the folder name '{name}' is not a model name: is a name that Windows reserves"
    assert error.splitlines()[0].endswith(problem)


def test_two_models_that_differ_in_case_only_are_refused(tmp_path):
    for name in ("net", "Net"):
        write_model(tmp_path / "models", name, model_yml())
    error = refusal(posezoo("info", "net", "--models_dir", "models", cwd=tmp_path))
    problem = "the name net is also used by models/public/Net/model.yml"
    assert problem in error.splitlines()[0]


# --- locks and mirrors


def locked(**changed):
    fields = {"model": "net", "file": "net.bin", "size": 7, "sha384": "0" * 96}
    fields |= {"origin": "published", "first_seen": "2026-01-01T00:00:00Z", **changed}
    return json.dumps(fields) + "\n"


@pytest.mark.parametrize("name", [*OF_EACH_KIND, "../net.bin"])
@pytest.mark.parametrize("key", ["model", "file"])
def test_a_lock_with_such_a_name_is_refused_at_its_line(tmp_path, key, name):
    declare_files(tmp_path, "net.bin")
    (tmp_path / "posezoo.lock").write_text(locked(model="other") + locked(**{key: name}), "utf-8")
    ended = download_locked(tmp_path)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert ended.stderr.startswith("error: posezoo.lock:2: ")
    assert not (tmp_path / "out").exists()


def download_locked(root):
    flags = ("--models_dir", "models", "--lock", "posezoo.lock", "--locked")
    return posezoo("download", "net", "-o", "out", *flags, cwd=root)


def test_a_mirror_whose_lock_has_such_a_name_is_refused(tmp_path):
    declare_files(tmp_path, "net.bin")
    made = posezoo("mirror", "create", "mirror", "net", "--models_dir", "models", cwd=tmp_path)
    assert_success(made)
    assert_success(posezoo("mirror", "check", "mirror", cwd=tmp_path))
    with open(tmp_path / "mirror/posezoo.lock", "a", encoding="utf-8") as lock:
        lock.write(locked(model="../../outside", file="model.yml", origin="registry"))
    error = refusal(posezoo("mirror", "check", "mirror", cwd=tmp_path))
    assert "posezoo.lock:3: '../../outside' has an empty, . or .. part" in error


# --- results that are named after a user's file


def pose_network(xml):
    return write_ir(xml, {"heatmaps": (1, 17, 16, 24)})


@pytest.mark.parametrize("stem", ["con", "con.v1", "aux-v1.net."])
def test_an_export_of_a_file_of_such_a_name_has_names_for_each_system(tmp_path, stem):
    xml = pose_network(tmp_path / f"{stem}.xml")
    ended = posezoo("export", xml, "--to", "ovms", "out", cwd=tmp_path)
    assert_success(ended)
    names = [path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.glob("out/*/**/*")]
    assert any(name.endswith(".xml") for name in names)
    assert [name for name in names if explain_unsafe_file_name(name)] == []


def test_photos_whose_names_differ_in_case_only_have_pictures_of_their_own(tmp_path):
    xml = pose_network(tmp_path / "net.xml")
    photos = ["one/Photo.jpg", "two/con.v1.jpg", "two/other.jpg", "two/photo.jpg"]
    for name in photos:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((64, 96, 3), np.uint8))
    ended = posezoo(
        "run", xml, "--detector", "none", "--input", *photos, "-o", "found", cwd=tmp_path
    )
    assert_success(ended)
    pictures = sorted(path.name for path in tmp_path.glob("found/*.jpg"))
    expected = ["Photo_poses.jpg", "con_.v1_poses.jpg", "other_poses.jpg", "photo_poses_2.jpg"]
    assert pictures == expected
