"""Compare the CPU time of an IR with its decoder (``--decode``) with that of the network decoded by
numpy.

Both run in one process and in turn, with one thread each: on the network's own input, and on frames
of 720p, which the IR letterboxes itself (``--resize``), and ``letterbox_image`` for the other side.
The ratio is the median of the ratios of the rounds. The networks of posezoo have random weights;
the others are downloaded (``POSEZOO_MIRROR`` names a mirror). The exit code is 1 if a ratio is
above the bar.

    python benchmarks/bench_decode_in_graph.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
from harness import machine, record, spread

from posezoo.cli.flags import require_single_model
from posezoo.convert.camera_input import with_camera_input
from posezoo.convert.decoding import with_decoding
from posezoo.pipeline.complexity_count import convert_with_random_weights
from posezoo.pipeline.get import get, resolve_model
from posezoo.pipeline.zoo_context import open_context
from posezoo.pose.decoders import decode_with_options, resolve_options
from posezoo.pose.letterbox import letterbox_image
from posezoo.settings import read_settings, to_settings
from posezoo.spec.model import Precision

MODELS = (
    "simple_pose_resnet18_v1b",
    "mobile_pose_mobilenet1.0",
    "movenet-singlepose-lightning-int8",
    "pose-landmark-full-mediapipe",
    "human-pose-estimation-0001",
)
ROUNDS, TURNS = 11, 10

#: The largest ratio to the network and numpy's decoder.
BAR = 1.05

FRAME = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
CONFIG = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": "f32"}


def compiled(model: str, folder: Path, *, decodes: bool, resizes: bool) -> tuple[Any, Any]:
    """The network, taking bytes in NHWC, and its model."""
    context = open_context(
        to_settings(read_settings({"weights_dir": folder, "cache_dir": folder / "cache"}))
    )
    spec = require_single_model(context.registry, model)
    decoder = spec.decoder or context.registry.composite_of(spec).decoder
    # human-pose-estimation-0001: its INT8 is the one that mirrors have.
    precision = Precision.FP16_INT8 if spec.is_ir else Precision.FP32
    if decodes:
        spec = with_decoding(spec, decoder)
    elif spec.is_ir:
        return (
            published(get(resolve_model(spec, (precision,), context), context).irs[precision]),
            spec,
        )
    spec = with_camera_input(spec, element_type="u8", layout="NHWC", resize=resizes and decodes)
    if spec.network is not None:
        own = folder / f"{model}-{decodes}-{resizes}"
        own.mkdir()
        irs = convert_with_random_weights(spec, context, own, (Precision.FP32,)).irs
    else:
        irs = get(resolve_model(spec, (precision,), context), context).irs
    core = ov.Core()
    network = core.compile_model(core.read_model(irs[precision]), "CPU", CONFIG)
    return network, replace(spec, decoder=decoder)


def published(xml: Path) -> Any:
    """The network of a published IR, taking bytes in NHWC."""
    core = ov.Core()
    steps = ov.preprocess.PrePostProcessor(core.read_model(xml))
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    return core.compile_model(steps.build(), "CPU", CONFIG)


def cpu_ms(turn: Callable[[], object]) -> float:
    """CPU milliseconds of one turn, the mean of some."""
    start = time.process_time()
    for _ in range(TURNS):
        turn()
    return 1000 * (time.process_time() - start) / TURNS


def measure(model: str, folder: Path, *, resizes: bool) -> dict[str, Any]:
    """CPU time of both, and their ratio."""
    whole, _ = compiled(model, folder, decodes=True, resizes=resizes)
    network, spec = compiled(model, folder, decodes=False, resizes=resizes)
    height, width = network.input(0).shape[1:3]
    picture = letterbox_image(FRAME, (width, height))[1]
    options = resolve_options(spec.decoder)
    places = {role: spec_index(spec, role) for role in roles_of(spec)}

    def with_numpy() -> None:
        fitted = letterbox_image(FRAME, (width, height))[1] if resizes else picture
        outputs = network([fitted[None]], share_inputs=True, share_outputs=True)
        maps = {role: outputs[place] for role, place in places.items()}
        decode_with_options(spec.decoder.name, maps, (width, height), options)

    def with_graph() -> None:
        whole([(FRAME if resizes else picture)[None]], share_inputs=True, share_outputs=True)

    for turn in (with_numpy, with_graph):
        turn()
    rounds = [(cpu_ms(with_graph), cpu_ms(with_numpy)) for _ in range(ROUNDS)]
    return {
        "graph_ms": spread([graph for graph, _ in rounds]),
        "numpy_ms": spread([numpy for _, numpy in rounds]),
        "ratio": spread([graph / numpy for graph, numpy in rounds]),
    }


def roles_of(spec: Any) -> list[str]:
    """The roles that the model's decoder takes."""
    from posezoo.pose.decoders import find_decoder

    return [output.role for output in find_decoder(spec.decoder.name).networks[-1]]


def spec_index(spec: Any, role: str) -> int:
    """The index of the output with a role."""
    return next(place for place, port in enumerate(spec.outputs) if port.role == role)


def main() -> int:
    """Measure all models, print and record the results; returns the exit code."""
    cv2.setNumThreads(1)
    print(machine())
    cases: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            for resizes in (False, True):
                case = f"{model}, {'frames of 720p' if resizes else 'its own size'}"
                cases[case] = measured = measure(model, Path(folder), resizes=resizes)
                graph, numpy, ratio = (
                    measured[name]["median"] for name in ("graph_ms", "numpy_ms", "ratio")
                )
                print(f"{case:55} {graph:7.2f} ms, with numpy {numpy:7.2f} ms, ratio {ratio:.3f}")
    missed = [case for case, measured in cases.items() if measured["ratio"]["median"] > BAR]
    record("bench_decode_in_graph", {"rounds": ROUNDS, "cases": cases, "missed": missed})
    for case in missed:
        print(f"missed: {case}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
