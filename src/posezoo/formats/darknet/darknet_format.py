"""Darknet's networks, which posezoo reads itself; OpenCV 4 computes their reference outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.convert.formats import ModelFormat, ReferenceRuntime, Shape, import_runtime
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.supported_mo_args import INPUT_PROTO, TRANSFORMATIONS_CONFIG
from posezoo.core.errors import ConversionError
from posezoo.core.regular_files import read_regular_bytes
from posezoo.formats.opencv import describe_opencv, read_exact, run_opencv
from posezoo.formats.region_configs import FREEZING_SCRIPT, find_only

if TYPE_CHECKING:
    from posezoo.core.arrays import Array, NamedArrays
    from posezoo.formats.darknet.files import Section

_MODULE = "cv2"
#: What OpenCV adds to a variance.
_EPSILON = 1e-6


def _recognises(path: Path) -> bool:
    from posezoo.formats.darknet.files import is_darknet

    return is_darknet(path)


def _find_cfg(spec: ModelSpec, path: Path) -> Path:
    name = dict(spec.mo_args).get(INPUT_PROTO) or find_only(spec, ".cfg")
    if name is None:
        raise ConversionError(
            f"{spec.full_name}: the .weights need one .cfg among its files",
            hint="it has the layers of the network",
        )
    return spec.path_beside_source(path, name)


def _read_network(spec: ModelSpec, path: Path) -> Any:
    from posezoo.formats.darknet.darknet_layers import build_as_opencv, build_network
    from posezoo.formats.darknet.files import WeightsReader, read_cfg

    sections = read_cfg(_find_cfg(spec, path))
    weights = WeightsReader(path)
    if INPUT_PROTO in dict(spec.mo_args):
        return build_as_opencv(sections, weights)
    return build_network(sections, weights, _select_names(spec))


def _select_names(spec: ModelSpec) -> Any:
    from posezoo.formats.darknet.darknet_layers import FROZEN_GRAPH, SAVED_MODEL

    return FROZEN_GRAPH if FREEZING_SCRIPT in spec.file_names else SAVED_MODEL


def _open_runtime(
    spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]
) -> ReferenceRuntime | None:
    """The network in OpenCV's module dnn; None if it cannot read it, as OpenCV 5, or has not its
    outputs.
    """
    module = import_runtime(_MODULE)
    has_regions = TRANSFORMATIONS_CONFIG in dict(spec.mo_args)
    if module is None or not hasattr(module.dnn, "readNetFromDarknet") or has_regions:
        return None
    import numpy as np

    from posezoo.formats.darknet.darknet_layers import EPSILON, INPUT, build_network, find_ends
    from posezoo.formats.darknet.files import WeightsReader, read_cfg

    cfg = _find_cfg(spec, path)
    sections = read_cfg(cfg)
    read = partial(read_exact, module, module.dnn.readNetFromDarknet, _read(cfg))
    if INPUT_PROTO in dict(spec.mo_args):
        return _open_with_boxes(module, read(_read(path)), sections)
    weights = WeightsReader(path)
    names = _select_names(spec)
    network = build_network(sections, weights, names)
    for variance in weights.variances:
        variance += EPSILON - _EPSILON
    net = read(weights.content)
    if net is None:  # OpenCV also needs values that change no map
        return None
    numbers = find_ends(sections[1:])
    ends = {names.tensor.format(name): f"conv_{number}" for name, number in numbers.items()}
    shape = sizes.get(INPUT, tuple(network.input(0).shape))
    signature = shape, np.dtype(np.float32)

    def run(feed: NamedArrays) -> dict[str, Array]:
        net.setInput(feed[INPUT].transpose(0, 3, 1, 2))
        maps = run_opencv(module, net, list(ends.values()))
        return {name: each.transpose(0, 2, 3, 1) for name, each in zip(ends, maps, strict=True)}

    return ReferenceRuntime(describe_opencv(module), {INPUT: signature}, ends, run)


def _read(path: Path) -> Any:
    import numpy as np

    return np.frombuffer(bytearray(read_regular_bytes(path)), np.uint8)


def _open_with_boxes(module: Any, net: Any, sections: Sequence[Section]) -> ReferenceRuntime | None:
    """The network as it is published; None if it has a [region], whose boxes OpenCV removes where
    they overlap.
    """
    import numpy as np

    from posezoo.formats.darknet.darknet_layers import ONLY_OUTPUT, OPENCV_INPUT

    if net is None or any(section.kind == "region" for section in sections):
        return None
    layers = net.getUnconnectedOutLayersNames()
    has_boxes = any(section.kind == "yolo" for section in sections)
    names = layers if has_boxes else (ONLY_OUTPUT,)
    shape = (1, *map(sections[0].integer, ("channels", "height", "width")))

    def run(feed: NamedArrays) -> dict[str, Array]:
        net.setInput(feed[OPENCV_INPUT])
        return dict(zip(names, run_opencv(module, net, layers), strict=True))

    signature = shape, np.dtype(np.float32)
    return ReferenceRuntime(describe_opencv(module), {OPENCV_INPUT: signature}, names, run)


DARKNET = ModelFormat(
    "Darknet weights",
    _recognises,
    frontend="",
    image_layout="NHWC",
    read_network=_read_network,
    runtime_module=_MODULE,
    open_runtime=_open_runtime,
)
