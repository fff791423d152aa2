"""A fault inside of an IR is found where it is, also if the outputs hardly show it; a correct IR is not refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import onnx
import pytest

from fakes.conversion import convert_model
from fakes.network import HEIGHT, WIDTH, downloaded, network, spec_of
from faults.onnx_networks import (
    Form,
    OnnxNetwork,
    attention,
    faint_branch,
    mobile,
    pyramid,
    residual,
)
from posezoo.core.convert import frontends, preprocess
from posezoo.core.declarations.model import ModelSpec, Output, Precision
from posezoo.core.errors import SelfCheckError
from posezoo.core.events import NodeProof
from posezoo.core.ir import ir_writer
from posezoo.core.layout import ModelLayout
from posezoo.proof import node_comparison
from posezoo.proof.node_comparison import compare_nodes
from posezoo.proof.reference_outputs import ReferenceOutputs, compute_reference
from posezoo.proof.self_check import IrCheck

FP32 = Precision.FP32


@dataclass
class Original:
    """A network as ONNX, and what it computes."""

    form: Form
    spec: ModelSpec
    layout: ModelLayout
    reference: ReferenceOutputs

    @property
    def source(self):
        return frontends.source_model_path(self.spec, self.layout)

    def convert(self, fault=""):
        """The IR of a conversion that reads the network with a fault."""
        faulty = self.source.with_name("faulty.onnx")
        faulty.write_bytes(write(self.form, fault).content)
        ir = preprocess.apply_model_yml(frontends.read_network(self.spec, faulty), self.spec)
        return ir_writer.write_ir(ir, self.layout.output_dir / "ir" / "network.xml", FP32)

    def check(self, xml, *, by_nodes=True):
        check = IrCheck(self.spec, FP32, xml, self.source, by_nodes=by_nodes)
        return check.run(lambda: self.reference)

    def refusal(self, fault, *, by_nodes=True):
        """Why the IR with a fault is refused; empty if it is not."""
        try:
            self.check(self.convert(fault), by_nodes=by_nodes)
        except SelfCheckError as error:
            return error.problem
        return ""


def write(form, fault=""):
    net = OnnxNetwork(fault)
    return net.finish(form(net))


def write_original(folder, form):
    written = write(form)
    outputs = tuple(Output(port.name, port.shape) for port in written.outputs)
    spec = spec_of(written.content, folder, outputs=outputs)
    spec = replace(spec, inputs=(replace(spec.inputs[0], shape=written.inputs[0].shape),))
    layout = downloaded(spec, written.content, folder)
    reference = compute_reference(spec, frontends.source_model_path(spec, layout))
    assert reference is not None
    return Original(form, spec, layout, reference)


def test_a_fault_in_a_weak_branch_is_found_that_the_outputs_hide(tmp_path):
    original = write_original(tmp_path, faint_branch)
    fault = "pooling counts the border"
    assert original.refusal(fault, by_nodes=False) == ""
    problem = original.refusal(fault)
    assert "has the outputs of the original, but differs from it inside" in problem
    assert "first in averagepool_5 (AvgPool)" in problem


@pytest.mark.parametrize(
    ("form", "named"), [(residual, 7), (mobile, 10), (pyramid, 11), (attention, 18)]
)
def test_all_named_tensors_of_a_correct_ir_are_equal(tmp_path, form, named):
    original = write_original(tmp_path, form)
    proof = original.check(original.convert()).nodes
    assert proof is not None
    assert proof.equal >= named
    assert proof.unprovable == 0


def test_nodes_of_onnx_need_no_names(tmp_path):
    model = onnx.load_from_string(network("onnx"))
    proofs = []
    for name in ("named", "unnamed"):
        folder = tmp_path / name
        folder.mkdir()
        content = model.SerializeToString()
        spec = spec_of(content, folder)
        layout = downloaded(spec, content, folder)
        converted = convert_model(spec, layout, precisions=[FP32], by_nodes=True)
        record = json.loads(converted.irs[FP32].with_name("provenance.json").read_text())
        proofs.append(NodeProof(**record["self_check"]["nodes"]))
        for node in model.graph.node:
            node.ClearField("name")
    assert proofs[0].equal == proofs[1].equal > 2


def test_tensors_are_compared_in_batches(tmp_path, monkeypatch):
    original = write_original(tmp_path, mobile)
    xml = original.convert()
    at_once = original.check(xml).nodes
    monkeypatch.setattr(node_comparison, "BATCH", 4 * 20 * 28 * 20)
    assert original.check(xml).nodes == at_once
    weak = write_original(tmp_path / "weak", faint_branch)
    assert "differs from it inside" in weak.refusal("ReLU dropped")


def test_tensors_of_tflite_are_found_though_openvino_reorders_their_axes(tmp_path):
    content = network("tflite")
    spec = spec_of(content, tmp_path)
    layout = downloaded(spec, content, tmp_path)
    source = frontends.source_model_path(spec, layout)
    reference = compute_reference(spec, source)
    assert reference is not None
    right = preprocess.apply_model_yml(frontends.read_network(spec, source), spec)
    xml = ir_writer.write_ir(right, tmp_path / "ir.xml", FP32)
    proof, wrong = compare_nodes(spec, reference.original, xml, reference.cases[0])
    assert (proof.equal, proof.within_noise, wrong) == (3, 0, None)
    text = xml.read_text()
    assert 'type="ReLU"' in text
    xml.write_text(text.replace('type="ReLU"', 'type="Sigmoid"'))
    _, wrong = compare_nodes(spec, reference.original, xml, reference.cases[0])
    assert wrong is not None


def test_an_ir_of_any_size_is_compared_in_the_size_of_the_check(tmp_path):
    content = network("onnx", open_sizes=True)
    spec = spec_of(content, tmp_path)
    image = replace(spec.inputs[0], shape=(1, 3, HEIGHT, WIDTH))
    layout = downloaded(spec, content, tmp_path)
    source = frontends.source_model_path(spec, layout)
    reference = compute_reference(replace(spec, inputs=(image,)), source)
    assert reference is not None
    ir = preprocess.apply_model_yml(
        frontends.read_network(spec, source),
        replace(spec, inputs=(replace(image, shape=(1, 3, -1, WIDTH)),)),
    )
    xml = ir_writer.write_ir(ir, tmp_path / "ir.xml", FP32)
    assert compare_nodes(spec, reference.original, xml, reference.cases[0])[0].equal == 4
