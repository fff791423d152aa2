"""Exports with other inputs, or with their decoder: they are made from the IR that is there."""

import shutil
import sys

import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from fakes.command import json_of, posezoo, refusal, succeeded
from fakes.when_used import import_when_used
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.settings import read_settings, to_settings
from posezoo.export.model_export import with_export_dir
from posezoo.export.targets import TARGETS

import_when_used("torch")
ov = import_openvino()

NETWORK = "mobile_pose_mobilenetv3_small"
FRAMES = ("--input_type", "u8", "--input_layout", "NHWC")
#: The network alone, in the precision of the IR that was made.
ALONE = ("--detector", "none", "--precision", "FP32")


@pytest.fixture(scope="module")
def converted(shared, pytorch_here, tmp_path_factory):
    """A folder with the IR of a network that PyTorch converted, and without its checkpoint."""
    folder = tmp_path_factory.mktemp("converted")
    checkpoint = folder / f"{NETWORK}.params"
    shutil.copy(shared / "data" / "checkpoints" / checkpoint.name, checkpoint)
    image = {"name": "data", "shape": [1, 3, 256, 192], "layout": "NCHW", "color": "RGB"}
    preparation = {"mean": [123.675, 116.28, 103.53], "scale": [58.395, 57.12, 57.375]}
    content = model_yml(
        framework="pytorch",
        network={"name": NETWORK},
        checkpoint=checkpoint.name,
        files=[declared_file(checkpoint)],
        inputs=[image | preparation],
        outputs=[{"name": "heatmaps", "shape": [1, 17, 64, 48], "role": "heatmaps"}],
        decoder={"name": "heatmap", "convention": "argmax"},
        skeleton="coco-17",
    )
    write_model(folder / "models", "net", content)
    succeeded(posezoo("get", "net", "--precisions", "FP32", *places(folder), cwd=folder))
    checkpoint.unlink()
    (folder / "irs" / "public" / "net" / checkpoint.name).unlink()
    return folder


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


def places(folder, irs="irs"):
    return ("--models_dir", folder / "models", "--weights_dir", folder / irs)


def export(folder, *args, irs="irs"):
    return posezoo("export", "net", *args, *ALONE, *places(folder, irs), cwd=folder)


def run(xml, picture):
    network = compiled(xml)
    results = network([picture])
    return {port.any_name: results[port] for port in network.outputs}


@pytest.mark.parametrize(
    ("target", "flags"),
    [
        *((target, ()) for target in TARGETS.builtin),
        ("folder", FRAMES),
        ("ovms", ("--decode", *FRAMES, "--resize")),
    ],
)
def test_an_export_needs_neither_the_original_nor_torch(
    converted, without_torch, out, target, flags
):
    for more in (("--dry_run",), ()):
        ended = export(converted, "--to", target, out, *flags, *more)
        if target in ("dlstreamer", "modelapi"):  # they do not take this network
            assert "torch" not in ended.stderr
            return
        assert ended.returncode == 0, ended.stderr
    is_onnx = TARGETS.find(target).network_format == "ONNX"
    assert [*out.rglob("*.onnx" if is_onnx else "*.xml")]


def test_frames_and_images_give_the_same_outputs(converted, without_torch, out):
    usual = converted / "irs" / "public" / "net" / "FP32" / "net.xml"
    before = usual.read_bytes()
    (model,) = json_of(
        succeeded(export(converted, "--to", "folder", out, *FRAMES, "--format", "json"))
    )["models"]
    frame = np.random.default_rng(0).integers(0, 256, (1, 256, 192, 3), np.uint8)  # BGR
    image = np.ascontiguousarray(frame[..., ::-1].transpose(0, 3, 1, 2)).astype(np.float32)
    expected = run(usual, image)["heatmaps"]
    found = run(model["ir"], frame)["heatmaps"]
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert usual.read_bytes() == before


def test_an_export_with_its_decoder_finds_the_highest_values_of_the_ir(
    converted, without_torch, out
):
    (model,) = json_of(
        succeeded(export(converted, "--to", "folder", out, "--decode", "--format", "json"))
    )["models"]
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 256, 192)).astype(np.float32)
    usual = converted / "irs" / "public" / "net" / "FP32" / "net.xml"
    heatmaps = run(usual, image)["heatmaps"][0]
    (found,) = run(model["ir"], image)["keypoints"]
    rows, columns = np.unravel_index(heatmaps.reshape(17, -1).argmax(axis=1), (64, 48))
    scores = np.minimum(heatmaps.max(axis=(1, 2)), 1)
    np.testing.assert_allclose(found[:, 2], scores, rtol=1e-4)
    # A cell has 4 x 4 pixels.
    np.testing.assert_allclose(found[:, :2], 4 * np.stack([columns, rows], axis=1), atol=4)


def test_other_inputs_have_a_folder_of_their_own(tmp_path):
    given = {"models_dir": (tmp_path,), "weights_dir": tmp_path / "irs"}
    context = open_context(to_settings(read_settings(given)))
    assert with_export_dir(context, InputOptions()) == context
    other = with_export_dir(context, InputOptions(resize=True)).layout.output_dir
    assert other == context.layout.output_dir / "exported" / "resize=True"


def test_without_the_ir_the_missing_package_is_named(converted, without_torch, tmp_path, out):
    assert "torch is not installed" in refusal(export(converted, "--to", "cpp", out, irs=tmp_path))
