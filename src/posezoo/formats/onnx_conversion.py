"""Convert a Caffe or Darknet network to ONNX, for programs that do not read it any more, such as
OpenCV 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.convert import frontends, preprocess
from posezoo.core.convert.formats import Shape, UnknownOperationError
from posezoo.core.declarations.model import Framework, ModelSpec, Precision
from posezoo.core.errors import ConversionError, PosezooError, SelfCheckError, import_optional
from posezoo.core.files.verified_files import compute_digest, writing
from posezoo.core.ir.inference import run_compiled
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.core.layout import FlatLayout
from posezoo.core.values import frozen
from posezoo.core.versions import package_version
from posezoo.formats.onnx import open_runtime
from posezoo.formats.onnx_writer import write_onnx
from posezoo.proof.difference import compute_difference
from posezoo.proof.reference_outputs import EXACT, compute_reference
from posezoo.proof.self_check import NetworkCheck

if TYPE_CHECKING:
    from openvino import Model

_HINT = "nothing was written; posezoo converts a layer of this network wrongly: report it"

#: What the networks take, by their framework: Darknet's are declared as TensorFlow's.
_PREPROCESSING = {
    Framework.CAFFE: "BGR, 0 to 255, less the mean of the training, which is not in the .prototxt",
    Framework.TF: "RGB, 0 to 1",
}


@frozen
class OnnxReport:
    """An ONNX file, and how it was proven.

    Attributes:
        preprocessing: the values that the first input takes.
        runtime: what ran the file; empty in a dry run.
        differences: the largest differences of the runtime's outputs from those of the original or
            the IR, in shares of an output's largest value, by what computed these.
        unprovable: outputs that a rounding of the input changes too much.
    """

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    preprocessing: str
    runtime: str = ""
    differences: Mapping[str, float] = field(default_factory=dict)
    unprovable: tuple[str, ...] = ()


def convert_to_onnx(
    spec: ModelSpec, layout: FlatLayout, output: Path, *, is_dry_run: bool = False
) -> OnnxReport:
    """Write the ONNX of a Caffe or Darknet network, once ONNX Runtime computed from it what OpenCV
    or OpenVINO computes from the original, and OpenVINO from the network of the IR.

    Args:
        spec: what the user declares; its first file is the one to convert, in
            ``layout.download_dir``.
        output: the file, which is replaced if it exists.
        is_dry_run: whether to stop before the file is written and run.

    Raises:
        ConversionError: the original cannot be read, or has another format; or a layer cannot be
            written.
        SelfCheckError: the outputs differ.
        OutputError: the file cannot be written.
        MissingPackageError: OpenVINO, onnx or onnxruntime is not installed.
    """
    import_optional("onnxruntime", extra="run")
    path = frontends.users_file(spec, layout)
    model_format = frontends.select_format(spec)
    if model_format.read_network is None or spec.framework not in _PREPROCESSING:
        raise ConversionError(
            f"{path}: only networks of Caffe and Darknet are written as ONNX",
            hint="a name that ends in .xml makes an IR",
        )
    frontends.open_for_frontend(spec, path)
    network = model_format.read_network(spec, path)
    network = preprocess.apply_model_yml(network, spec, is_complete=False)
    preprocessing = _PREPROCESSING[spec.framework]
    metadata = {"preprocessing": preprocessing, "source": f"{path.name} {compute_digest(path)}"}
    content = write_onnx(network, metadata)
    inputs, outputs = (
        {port.any_name: tuple(port.shape) for port in ports}
        for ports in (network.inputs, network.outputs)
    )
    report = OnnxReport(inputs, outputs, preprocessing)
    if is_dry_run:
        return report
    filled = preprocess.describe_inputs(spec, network)
    with writing(output):
        output.write_bytes(content)
        try:
            return _prove(report, filled, path, output, network=network)
        except PosezooError:
            output.unlink()
            raise


def _prove(
    report: OnnxReport,
    spec: ModelSpec,
    source: frontends.VerifiedSource,
    onnx: Path,
    network: Model,
) -> OnnxReport:
    reference = compute_reference(spec, source, by_openvino=True)
    try:
        runtime = open_runtime(spec, onnx, {})
    except UnknownOperationError as error:
        problem = f"{spec.full_name}: ONNX Runtime cannot read the ONNX: {error}"
        raise SelfCheckError(problem, hint=_HINT) from error
    assert reference and runtime  # OpenVINO is a reference, and ONNX Runtime is installed
    names = tuple(report.outputs)
    computed = runtime.run_all([case.feed for case in reference.cases])
    check = NetworkCheck(spec, Precision.FP32)
    compared = check.compare(names, reference, computed)
    if compared.wrong:
        problem = check.describe_wrong(compared, reference.runtime)
        raise SelfCheckError(f"{spec.full_name}: the ONNX {problem}", hint=_HINT)
    compiled = openvino_core().compile_model(network, "CPU", EXACT)
    from_ir = 0.0
    for case, results in zip(reference.cases, computed, strict=True):
        expected = run_compiled(compiled, case.feed)
        from_ir = max(
            from_ir, *(compute_difference(expected[name], results[name]) for name in names)
        )
    differences = {f"OpenVINO {package_version('openvino')}, which reads it for an IR": from_ir}
    if reference.is_independent:
        differences[reference.runtime] = max(
            output.difference for output in compared.outputs.values()
        )
    return replace(
        report, runtime=runtime.name, differences=differences, unprovable=compared.unprovable
    )
