"""What this package does instead of Model Optimizer's configurations, and of the scripts of
keras-YOLOv3-model-set, which make a TensorFlow network of Darknet's .cfg and .weights.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.mo_args import OTHER_ORIGINALS
from posezoo.core.declarations.model import Framework, ModelSpec
from posezoo.core.declarations.supported_mo_args import (
    PIPELINE_CONFIG,
    TRANSFORMATIONS_CONFIG,
    MoArgumentPairs,
)
from posezoo.core.declarations.upstream_steps import UpstreamSteps
from posezoo.formats.region_configs import SIZE_INPUT, find_detector, find_only, is_region_config

if TYPE_CHECKING:
    from openvino import Model

_SCRIPT = "keras-YOLOv3-model-set/tools/model_converter/convert.py"
_WEIGHTS = ".weights"


class _Steps(UpstreamSteps):
    def with_original(self, spec: ModelSpec) -> ModelSpec:
        if not spec.input_model.startswith("$conv_dir/") or _SCRIPT not in spec.file_names:
            return spec
        weights = find_only(spec, _WEIGHTS)
        if weights is None or find_only(spec, ".cfg") is None:
            return spec
        kept = tuple(pair for pair in spec.mo_args if pair[0] not in OTHER_ORIGINALS)
        return replace(spec, input_model=f"$dl_dir/{weights}", mo_args=kept)

    def reads_original(self, spec: ModelSpec) -> bool:
        return spec.framework is Framework.TF and spec.source_name.endswith(_WEIGHTS)

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
        return frozenset({SIZE_INPUT} if detector and detector.stages == 2 else ())

    def read_parts(self, spec: ModelSpec, source: Path) -> bytes | None:
        from posezoo.formats.object_detection import read_without_loops

        return read_without_loops(spec, source)

    def change_network(self, network: Model, spec: ModelSpec, source: Path) -> Model:
        from posezoo.formats.object_detection import add_detection_output
        from posezoo.formats.regions import add_regions

        return add_detection_output(add_regions(network, spec, source), spec, source)


STEPS = _Steps()
