"""What this package does instead of authors' scripts and of Model Optimizer's configurations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.supported_mo_args import (
    PIPELINE_CONFIG,
    TRANSFORMATIONS_CONFIG,
    MoArgumentPairs,
)
from posezoo.core.declarations.upstream_steps import UpstreamSteps
from posezoo.formats.darknet_files import is_darknet, with_darknet_weights
from posezoo.formats.region_configs import find_detector, is_region_config

if TYPE_CHECKING:
    from openvino import Model


class _Steps(UpstreamSteps):
    """Reads Darknet's networks, and ends networks of YOLO and of the Object Detection API."""

    with_original = staticmethod(with_darknet_weights)
    reads_original = staticmethod(is_darknet)

    def carries_out(self, spec: ModelSpec, flag: str, value: str) -> bool:
        if flag == TRANSFORMATIONS_CONFIG and is_region_config(value):
            return True
        is_config = flag in (TRANSFORMATIONS_CONFIG, PIPELINE_CONFIG)
        return is_config and find_detector(spec.mo_args) is not None

    def replaces_outputs(self, arguments: MoArgumentPairs) -> bool:
        return find_detector(arguments) is not None

    def difference(self, spec: ModelSpec) -> str:
        detector = find_detector(spec.mo_args)
        return detector.difference if detector else ""

    def added_inputs(self, spec: ModelSpec) -> frozenset[str]:
        detector = find_detector(spec.mo_args)
        return detector.added_inputs if detector else frozenset()

    def read_parts(self, spec: ModelSpec, source: Path) -> bytes | None:
        from posezoo.formats.object_detection import read_without_loops

        return read_without_loops(spec, source)

    def change_network(self, network: Model, spec: ModelSpec, source: Path) -> Model:
        from posezoo.formats.object_detection import add_detection_output
        from posezoo.formats.regions import add_regions

        return add_detection_output(add_regions(network, spec, source), spec, source)


STEPS = _Steps()
