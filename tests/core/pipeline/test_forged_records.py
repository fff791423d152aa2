"""A record beside a file can say what os.stat says of changed bytes: a disk image, a stick or a share
keeps it. Where the user requires proof, the bytes decide.
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
from posezoo.core.files.file_record import fingerprint, record_path

needs("openvino")
needs("onnx")

PROOFS = ({"POSEZOO_LOCKED": "yes"}, {"POSEZOO_REQUIRE_PROOF": "yes"})


def forge(path):
    """Change a byte of a file, and let its record say that it is as it was verified."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    record = record_path(path)
    stored = json.loads(record.read_bytes())
    stored["verified"].update(fingerprint(path))
    record.write_text(json.dumps(stored))
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


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("verb", ["get", "convert"])
def test_a_forged_record_makes_no_changed_ir_pass(converted, proof, verb):
    weights = converted / "out/public/net/FP16/net.bin"
    right = weights.read_bytes()
    forged = forge(weights)
    succeeded(call(converted, verb, "net"))
    assert weights.read_bytes() == forged  # where nothing is promised, a record saves time
    succeeded(call(converted, verb, "net", **proof))
    assert weights.read_bytes() == right


@pytest.mark.parametrize("proof", PROOFS)
def test_a_forged_record_makes_no_changed_published_file_pass(published, proof):
    weights = published / "out/public/seeker/FP32/seeker.bin"
    right = weights.read_bytes()
    forge(weights)
    refused = call(published, "convert", "seeker", **proof)
    assert refused.returncode == 1
    assert "it is not the file that was published" in refused.stderr
    succeeded(call(published, "get", "seeker", **proof))
    assert weights.read_bytes() == right


@pytest.mark.parametrize("proof", PROOFS)
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


def test_the_members_of_an_archive_are_unpacked_again_where_proof_is_required(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr("net.onnx", network("onnx"))
    unpack = [{"$type": "unpack_archive", "format": "zip", "file": "net.zip"}]
    write_model(
        tmp_path / "models",
        "net",
        onnx_yml(declared_file(tmp_path / "net.zip"), postprocessing=unpack),
    )
    succeeded(call(tmp_path, "download", "net"))
    member = tmp_path / "out/public/net/net.onnx"
    right = member.read_bytes()
    member.write_bytes(right[:-1] + b"x")
    record = record_path(member.with_name("net.zip"))
    stored = json.loads(record.read_bytes())
    digest = hashlib.sha384(member.read_bytes()).hexdigest()
    stored["outputs"]["files"]["net.onnx"] = {**fingerprint(member), "sha384": digest}
    record.write_text(json.dumps(stored))
    succeeded(call(tmp_path, "download", "net", POSEZOO_REQUIRE_PROOF="yes"))
    assert member.read_bytes() == right
