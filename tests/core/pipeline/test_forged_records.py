"""What a file is, its bytes say: no time, no size, no record and no key of anybody saves reading them."""

import hashlib
import json
import os

import pytest

import posezoo
from fakes import seeker
from fakes.command import posezoo as run_posezoo
from fakes.command import succeeded
from fakes.files import zipped
from fakes.network import HEIGHT, WIDTH, network
from fakes.when_used import needs
from fakes.zoo import declared_file, omz_yml, onnx_yml, write_model
from posezoo.core.errors import PosezooError
from posezoo.core.files.manifest import NAME, read_json

needs("openvino")
needs("onnx")

PROOFS = ({"POSEZOO_LOCKED": "yes"}, {"POSEZOO_REQUIRE_PROOF": "yes"})
ALWAYS = ({}, *PROOFS)


def forge(path):
    """Change a byte of a file, as a disk image does that keeps all times, and what the manifest says of them."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    manifest = path.with_name(NAME)
    if path.name in read_json(manifest).get("files", {}):
        status = path.stat()
        stored = read_json(manifest)
        stored["files"][path.name] |= {"mtime_ns": status.st_mtime_ns, "inode": status.st_ino}
        manifest.write_text(json.dumps(stored))


def call(folder, *words, **environ):
    places = {"POSEZOO_MODELS_DIR": "models", "POSEZOO_WEIGHTS_DIR": "out", "POSEZOO_LOCK": "lock"}
    return run_posezoo(*words, cwd=folder, **places, **environ)


@pytest.fixture
def converted(tmp_path):
    (tmp_path / "net.onnx").write_bytes(network("onnx"))
    write_model(tmp_path / "models", "net", onnx_yml(declared_file(tmp_path / "net.onnx")))
    succeeded(call(tmp_path, "get", "net"))
    succeeded(call(tmp_path, "lock", "net"))
    return tmp_path


@pytest.fixture
def published(tmp_path):
    ir = seeker.write_ir(tmp_path / "ir")
    write_model(tmp_path / "models", seeker.NAME, seeker.model_yml(ir))
    succeeded(call(tmp_path, "get", seeker.NAME))
    succeeded(call(tmp_path, "lock", seeker.NAME))
    return tmp_path


@pytest.mark.parametrize("proof", ALWAYS)
@pytest.mark.parametrize("verb", ["get", "convert"])
def test_a_forged_record_makes_no_changed_ir_pass(converted, proof, verb):
    weights = converted / "out/public/net/FP16/net.bin"
    right = weights.read_bytes()
    forge(weights)
    succeeded(call(converted, verb, "net", **proof))
    assert weights.read_bytes() == right


def test_two_users_of_a_folder_rewrite_nothing(converted, monkeypatch):
    def read_all():
        files = [path for path in (converted / "out").rglob("*") if path.is_file()]
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}

    before = read_all()
    for home in ("other", "third", "other"):
        monkeypatch.setenv("HOME", str(converted / home))
        monkeypatch.setenv("XDG_CACHE_HOME", str(converted / home / "cache"))
        for verb in ("get", "verify"):
            succeeded(call(converted, verb, "net"))
    assert read_all() == before
    assert not list(converted.rglob("records.key"))


@pytest.mark.parametrize("proof", ALWAYS)
def test_a_forged_record_makes_no_changed_published_file_pass(published, proof):
    weights = published / "out/public/seeker/FP32/seeker.bin"
    right = weights.read_bytes()
    forge(weights)
    refused = call(published, "convert", "seeker", **proof)
    assert refused.returncode == 1
    assert "it is not the file that was published" in refused.stderr
    succeeded(call(published, "get", "seeker", **proof))
    assert weights.read_bytes() == right


@pytest.mark.parametrize("proof", ALWAYS)
def test_a_loaded_model_has_the_bytes_of_the_lock(published, proof, monkeypatch):
    weights = published / "out/public/seeker/FP32/seeker.bin"
    forge(weights)
    (published / "ir" / "seeker.bin").unlink()  # the right bytes are nowhere
    settings = {name.lower().removeprefix("posezoo_"): True for name in proof}
    with pytest.raises(PosezooError):
        posezoo.load(
            "seeker",
            precision="FP32",
            detector=None,
            listener=None,
            models_dir=(published / "models",),
            weights_dir=published / "out",
            lock=published / "lock",
            cache_dir=published / "cache",
            **settings,
        )


@pytest.fixture
def unpacked(tmp_path):
    (tmp_path / "net.zip").write_bytes(zipped({"net.onnx": network("onnx")}))
    unpack = [{"$type": "unpack_archive", "format": "zip", "file": "net.zip"}]
    file = declared_file(tmp_path / "net.zip")
    image = {"name": "image", "shape": [1, 3, HEIGHT, WIDTH], "layout": "NCHW"}
    content = omz_yml(files=[file], postprocessing=unpack, input_info=[image])
    write_model(tmp_path / "models", "net", content)
    succeeded(call(tmp_path, "download", "net"))
    return tmp_path


def test_a_forged_record_makes_no_changed_member_of_an_archive_pass(unpacked):
    member = unpacked / "out/public/net/net.onnx"
    forge(member)
    succeeded(call(unpacked, "download", "net"))
    assert member.read_bytes() == network("onnx")


def forge_manifest(path):
    """Change a file, and what its manifest says of it."""
    path.write_bytes(network("onnx", seed=1) if path.suffix == ".onnx" else b"forged\n")
    manifest = path.with_name(NAME)
    stored = read_json(manifest)
    stored["files"][path.name]["sha384"] = hashlib.sha384(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(stored))


@pytest.mark.parametrize("proof", [{}, {"POSEZOO_REQUIRE_PROOF": "yes"}])
def test_a_forged_manifest_makes_no_changed_member_of_an_archive_an_original(unpacked, proof):
    member = unpacked / "out/public/net/net.onnx"
    forge_manifest(member)
    refused = call(unpacked, "convert", "net", **proof)
    assert refused.returncode == 1
    assert (
        f"{member.relative_to(unpacked)}: is not the file that model.yml makes of net.zip"
        in refused.stderr
    )
    member.unlink()
    succeeded(call(unpacked, "download", "net", **proof))
    assert member.read_bytes() == network("onnx")


def test_without_its_archive_the_members_of_a_manifest_are_no_proof(unpacked):
    member = unpacked / "out/public/net/net.onnx"
    forge_manifest(member)
    member.with_name("net.zip").unlink()
    refused = call(unpacked, "get", "net", POSEZOO_REQUIRE_PROOF="yes")
    assert refused.returncode == 1
    doubt = "because nothing shows what net.zip contained, which was unpacked and removed"
    assert doubt in refused.stderr
    succeeded(call(unpacked, "get", "net", "--quiet"))
    record = unpacked / "out/public/net/FP16" / NAME
    assert json.loads(record.read_text())["self_check"]["proof"] == "cannot be compared"


def test_a_forged_manifest_makes_no_other_text_of_a_changed_one(tmp_path):
    (tmp_path / "net.onnx").write_bytes(network("onnx"))
    (tmp_path / "labels.txt").write_text("old\n")
    files = [declared_file(tmp_path / name) for name in ("net.onnx", "labels.txt")]
    change = {"file": "labels.txt", "pattern": "old", "replacement": "new"}
    steps = [{"$type": "regex_replace", **change}]
    image = {"name": "image", "shape": [1, 3, HEIGHT, WIDTH], "layout": "NCHW"}
    content = omz_yml(files=files, postprocessing=steps, input_info=[image])
    write_model(tmp_path / "models", "net", content)
    succeeded(call(tmp_path, "download", "net"))
    text = tmp_path / "out/public/net/labels.txt"
    forge_manifest(text)
    refused = call(tmp_path, "convert", "net")
    assert "labels.txt: is not the file that model.yml makes of labels.txt.orig" in refused.stderr
    text.unlink()
    succeeded(call(tmp_path, "get", "net"))


def test_members_that_another_user_unpacked_stay(unpacked, monkeypatch):
    member = unpacked / "out/public/net/net.onnx"
    before = member.stat().st_ino
    manifest = member.with_name(NAME)
    theirs = manifest.read_bytes()
    member.with_name("net.zip").unlink()
    (unpacked / "net.zip").unlink()  # it cannot be fetched again
    monkeypatch.setenv("HOME", str(unpacked / "other"))
    succeeded(call(unpacked, "get", "net", "--dry_run"))
    succeeded(call(unpacked, "download", "net"))
    assert member.stat().st_ino == before
    assert manifest.read_bytes() == theirs


@pytest.mark.parametrize("verb", ["get", "convert"])
def test_with_a_lock_a_changed_published_file_is_found_although_the_ir_is_right(converted, verb):
    file = converted / "out/public/net/net.onnx"
    forge(file)
    succeeded(call(converted, verb, "net"))  # the IR is all that is used
    ended = call(converted, verb, "net", "--locked")
    if verb == "convert":
        assert f"{file.relative_to(converted)}: is not the file that lock lists" in ended.stderr
        assert ended.returncode == 1
        return
    succeeded(ended)
    assert file.read_bytes() == network("onnx")
    assert file.with_name("net.onnx.bak1").exists()
    file.unlink()  # it is not needed
    succeeded(call(converted, verb, "net", "--locked"))
    assert not file.exists()


def test_with_a_lock_a_changed_member_is_found_although_the_ir_is_right(unpacked):
    succeeded(call(unpacked, "get", "net"))
    succeeded(call(unpacked, "lock", "net"))
    member = unpacked / "out/public/net/net.onnx"
    forge(member)
    succeeded(call(unpacked, "get", "net", "--locked"))
    assert member.read_bytes() == network("onnx")
