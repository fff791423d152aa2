import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.conversion import convert_model
from fakes.files import zipped
from fakes.network import downloaded, network, source_file, spec_of, with_weights_beside
from posezoo.core.convert import frontends
from posezoo.core.declarations.model import Digest, Framework, NetworkChoice, Precision
from posezoo.core.errors import ConversionError, MissingPackageError

WRONG_KINDS = {
    "an ONNX model": network("onnx"),
    "a frozen TensorFlow graph": network("pb"),
    "a zip archive": zipped({"archive/data.pkl": b"a pickle that must not be loaded"}),
    "a gzip archive": b"\x1f\x8b\x08" + bytes(30),
    "a web page or XML": b"\n\n<!DOCTYPE html><html>not found</html>",
    "something else": b"notes\n",
    "empty": b"",
}


EXPECTED = {
    Framework.TFLITE: "a TFLite model",
    Framework.ONNX: "an ONNX model",
    Framework.TF: "a frozen TensorFlow graph",
}


@pytest.mark.parametrize("framework", EXPECTED)
@pytest.mark.parametrize("kind", [*WRONG_KINDS, "a TFLite model"])
def test_a_file_of_another_kind_is_refused_before_openvino_sees_it(tmp_path, framework, kind):
    """Its digest is the declared one: the mistake is in the model.yml."""
    if kind == EXPECTED[framework]:
        return
    content = network() if kind == "a TFLite model" else WRONG_KINDS[kind]
    spec = spec_of(content, tmp_path, framework=framework)
    layout = downloaded(spec, content, tmp_path)
    with pytest.raises(
        ConversionError, match=f"(?m): not {EXPECTED[framework]}, but {kind}$"
    ) as failure:
        convert_model(spec, layout)
    assert "framework" in failure.value.hint
    assert not list(layout.model_dir(spec).rglob("*.xml"))


@pytest.mark.parametrize("kept", [8, 100, 1000])
def test_a_truncated_network_is_refused_in_one_line(tmp_path, kept):
    content = network()[:kept]
    spec = spec_of(content, tmp_path)
    # OpenVINO before 2026 ends the process that reads it.
    problem = "OpenVINO cannot read it: |its process was ended by SIGSEGV"
    with pytest.raises(ConversionError, match=problem) as failure:
        convert_model(spec, downloaded(spec, content, tmp_path))
    assert "\n" not in failure.value.problem


@pytest.mark.parametrize("kind", ["onnx", "pb"])
def test_a_truncated_protobuf_is_refused_before_openvino_sees_it(tmp_path, kind):
    for kept in (1, 8, 100, len(network(kind)) - 1):
        content = network(kind)[:kept]
        spec = spec_of(content, tmp_path)
        with pytest.raises(ConversionError, match=f"(?m)tiny.{kind}: not .*, but something else$"):
            convert_model(spec, downloaded(spec, content, tmp_path))


def test_weights_in_a_further_file_of_the_model_are_read(tmp_path):
    content, weights = with_weights_beside("./data/weights.bin")
    files = (
        source_file("onnx/tiny.onnx", content, tmp_path),
        source_file("onnx/data/weights.bin", weights, tmp_path),
    )
    spec = spec_of(content, tmp_path, files=files)
    layout = downloaded(spec, content, tmp_path)
    with pytest.raises(ConversionError, match=r"(?m)data/weights.bin: does not exist$"):
        convert_model(spec, layout)
    beside = layout.file_path(spec, files[1])
    beside.parent.mkdir()
    beside.write_bytes(bytes(len(weights)))
    with pytest.raises(
        ConversionError,
        match=r"(?m)data/weights.bin: its digest differs from the one in model\.yml$",
    ):
        convert_model(spec, layout)
    beside.write_bytes(weights)
    whole = spec_of(network("onnx"), tmp_path, name="whole")
    expected = convert_model(whole, downloaded(whole, network("onnx"), tmp_path)).irs
    for precision, xml in convert_model(spec, layout).irs.items():
        assert (
            xml.with_suffix(".bin").read_bytes()
            == expected[precision].with_suffix(".bin").read_bytes()
        )


@pytest.mark.parametrize(
    "location",
    [
        "weights.bin",
        "../weights.bin",
        "../../../secret",
        "{root}/secret",
        "C:\\secret",
        "",
        "a\x1b[2Jb",
    ],
)
def test_weights_in_any_other_file_are_refused_before_openvino_sees_it(tmp_path, location):
    """Even where the file is there."""
    location = location.format(root=tmp_path)
    (tmp_path / "secret").write_bytes(bytes(1000))
    content, _ = with_weights_beside(location)
    spec = spec_of(content, tmp_path)
    layout = downloaded(spec, content, tmp_path)
    (layout.model_download_dir(spec) / "weights.bin").write_bytes(bytes(1000))
    with pytest.raises(
        ConversionError, match=r"(?m)which is not one of the model's files$"
    ) as failure:
        convert_model(spec, layout)
    assert "tiny.onnx: keeps weights in " in failure.value.problem
    assert failure.value.problem.isprintable()


def test_a_missing_openvino_is_reported_as_such(tmp_path, monkeypatch):
    content = network("onnx")
    spec = spec_of(content, tmp_path, framework=Framework.ONNX)
    path = downloaded(spec, content, tmp_path).file_path(spec, spec.files[0])
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingPackageError, match="openvino"):
        frontends.read_network(spec, path)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'flat.x'", name="flat.x"), "flat is not installed"),
        (ImportError("no symbol", name="flat"), "flat is installed but does not load: no symbol"),
    ],
)
def test_a_package_that_is_missing_while_a_file_is_read_is_named_with_its_extra(
    tmp_path, monkeypatch, error, said
):
    content = network("onnx")
    spec = spec_of(content, tmp_path, framework=Framework.ONNX)
    path = downloaded(spec, content, tmp_path).file_path(spec, spec.files[0])

    def fail(*_args):
        raise error

    monkeypatch.setattr(frontends, "_read", fail)
    with pytest.raises(MissingPackageError) as caught:
        frontends.read_network(spec, path)
    assert caught.value.problem == said
    assert "[run]" in caught.value.hint


def test_a_model_without_files_is_refused(tmp_path):
    spec = spec_of(network(), tmp_path, files=())
    with pytest.raises(ConversionError, match="names no file"):
        convert_model(spec, downloaded(spec_of(network(), tmp_path), network(), Path(tmp_path)))


def test_openvino_without_its_private_transformations_makes_the_same_ir(tmp_path, monkeypatch):
    made = []
    for without in (False, True):
        if without:
            monkeypatch.setattr(
                frontends, "_simplifications", lambda: getattr(frontends, "no such thing")
            )
        spec = spec_of(network(), tmp_path)
        layout = downloaded(spec, network(), tmp_path / str(without))
        xml = convert_model(spec, layout, self_check=False).irs[Precision.FP32]
        made.append((xml.read_bytes(), xml.with_suffix(".bin").read_bytes()))
    assert made[0] == made[1]


WEIGHTS = b"weights, or so"
SHA1 = hashlib.sha1(WEIGHTS).hexdigest()


@pytest.mark.parametrize("digits", [SHA1, SHA1[:8]])
def test_an_unpacked_checkpoint_that_changed_since_is_refused(tmp_path, digits):
    """Though the archive that it came from is as it was: the self-check would hold damage against itself."""
    archive = zipped({"net.params": WEIGHTS})
    pinned = source_file("weights/net.zip", archive, tmp_path)
    file = replace(pinned, contains={"net.params": Digest("sha1", digits)})
    network = NetworkChoice("mobile_pose_mobilenetv3_small", {})
    spec = spec_of(b"", tmp_path, framework=Framework.PYTORCH, files=(file,))
    spec = replace(spec, network=network, checkpoint="weights/net.params")
    layout = downloaded(spec, archive, tmp_path)
    unpacked = layout.model_download_dir(spec) / "weights" / "net.params"
    unpacked.write_bytes(WEIGHTS)
    assert frontends.verify_source_model(spec, layout) == unpacked
    unpacked.write_bytes(WEIGHTS[::-1])
    with pytest.raises(
        ConversionError, match=r"(?m)net\.params: differs from the file in weights/net\.zip$"
    ) as failure:
        frontends.verify_source_model(spec, layout)
    assert failure.value.hint.startswith(f"remove it; posezoo download {spec.name} --models_dir ")
