"""The founding networks from generated checkpoints in the forms that they are published in: IR against PyTorch.

The weights are those that the published outputs were made with, so that nothing dies on the way down.
"""

from __future__ import annotations

import numpy as np
import pytest

from fakes.checkpoints import params
from networks.published import REFERENCES, Published
from posezoo import provenance
from posezoo.complexity import read_complexity
from posezoo.convert.convert import convert
from posezoo.convert.own_weights import freed, of_network
from posezoo.layout import Layout
from posezoo.openvino_runtime import openvino
from posezoo.spec.model import Precision

torch = pytest.importorskip("torch", reason="needs torch")

FP32, FP16 = Precision.FP32, Precision.FP16

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def published(shared):
    """The published keys, and the weights that go with the published outputs."""
    return Published(shared / "facts")


def as_pth(published, reference, path):
    """PyTorch's own file, as most are published."""
    torch.save(published.network(reference).state_dict(), path.with_suffix(".pth"))
    return path.with_suffix(".pth")


def as_training_leaves_it(published, reference, path):
    """In the form before PyTorch 1.6, wrapped, from several devices."""
    state = {f"module.{key}": tensor for key, tensor in published.network(reference).state_dict().items()}
    wrapped = {"state_dict": state, "iter": 370000, "current_epoch": 280, "optimizer": {"param_groups": []}}
    torch.save(wrapped, path.with_suffix(".pth"), _use_new_zipfile_serialization=False)
    return path.with_suffix(".pth")


def as_safetensors(published, reference, path):
    from safetensors.torch import save_file

    save_file(published.network(reference).state_dict(), path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def as_params(published, reference, path):
    """MXNet's file, under GluonCV's names."""
    calibration = published.facts / "reference" / "calib" / f"{reference.calibration}.npz"
    values = published.fill.state_dict(published.shapes(reference.calibration), calibration)
    content = params({key: np.ascontiguousarray(value) for key, value in values.items()})
    path.with_suffix(".params").write_bytes(content)
    return path.with_suffix(".params")


@pytest.mark.parametrize(
    ("name", "form", "tolerance"),
    [
        ("single_human_pose", as_safetensors, 3e-4),
        ("lightweight_openpose", as_training_leaves_it, 3e-4),
        ("human_pose_3d", as_pth, 3e-4),
        ("simple_pose_resnet18_v1b", as_params, 3e-4),
        ("simple_pose_resnet50_v1d", as_params, 3e-4),
        ("mobile_pose_mobilenetv2_1.0", as_params, 3e-4),
    ],
)
def test_the_ir_of_a_checkpoint_computes_what_pytorch_does(published, tmp_path, name, form, tolerance):
    checkpoint = form(published, REFERENCES[name], tmp_path / "weights")
    spec = of_network(name, checkpoint)
    layout = Layout(tmp_path, tmp_path, checkpoint)
    irs = convert(spec, layout).irs
    assert set(irs) == {FP32, FP16}
    record = provenance.read(layout.provenance(spec, FP32))
    for check in record.checks:
        assert 0 < check.difference <= tolerance, check
    known = published.table(REFERENCES[name].calibration)
    if "mparams" in known:
        assert record.complexity["mparams"] == pytest.approx(known["mparams"], rel=1e-3)


def test_higher_hrnet_marks_the_same_peaks_at_its_own_size_and_at_any(published, tmp_path):
    checkpoint = as_pth(published, REFERENCES["higher_hrnet"], tmp_path / "weights")
    spec = of_network("higher_hrnet", checkpoint)
    layout = Layout(tmp_path, tmp_path, checkpoint)
    fixed = convert(spec, layout).irs[FP32]
    found = read_complexity(fixed)
    assert found.gflops == pytest.approx(92.8364, rel=1e-3)
    assert found.mparams == pytest.approx(28.618, rel=1e-3)

    ov = openvino()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 512, 512)).astype(np.float32)
    wanted = ov.Core().compile_model(fixed, "CPU", exact)(image)
    open_ir = convert(freed(spec), Layout(tmp_path, tmp_path / "open", checkpoint), precisions={FP32}).irs[
        FP32
    ]
    compiled = ov.Core().compile_model(open_ir, "CPU", exact)
    assert str(compiled.input(0).partial_shape) == "[1,3,?,?]"
    ours = compiled(image)
    for name in ("heatmaps", "embeddings"):
        assert np.abs(np.abs(ours[name]) - np.abs(wanted[name])).max() <= 3e-4 * np.abs(wanted[name]).max()
    assert (
        np.count_nonzero((ours["heatmaps"] < 0) != (wanted["heatmaps"] < 0)) <= 1e-4 * wanted["heatmaps"].size
    )
    assert compiled(image[:, :, :192, :320])["heatmaps"].shape == (1, 17, 96, 160)
