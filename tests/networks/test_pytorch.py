"""A checkpoint of one of our networks to ONNX and IR, by way of a PyTorch that has a process of its own."""

import io
import shutil
import sys
import warnings
from dataclasses import replace
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import onnx
import pytest

from conftest import pytorch_in_this_process
from fakes.conversion import convert_model, is_up_to_date, plan_conversion, resolved_of
from fakes.when_used import import_when_used
from posezoo.core.convert.conversion import write_onnx
from posezoo.core.declarations.model import (
    Family,
    Framework,
    License,
    ModelSpec,
    NetworkChoice,
    Output,
    Precision,
    SourceFile,
)
from posezoo.core.errors import ConversionError, NetworkError, SelfCheckError
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir import ir_writer, provenance
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.layout import ModelLayout
from posezoo.core.workers import program
from posezoo.networks import NETWORKS, build_network, find_network
from posezoo.networks import pytorch_format as pytorch
from posezoo.networks.custom_weights import spec_with_checkpoint
from posezoo.proof.reference_outputs import compute_reference

import_when_used("torch")

FP32, FP16 = Precision.FP32, Precision.FP16
SMALL = "mobile_pose_mobilenetv3_small"
QUICK = (SMALL, "lightweight_openpose")


def declared(checkpoint, network=SMALL, **arguments):
    """A model of the zoo whose one file is this checkpoint, and where that lies."""
    known = find_network(network)
    file = SourceFile(checkpoint.name, checkpoint.stat().st_size, compute_digest(checkpoint), ())
    spec = ModelSpec(
        name="net",
        family=Family.PUBLIC,
        path=checkpoint.parent / "model.yml",
        description="A network.",
        task="human_pose_estimation",
        framework=Framework.PYTORCH,
        license=License("Apache-2.0"),
        files=(file,),
        inputs=(known.input,),
        outputs=tuple(Output(name, ()) for name in known.output_names()),
        network=NetworkChoice(network, arguments),
        checkpoint=checkpoint.name,
    )
    root = checkpoint.parent / "zoo"
    layout = ModelLayout(root, root)
    published = layout.file_path(spec, file)
    published.parent.mkdir(parents=True, exist_ok=True)
    published.write_bytes(checkpoint.read_bytes())
    return spec, layout


@pytest.fixture(scope="module")
def params(shared, tmp_path_factory):
    """A checkpoint as MXNet itself wrote it."""
    path = tmp_path_factory.mktemp("checkpoint") / f"{SMALL}.params"
    path.write_bytes((shared / "data" / "checkpoints" / path.name).read_bytes())
    return path


@pytest.fixture(scope="module")
def made(params):
    """The model, its places and its IR, converted once."""
    spec, layout = declared(params)
    return spec, layout, convert_model(spec, layout).irs


def test_an_ir_computes_pytorch_s_outputs_of_the_checkpoint(made):
    spec, layout, irs = made
    assert set(irs) == {FP32, FP16}
    (check,) = provenance.read_ir_record(layout.converted_ir_path(spec, FP32)).checks
    assert (check.output, check.reference[:8]) == ("heatmaps", "PyTorch ")
    assert 0 < check.difference <= 3e-4


def test_the_same_checkpoint_gives_the_same_bytes(made, tmp_path):
    spec, layout, irs = made
    again = convert_model(spec, replace(layout, output_dir=tmp_path), self_check=False).irs
    for precision, xml in irs.items():
        for suffix in (".xml", ".bin"):
            assert (
                xml.with_suffix(suffix).read_bytes()
                == again[precision].with_suffix(suffix).read_bytes()
            )


# What the files of the other networks compute is compared in tests/networks/test_export.py.
@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("name", QUICK)
def test_the_onnx_is_the_one_that_pytorch_alone_would_write(name, is_open, tmp_path):
    torch = pytest.importorskip("torch")
    known, module = NETWORKS[name], build_network(name)
    torch.save(module.state_dict(), tmp_path / "net.pth")
    batch, channels, *size = known.input.shape
    shape = (-1, channels, -1, -1) if is_open else (batch, channels, *size)
    spec = spec_with_checkpoint(name, tmp_path / "net.pth")
    spec = replace(spec, inputs=(replace(spec.inputs[0], shape=shape),))
    file, outputs = io.BytesIO(), list(known.module_outputs())
    axes = {key: {0: "batch", 2: "height", 3: "width"} for key in (known.input.name, *outputs)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter is deprecated, and says so
        torch.onnx.export(
            module,
            (torch.zeros(known.input.shape),),
            file,
            dynamo=False,
            opset_version=13,
            input_names=[known.input.name],
            output_names=outputs,
            dynamic_axes=axes if is_open else None,
        )
    assert pytorch.export_to_onnx(spec, tmp_path / "net.pth") == file.getvalue()


def test_an_up_to_date_ir_is_kept_until_the_network_s_arguments_change(made):
    spec, layout, _ = made
    assert is_up_to_date(spec, layout, FP32)
    other = replace(spec, network=NetworkChoice(SMALL, {"keypoints": 17}))
    assert [step.reason for step in plan_conversion(other, layout).irs] == [
        "model.yml or the flags have changed",
        "model.yml or the flags have changed",
    ]


def test_only_onnx_is_written_if_requested(made, tmp_path):
    spec, layout, _ = made
    with pytorch_in_this_process():
        onnx = write_onnx(resolved_of(spec, replace(layout, output_dir=tmp_path)))
        again = write_onnx(resolved_of(spec, replace(layout, output_dir=tmp_path / "again")))
    written = sorted(path.name for path in (tmp_path / "public" / "net").iterdir())
    assert written == ["net.onnx", "provenance.json"]
    assert onnx.read_bytes() == again.read_bytes()


def test_a_declared_size_takes_the_place_of_the_network_s_own(params, tmp_path):
    spec, layout = declared(params)
    _, channels, _, width = spec.inputs[0].shape
    shape = (-1, channels, -1, width // 2)
    spec = replace(spec, inputs=(replace(spec.inputs[0], shape=shape),))
    with pytorch_in_this_process():
        content = pytorch.export_to_onnx(spec, layout.file_path(spec, spec.files[0]))
    (port,) = onnx.load_from_string(content).graph.input
    sizes = [size.dim_param or size.dim_value for size in port.type.tensor_type.shape.dim]
    assert sizes == ["batch", channels, "height", width // 2]


def test_arguments_that_no_network_has_are_refused(params):
    spec, layout = declared(params, depth=3)
    with pytest.raises(NetworkError, match="has no argument depth"):
        convert_model(spec, layout, force=True)


def test_an_image_of_another_kind_is_refused_before_pytorch_starts(params):
    spec, layout = declared(params)
    spec = replace(spec, inputs=(replace(spec.inputs[0], shape=(1, 1, 256, 192)),))
    with pytest.raises(
        ConversionError, match=r"its input is \[1, 1, 256, 192\], the network takes \[N, 3, H, W\]"
    ):
        convert_model(spec, layout)


def test_a_wrong_ir_of_a_checkpoint_is_refused_with_its_first_wrong_node(
    params, tmp_path, monkeypatch, in_this_process
):
    spec, layout = declared(Path(shutil.copy(params, tmp_path)))
    prepare = ir_writer.prepare_for_writing

    def prepare_wrongly(network, *rest):
        prepare(network, *rest)
        (*_, convolution) = [
            node for node in network.get_ordered_ops() if node.get_type_name() == "Convolution"
        ]
        weights = import_openvino().op.Constant(
            convolution.input_value(1).node.data * np.float32(1.1)
        )
        convolution.input(1).replace_source_output(weights.output(0))

    monkeypatch.setattr(ir_writer, "prepare_for_writing", prepare_wrongly)
    with pytest.raises(
        SelfCheckError, match=r"differs from the original in heatmaps: .* first node"
    ):
        convert_model(spec, layout, precisions={FP16})
    assert not layout.ir_path(spec, FP16).exists()


def test_pytorch_runs_the_first_moved_images_along(params):
    """Its process takes longer to start than a network to run."""
    spec, layout = declared(params)
    computed = compute_reference(spec, layout.file_path(spec, spec.files[0]))
    assert all(case.moved_outputs is not None for case in computed.cases)
    assert [len(draws) for draws in computed.move(1)] == [4, 4]
    assert computed.move(5) == []


def test_a_pytorch_process_that_dies_or_cannot_start_is_reported_in_one_line(params, monkeypatch):
    spec, layout = declared(params)
    monkeypatch.setattr(program, "find_interpreter", lambda: "/bin/false")
    with pytest.raises(ConversionError, match="PyTorch's process ended with 1") as died:
        write_onnx(resolved_of(spec, layout))
    assert "memory" in died.value.hint
    monkeypatch.setattr(program, "find_interpreter", lambda: str(params.parent / "nowhere"))
    with pytest.raises(ConversionError, match="no process could be started"):
        write_onnx(resolved_of(spec, layout))


def test_a_checkpoint_becomes_the_same_file_with_and_without_the_package_onnx(
    params, tmp_path, monkeypatch
):
    spec, layout = declared(params)
    with_onnx = write_onnx(resolved_of(spec, layout)).read_bytes()
    # All that is installed here but onnx.
    for entry in map(Path, sys.path):
        if (entry / "torch").is_dir():
            for path in entry.iterdir():
                if not path.name.startswith("onnx"):
                    (tmp_path / path.name).symlink_to(path)
            monkeypatch.setattr(
                sys, "path", [str(tmp_path) if Path(e) == entry else e for e in sys.path]
            )
    assert PathFinder.find_spec("onnx", sys.path) is None
    assert write_onnx(resolved_of(spec, layout), force=True).read_bytes() == with_onnx


def test_a_model_of_pytorch_that_names_no_network_is_not_converted(params):
    spec, layout = declared(params)
    with pytest.raises(ConversionError, match="does not name one of posezoo's networks"):
        convert_model(replace(spec, network=None, checkpoint=""), layout, force=True)
