"""Export to C++ and to ONNX: programs that find people in pictures.

For C++ that is a CMake project, with all IR in models/. For ONNX Runtime, each model is a file from
a picture to people, with the IR's decoder, and there is a program in Python.
"""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.core.convert.formats import import_runtime
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import ConversionError, ExportError, sanitize
from posezoo.core.ir.openvino_import import is_quantized, openvino_core
from posezoo.export.documents import render_documents
from posezoo.export.people_programs import (
    INPUTS,
    explain_unknown_crop,
    render_facts,
    render_pipeline,
    render_python_sample,
)
from posezoo.export.target_type import (
    TEMPLATES,
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    exported_name,
    render,
    require_keypoints,
)
from posezoo.formats.onnx_writer import write_onnx

# Prints the folder of the Python package, which reports to its makers if it is imported.
_FIND_OPENVINO = (
    "from importlib.util import find_spec;"
    " print(find_spec('openvino').submodule_search_locations[0])"
)
_BUILD = (
    "cmake -S {folder} -B {folder}/build"
    f' -D OpenVINO_DIR="$(python -c "{_FIND_OPENVINO}")/cmake" && cmake --build {{folder}}/build'
)
_PROJECT = ("CMakeLists.txt", "main.cpp", "poses.hpp", "fit.hpp", "blazepose.hpp", "top_down.hpp")


def render_cpp(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """The model's IR, and the project."""
    require_keypoints(model.spec)
    for each in model.networks:
        yield from render_documents(each, CPP, f"models/{each.name}-")
    yield from render_pipeline(model, "models")
    for name in _PROJECT:
        yield ExportFile(name, (TEMPLATES / name).read_bytes())
    yield ExportFile("README.md", render("README.md", find=_FIND_OPENVINO))


def render_onnx(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """The network and its detector as ONNX, their facts, and the program."""
    _require_fixed_size(model.spec)
    folder = model.name
    yield from render_documents(model, ONNX)
    if model.detector:
        yield from render_documents(model.detector, ONNX, f"{folder}/{model.detector.name}-")
    for each in model.networks:
        yield ExportFile(f"{folder}/{each.name}.onnx", _write_network(each))
    yield from render_facts(model, folder)
    python = render_python_sample(model, ".onnx", "onnxruntime", "network_onnx.py")
    for name, content in python.items():
        yield ExportFile(f"{folder}/{name}", content)


def _write_network(model: ExportedModel) -> bytes:
    """The content of the ONNX file; empty before there is an IR.

    Raises:
        ExportError: an operation of the IR cannot be written, or it is quantized.
    """
    if not model.xml.is_file():
        return b""
    metadata = {
        "model": model.spec.full_name,
        "source": f"{model.xml.name} {model.digests['.xml']}",
    }
    network = openvino_core().read_model(model.xml)
    if is_quantized(network):
        raise ExportError(
            f"{model.name}: is quantized, and ONNX Runtime rounds it in another way, which moves"
            " keypoints by many pixels",
            hint="--precision FP16 for a model that has it; --to cpp runs its IR",
        )
    try:
        content = write_onnx(network, metadata)
    except ConversionError as error:
        raise ExportError(f"{model.name}: {error.problem}", hint="--to cpp runs its IR") from error
    _require_readable(content, model.name)
    return content


def _require_readable(content: bytes, name: str) -> None:
    onnxruntime = import_runtime("onnxruntime")
    if onnxruntime is None:
        return
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_DISABLE_ALL
    try:
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it has no class of its own for them
        problem = f"{name}: ONNX Runtime does not read the file: {sanitize(str(error))}"
        raise ExportError(problem, hint="--to cpp runs its IR") from error


def _require_fixed_size(spec: ModelSpec) -> None:
    require_keypoints(spec)
    if spec.first_input.resize:
        raise ExportError(
            f"{exported_name(spec)}: the ONNX takes pictures of one size, to which its program fits"
            " them: --resize changes nothing"
        )


CPP = ExportTarget(
    summary=(
        "C++: a CMake project that prints people as JSON and measures frames a second, and IR"
        " for it"
    ),
    render=render_cpp,
    require=require_keypoints,
    next_step=f"{_BUILD} && {{folder}}/build/poses {{folder}}/models/{{name}}.xml PICTURE",
    needs="You need CMake 3.16, a C++17 compiler and OpenVINO, see README.md of the project.",
    sets_type="the class Network in poses.hpp",
    computes_as_run=True,
    inputs=INPUTS,
    refuse_detector=explain_unknown_crop,
    runs_people=True,
)

ONNX = ExportTarget(
    summary=(
        "ONNX Runtime: for each model an ONNX with its decoder, and a program in Python that finds"
        " people"
    ),
    render=render_onnx,
    require=_require_fixed_size,
    next_step="python {folder}/{name}/sample.py PICTURE",
    needs=(
        "The program needs `pip install onnxruntime opencv-python-headless`, and draws what it"
        " finds into a new picture in the current folder. ONNX Runtime would report to its makers"
        " that it is used: network.py turns this off with `ORT_DISABLE_TELEMETRY=1` before it"
        " imports it; do the same in a program of yours."
    ),
    sets_type="the type of the values in the file",
    inputs=INPUTS,
    network_format="ONNX",
    extras={"onnx": "convert"},
    refuse_detector=explain_unknown_crop,
    runs_people=True,
)
