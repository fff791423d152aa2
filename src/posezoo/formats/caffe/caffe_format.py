"""Caffe's networks, which posezoo reads itself; OpenCV 4 computes their reference outputs."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.arrays import Array
from posezoo.core.convert.formats import (
    ModelFormat,
    ReferenceRuntime,
    Shape,
    import_runtime,
)
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.supported_mo_args import INPUT_PROTO
from posezoo.core.errors import ConversionError
from posezoo.formats.caffe.caffemodel import is_caffemodel, read_weights
from posezoo.formats.opencv import describe_opencv, read_exact, run_opencv

if TYPE_CHECKING:
    from posezoo.formats.caffe.prototxt import Message

_MODULE = "cv2"


def find_prototxt(spec: ModelSpec, caffemodel: Path) -> Path:
    """The file with the layers: the one that ``--input_proto`` names, else that of the same name.

    Raises:
        ConversionError: it is not one of the model's files, so nothing has verified it.
    """
    named = dict(spec.mo_args).get(INPUT_PROTO, "").removeprefix("$dl_dir/")
    # It comes with all else out of its archive, which was verified.
    is_unpacked = spec.source_name not in spec.file_names
    is_of_mo = posixpath.isabs(named)  # a model.yml names files of the model alone
    name = named or f"{posixpath.splitext(spec.source_name)[0]}.prototxt"
    if not (is_unpacked or is_of_mo) and name not in spec.file_names:
        raise ConversionError(
            f"{spec.full_name}: the file with its layers, {name}, is not one of its files",
            hint=f"{INPUT_PROTO} names the .prototxt",
        )
    return spec.path_beside_source(caffemodel, name)


def _read_network(spec: ModelSpec, path: Path) -> Any:
    from posezoo.formats.caffe.network import read_caffe

    return read_caffe(find_prototxt(spec, path), path, spec.inputs)


def _read_weights(_spec: ModelSpec, path: Path) -> list[Array]:
    return [blob for blobs in read_weights(path).values() for blob in blobs]


def _open_runtime(
    spec: ModelSpec, path: Path, sizes: Mapping[str, Shape]
) -> ReferenceRuntime | None:
    """The network in OpenCV's module dnn; None if it cannot read Caffe, as OpenCV 5."""
    module = import_runtime(_MODULE)
    if module is None or not hasattr(module.dnn, "readNetFromCaffe"):
        return None
    from posezoo.formats.caffe.network import describe_ports, select_layers
    from posezoo.formats.caffe.prototxt import read_prototxt

    prototxt = find_prototxt(spec, path)
    declared = read_prototxt(prototxt)
    if any(map(_is_misread, select_layers(declared))):
        return None
    ports = describe_ports(declared)
    names = spec.output_names or list(ports.ends)
    if not ports.writers.keys() >= set(names):
        return None
    net = read_exact(module, module.dnn.readNetFromCaffe, str(prototxt), str(path))
    if net is None:  # it has a layer that OpenCV lacks
        return None
    # The last layer that writes a top has its values; OpenCV names some layers by their top.
    opencv_names = frozenset(net.getLayerNames())
    writers = [ports.writers[name] for name in names]
    layers = [
        writer if writer in opencv_names else name
        for name, writer in zip(names, writers, strict=True)
    ]
    if not opencv_names.issuperset(layers):
        return None
    import numpy as np

    dtype = np.dtype(np.float32)
    signatures = {name: (sizes.get(name, shape), dtype) for name, shape in ports.inputs.items()}

    def run(feed: Mapping[str, Array]) -> dict[str, Array]:
        for name in signatures:
            net.setInput(feed[name], name)
        results = dict(zip(names, run_opencv(module, net, layers), strict=True))
        for name in results.keys() & ports.detections.keys():
            results[name] = arrange_detections(results[name], ports.detections[name])
        return results

    return ReferenceRuntime(describe_opencv(module), signatures, names, run)


def _is_misread(layer: Message) -> bool:
    """Whether OpenCV 4.14 computes something else of a layer than Caffe."""
    from posezoo.formats.caffe.network import type_of

    is_scaled = layer.message("swish_param").number("beta", 1) != 1
    return is_scaled or type_of(layer) == "Axpy"


def arrange_detections(rows: Array, count: int) -> Array:
    """The rows of a detector as OpenVINO has them: by class, then by score, and always this many.

    A row is: image (-1 after the last), class, score, left, top, right, bottom.
    """
    import numpy as np

    detected = rows.reshape(-1, 7)
    # OpenCV has one row of zeros if it detects nothing.
    detected = detected[detected.any(1)]
    order = np.lexsort((-detected[:, 2], detected[:, 1]))
    if count > 0:
        order = order[:count]
    detected = detected[order]
    arranged = np.zeros((max(count, len(detected)), 7), np.float32)
    arranged[: len(detected)] = detected
    if len(detected) < len(arranged):
        arranged[len(detected), 0] = -1
    return arranged.reshape(1, 1, -1, 7)


FORMAT = ModelFormat(
    "a Caffe network",
    is_caffemodel,
    frontend="",
    image_layout="NCHW",
    endings=(".caffemodel",),
    read_network=_read_network,
    runtime_module=_MODULE,
    open_runtime=_open_runtime,
    read_weights=_read_weights,
)
