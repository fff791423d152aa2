"""A record beside a file can say what os.stat says of changed bytes: a disk image, a stick or a share
keeps it. It saves hashing only if this user wrote it; where the user requires proof, the bytes decide.
"""

import hashlib
import json

import pytest

import posezoo
from fakes import seeker
from fakes.command import posezoo as run_posezoo
from fakes.command import succeeded
from fakes.network import network
from fakes.when_used import needs
from fakes.zoo import declared_file, onnx_yml, write_model
from posezoo.core.errors import PosezooError
from posezoo.core.files.file_record import fingerprint, read_record, record_path, update_record

needs("openvino")
needs("onnx")

PROOFS = ({"POSEZOO_LOCKED": "yes"}, {"POSEZOO_REQUIRE_PROOF": "yes"})
ALWAYS = ({}, *PROOFS)


def forge(path):
    """Change a byte of a file, and let its record say that it is as it was verified."""
    content = change(path)
    record = record_path(path)
    stored = json.loads(record.read_bytes())
    stored["verified"].update(fingerprint(path))
    record.write_text(json.dumps(stored))
    return content


def change(path):
    """Change a byte of a file; returns its bytes."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return bytes(content)


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


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("verb", ["get", "convert"])
def test_the_user_s_own_record_is_no_proof(converted, proof, verb):
    weights = converted / "out/public/net/FP16/net.bin"
    right = weights.read_bytes()
    changed = change(weights)
    known = read_record(weights).known_digests
    update_record(weights, verified={**known, **fingerprint(weights)})
    succeeded(call(converted, verb, "net"))
    assert weights.read_bytes() == changed  # where nothing is promised, a record saves time
    succeeded(call(converted, verb, "net", **proof))
    assert weights.read_bytes() == right


def test_what_another_user_recorded_is_hashed_once_and_not_made_again(converted, monkeypatch):
    ir = converted / "out/public/net/FP16"
    made = {path: path.stat() for path in ir.glob("net.*")}
    records = [record_path(path) for path in made]
    theirs = [record.read_bytes() for record in records]
    monkeypatch.setenv("HOME", str(converted / "other"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    succeeded(call(converted, "get", "net"))
    assert {path: path.stat().st_ino for path in made} == {
        path: status.st_ino for path, status in made.items()
    }
    ours = [record.read_bytes() for record in records]
    assert all(mine != their for mine, their in zip(ours, theirs, strict=True))
    succeeded(call(converted, "get", "net"))
    assert [record.read_bytes() for record in records] == ours


@pytest.mark.parametrize("proof", ALWAYS)
def test_a_forged_record_makes_no_changed_published_file_pass(published, proof):
    weights = published / "out/public/seeker/FP32/seeker.bin"
    right = weights.read_bytes()
    forge(weights)
    if proof:  # without, a file that was published as IR is nothing that convert reads
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
    import zipfile

    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr("net.onnx", network("onnx"))
    unpack = [{"$type": "unpack_archive", "format": "zip", "file": "net.zip"}]
    file = declared_file(tmp_path / "net.zip")
    write_model(tmp_path / "models", "net", onnx_yml(file, postprocessing=unpack))
    succeeded(call(tmp_path, "download", "net"))
    return tmp_path


def forge_member(folder, **stated):
    """Change a member of an archive, and let the record of the archive say that it was unpacked so."""
    member = folder / "out/public/net/net.onnx"
    change(member)
    record = record_path(member.with_name("net.zip"))
    stored = json.loads(record.read_bytes())
    stored["outputs"]["files"]["net.onnx"].update(fingerprint(member), **stated)
    record.write_text(json.dumps(stored))
    return member


def test_a_forged_record_makes_no_changed_member_of_an_archive_pass(unpacked):
    member = forge_member(unpacked)
    succeeded(call(unpacked, "download", "net"))
    assert member.read_bytes() == network("onnx")


def test_the_members_of_an_archive_are_unpacked_again_where_proof_is_required(unpacked):
    member = forge_member(unpacked)
    digest = hashlib.sha384(member.read_bytes()).hexdigest()
    forge_member(unpacked, sha384=digest)
    succeeded(call(unpacked, "download", "net", POSEZOO_REQUIRE_PROOF="yes"))
    assert member.read_bytes() == network("onnx")


def test_members_that_another_user_unpacked_are_hashed_once_and_stay(unpacked, monkeypatch):
    member = unpacked / "out/public/net/net.onnx"
    before = member.stat().st_ino
    record = record_path(member.with_name("net.zip"))
    theirs = record.read_bytes()
    member.with_name("net.zip").unlink()
    (unpacked / "net.zip").unlink()  # it cannot be fetched again
    monkeypatch.setenv("HOME", str(unpacked / "other"))
    succeeded(call(unpacked, "get", "net", "--dry_run"))
    assert record.read_bytes() == theirs  # it writes nothing
    succeeded(call(unpacked, "download", "net"))
    assert member.stat().st_ino == before
    ours = record.read_bytes()
    assert ours != theirs
    stated = read_record(member.with_name("net.zip")).outputs["files"]
    assert stated["net.onnx"] == json.loads(theirs)["outputs"]["files"]["net.onnx"]
    succeeded(call(unpacked, "download", "net"))
    assert record.read_bytes() == ours
