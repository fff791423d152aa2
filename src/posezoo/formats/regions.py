"""Ends networks of YOLO 1 to 3 at RegionYolo layers, as Model Optimizer did."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.routes import MO_ADVICE
from posezoo.core.declarations.supported_mo_args import TRANSFORMATIONS_CONFIG
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.ir.openvino_graph import Model, Node, Output
from posezoo.core.ir.openvino_graph import opset14 as ops
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.formats.region_configs import (
    REGION_CONFIGS,
    WITH_HEADS,
    WITH_OUTPUTS,
    is_region_config,
    read_region_config,
)

_TO_NCHW = [0, 3, 1, 2]


def add_regions(network: Model, spec: ModelSpec, source: Path) -> Model:
    """The network with the RegionYolo layers of the model's configuration, sorted by names as by
    Model Optimizer; else as it is.

    Args:
        network: an ``openvino.Model`` as read from TensorFlow's graph; it must not be used
            afterwards.
        source: the path of the graph.

    Raises:
        ConversionError: the configuration is damaged or of another kind, or the network does not
            have the places that it names.
    """
    value = dict(spec.mo_args).get(TRANSFORMATIONS_CONFIG, "")
    if not is_region_config(value):
        return network
    config, title = _read_config(value, spec, source)
    try:
        attributes = config["custom_attributes"]
        ends = _find_ends(network, config["id"], attributes)
        masks = attributes.get("masks", [[]] * len(ends))
        results = [
            _create_region(end, attributes, mask) for end, mask in zip(ends, masks, strict=True)
        ]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        problem = f"{title}: does not fit the network: {sanitize(str(error).splitlines()[-1])}"
        raise ConversionError(problem, hint=MO_ADVICE) from error
    ov = import_openvino()
    results.sort(key=lambda result: result.input_value(0).get_node().get_friendly_name())
    return ov.Model(results, network.get_parameters(), network.get_friendly_name())


def _read_config(value: str, spec: ModelSpec, source: Path) -> tuple[Mapping[str, Any], str]:
    name = posixpath.basename(value)
    if not value.startswith("$dl_dir/"):
        return REGION_CONFIGS[name], name
    path = spec.path_beside_source(source, value.removeprefix("$dl_dir/"))
    try:
        config = read_region_config(path)
    except ValueError as error:
        problem = f"{path}: is not a configuration of Model Optimizer"
        raise ConversionError(problem, hint="download the model again") from error
    if config["id"] not in (WITH_HEADS, WITH_OUTPUTS):
        problem = f"{path}: the transformation {sanitize(config['id'])} is not supported"
        raise ConversionError(problem, hint=MO_ADVICE)
    return config, str(path)


def _find_ends(network: Model, kind: str, attributes: Mapping[str, Any]) -> list[Output]:
    if kind == WITH_OUTPUTS:
        return [result.input_value(0) for result in network.get_results()]
    operations = {node.get_friendly_name(): node for node in network.get_ordered_ops()}
    return [operations[name].input_value(0) for name in attributes["entry_points"]]


def _create_region(end: Output, attributes: Mapping[str, Any], mask: Sequence[int]) -> Node:
    title = end.get_node().get_friendly_name()
    if len(end.get_partial_shape()) != 4:
        raise ValueError(f"{title} has not four sizes")
    # OpenVINO adds a transposition, since TensorFlow has NHWC.
    if end.get_node().get_type_name() == "Transpose":
        maps = end.get_node().input_value(0)
    else:
        maps = ops.transpose(end, ops.constant(_TO_NCHW)).output(0)
    coords, classes, num = (int(attributes[name]) for name in ("coords", "classes", "num"))
    channels = (len(mask) or num) * (coords + 1 + classes)
    if maps.get_partial_shape()[1] != channels:  # OpenVINO would read beyond the maps
        raise ValueError(f"{title} has not the {channels} channels of its boxes")
    region = ops.region_yolo(
        maps,
        coords=coords,
        classes=classes,
        num=num,
        do_softmax=bool(attributes.get("do_softmax", 0)),
        mask=list(mask),
        axis=1,
        end_axis=3,
        anchors=list(map(float, attributes.get("anchors", ()))),
    )
    name = f"{title}/YoloRegion"
    region.set_friendly_name(name)
    region.output(0).set_names({name, f"{name}:0"})
    return import_openvino().op.Result(region.output(0))
