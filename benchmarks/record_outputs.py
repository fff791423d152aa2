"""Record what a publisher's runtime computes, for the key recorded_outputs of model.yml.

    posezoo download movenet-thunder --output_dir DIR
    npm install --prefix /tmp/tfjs $PWD/benchmarks/tensorflow_js
    NODE_PATH=/tmp/tfjs/node_modules python benchmarks/record_outputs.py movenet-thunder
    --output_dir DIR

TensorFlow.js runs in node (20). LiteRT and ONNX Runtime are in the extra ``proof``. Frozen graphs
run in TensorFlow (the package tensorflow-cpu). TFLite files with custom operations of MediaPipe run
in MediaPipe, for which ``make judges`` makes the environment. The file is written beside model.yml,
and the lines for model.yml are printed. The file's bytes depend on the model, the runtime and the
processor.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from posezoo.core.convert import frontends
from posezoo.core.convert.formats import DEFAULT_SIDES, UnknownOperationError, with_default_sizes
from posezoo.core.declarations.model import Input, ModelSpec, Output
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.proof.recorded_outputs import (
    SEEDS,
    RecordedInput,
    Recording,
    draw_feed,
    draw_recorded_image,
)

SCRIPT = Path(__file__).parent / "tensorflow_js" / "run.js"
MEDIAPIPE_SCRIPT = Path(__file__).parent / "mediapipe" / "run.py"
MEDIAPIPE_PYTHON = Path(__file__).parents[1] / "build" / "mediapipe-env" / "bin" / "python"


def run_tensorflow_js(
    spec: ModelSpec, path: Path, inputs: Mapping[str, RecordedInput]
) -> tuple[str, list[dict[str, Any]]]:
    """The runtime's name, and all outputs by name for each kind of image."""
    model = json.loads(path.read_bytes())
    types = {node["name"]: node["attr"]["dtype"]["type"] for node in model["modelTopology"]["node"]
             if node["op"] == "Placeholder"}  # fmt: skip
    dtypes = {
        name: {"DT_INT32": "int32", "DT_FLOAT": "float32"}[types[name.split(":")[0]]]
        for name in inputs
    }
    titles = (model.get("signature") or {}).get("outputs", {})
    names = [
        titles[port.name]["name"] if port.name in titles else port.name for port in spec.outputs
    ]
    with tempfile.TemporaryDirectory() as folder:
        images: list[dict[str, Any]] = []
        for kind in SEEDS:
            image_folder = Path(folder, kind)
            image_folder.mkdir()
            files = []
            for number, (name, values) in enumerate(draw_feed(kind, inputs, dtypes).items()):
                file = image_folder / f"input{number}"
                file.write_bytes(values.tobytes())
                files.append(
                    {"name": name, "file": str(file), "shape": values.shape, "dtype": dtypes[name]}
                )
            images.append({"folder": str(image_folder), "inputs": files})
        job = {"model": str(path), "outputs": names, "images": images}
        answer = subprocess.run(
            ["node", SCRIPT], input=json.dumps(job).encode(), stdout=subprocess.PIPE, check=True
        ).stdout.decode()
        result = json.loads(answer.splitlines()[-1])
        outputs = []
        for image, shapes in zip(images, result["shapes"], strict=True):
            arrays: dict[str, Any] = {}
            for number, port in enumerate(spec.outputs):
                flat = np.fromfile(Path(image["folder"], str(number)), np.float32)
                arrays[port.name] = flat.reshape(shapes[number])
            outputs.append(arrays)
    return f"TensorFlow.js {result['version']}", outputs


def run_tensorflow(
    spec: ModelSpec, path: Path, inputs: Mapping[str, RecordedInput]
) -> tuple[str, list[dict[str, Any]]]:
    """The same for a frozen graph of TensorFlow."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    tf.compat.v1.disable_eager_execution()
    tf.import_graph_def(graph, name="")
    with tf.compat.v1.Session() as session:
        tensors = {name: session.graph.get_tensor_by_name(_tensor_name(name)) for name in inputs}
        wanted = {
            port.name: session.graph.get_tensor_by_name(_tensor_name(port.name))
            for port in spec.outputs
        }
        dtypes = {name: tensor.dtype.as_numpy_dtype for name, tensor in tensors.items()}
        outputs = []
        for kind in SEEDS:
            feed = draw_feed(kind, inputs, dtypes)
            outputs.append(
                session.run(wanted, {tensors[name]: values for name, values in feed.items()})
            )
    return f"TensorFlow {tf.__version__}", outputs


def run_format(
    spec: ModelSpec, path: Path, inputs: Mapping[str, RecordedInput]
) -> tuple[str, list[dict[str, Any]]]:
    """The same with the runtime that the self-check uses for this format."""
    open_runtime = frontends.select_format(spec).open_runtime
    sizes = {name: port.shape for name, port in inputs.items()}
    runtime = None
    with suppress(UnknownOperationError):
        runtime = open_runtime and open_runtime(spec, path, sizes)
    if runtime is None and path.suffix == ".tflite" and MEDIAPIPE_PYTHON.is_file():
        return run_mediapipe(spec, path, inputs)
    if runtime is None:
        raise SystemExit(f"{spec.full_name}: there is no runtime for {path.name} here")
    dtypes = {name: dtype for name, (_, dtype) in runtime.inputs.items()}
    outputs = [runtime.run(draw_feed(kind, inputs, dtypes)) for kind in SEEDS]
    return runtime.name, [{port.name: each[port.name] for port in spec.outputs} for each in outputs]


def run_mediapipe(
    spec: ModelSpec, path: Path, inputs: Mapping[str, RecordedInput]
) -> tuple[str, list[dict[str, Any]]]:
    """The same for a TFLite file whose input is an image, from 0 to 1."""
    ((_, port),) = inputs.items()
    assert (port.low, port.high) == (0, 1), port
    images = np.concatenate([draw_recorded_image(kind, port.shape) for kind in SEEDS])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "images.npy", images.astype(np.uint8))
        files = (folder / "images.npy", len(spec.outputs), folder / "outputs.npz")
        command = (MEDIAPIPE_PYTHON, MEDIAPIPE_SCRIPT, path.resolve(), *files)
        subprocess.run([*map(str, command)], check=True)
        computed = np.load(folder / "outputs.npz")
        outputs = [
            {
                output.name: computed[f"{number}/{place}"].reshape(output.shape)
                for place, output in enumerate(spec.outputs)
            }
            for number in range(len(images))
        ]
    return "MediaPipe 0.10.21", outputs


def describe_input(port: Input, shape: Sequence[int] | None) -> RecordedInput:
    """The input's shape, and its values for black and white, with the preprocessing of
    model.yml.
    """
    mean = np.array(port.mean or (0,), np.float64)
    scale = np.array(port.scale or (1,), np.float64)
    # Squares, as in the records that exist.
    sizes = tuple(shape or with_default_sizes(port.shape, port.layout, DEFAULT_SIDES[1]))
    return RecordedInput(
        sizes, float(((0 - mean) / scale).min()), float(((255 - mean) / scale).max())
    )


def find_inner(spec: ModelSpec, path: Path) -> list[str]:
    """The tensors of floats inside of a graph of TensorFlow.js, each by one name."""
    if path.suffix != ".json":
        return []
    nodes = json.loads(path.read_bytes())["modelTopology"]["node"]
    names = [f"{node['name']}:0" for node in nodes if node["op"] not in ("Const", "Placeholder")]
    inner = tuple(Output(name, ()) for name in names)
    network = frontends.read_network(
        replace(spec, outputs=(*spec.outputs, *inner)), frontends.VerifiedSource(path)
    )
    found: dict[tuple[str, int], str] = {}
    for port in network.outputs:
        source = port.node.input_value(0)
        kind = source.node.get_type_name()
        if port.element_type.is_real() and kind not in ("Constant", "Parameter"):
            tensor = source.node.friendly_name, source.index
            declared = port.names & set(spec.output_names)
            found.setdefault(tensor, next(iter(declared or port.names & set(names)), ""))
    inner_names = set(found.values()) - set(spec.output_names)
    return [name for name in names if name in inner_names]


def record(spec: ModelSpec, path: Path, shape: Sequence[int] | None) -> str:
    """Write the file of a model, and return the lines for its model.yml."""
    inputs = {port.name: describe_input(port, shape) for port in spec.inputs}
    inner = find_inner(spec, path)
    spec = replace(spec, outputs=(*spec.outputs, *(Output(name, ()) for name in inner)))
    if path.suffix == ".json":
        runtime, outputs = run_tensorflow_js(spec, path, inputs)
    elif path.suffix == ".pb":
        runtime, outputs = run_tensorflow(spec, path, inputs)
    else:
        runtime, outputs = run_format(spec, path, inputs)
    shapes = {name: values.shape for name, values in outputs[0].items()}
    inner_shapes = {
        name: shape
        for name in inner
        if (shape := shapes.pop(name)) and all(np.isfinite(each[name]).all() for each in outputs)
    }
    recording = Recording(inputs, shapes, inner_shapes, {})
    values = {
        kind: {
            name: np.ascontiguousarray(each) for name, each in recording.sample(computed).items()
        }
        for kind, computed in zip(SEEDS, outputs, strict=True)
    }
    target = spec.path.with_name("recorded_outputs.safetensors")
    target.write_bytes(save(recording_tensors(replace(recording, values=values))))
    digest = compute_digest(target).value
    return f"recorded_outputs:\n  runtime: {runtime}\n  file: {target.name}\n  checksum: {digest}\n"


def recording_tensors(recording: Recording) -> dict[str, np.ndarray]:
    """The tensors of a file with recorded outputs, by name."""
    tensors: dict[str, np.ndarray] = {}
    for name, port in recording.inputs.items():
        tensors[f"input/{name}"] = np.array(port.shape, np.int64)
        tensors[f"range/{name}"] = np.array([port.low, port.high], np.float32)
    for group, shapes in (("output", recording.shapes), ("inner", recording.inner)):
        for name, shape in shapes.items():
            tensors[f"{group}/{name}"] = np.array(shape, np.int64)
    for kind, outputs in recording.values.items():
        tensors |= {f"{kind}/{name}": values for name, values in outputs.items()}
    return tensors


def _tensor_name(name: str) -> str:
    return name if ":" in name else f"{name}:0"


def main() -> None:
    """Record the outputs of each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+")
    parser.add_argument(
        "--output_dir", type=Path, required=True, help="the folder of the downloaded files"
    )
    parser.add_argument("--shape", type=lambda text: [int(size) for size in text.split(",")])
    args = parser.parse_args()
    registry = open_registry()
    layout = ModelLayout(args.output_dir, args.output_dir)
    for spec in registry.select(args.models).models:
        path = frontends.source_model_path(spec, layout)
        print(f"{spec.path}:\n{record(spec, path, args.shape)}")


if __name__ == "__main__":
    main()
