"""A human-pose model zoo, and the toolkit that downloads, verifies, converts and runs its models on
OpenVINO.

import posezoo

irs = posezoo.get("blazepose-full", precision="FP16")      # part name -> .xml
model = posezoo.load("blazepose-full", precision="FP16", device="CPU")
poses = model("photo.jpg")                                  # or uint8 BGR, or a list of both
net = posezoo.network("higher_hrnet", pretrained="mine.pth")  # a PyTorch module, own weights
poses = posezoo.decode("openpose", outputs, (456, 256))     # outputs of any runtime in
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posezoo.core import features

if TYPE_CHECKING:
    from posezoo import networks
    from posezoo.api import get, load, network
    from posezoo.api import list_models as list
    from posezoo.console.console import log_events
    from posezoo.core import errors, events
    from posezoo.core.errors import PosezooError
    from posezoo.core.versions import version
    from posezoo.measure import coco, evaluation
    from posezoo.poses.decoders import decode
    from posezoo.poses.drawing import draw
    from posezoo.poses.keypoints import Pose, Pose3D, Poses
    from posezoo.run.keypoint_files import to_csv, to_rows
    from posezoo.run.load_arguments import Options, Preparation

__all__ = [
    "Options",
    "Pose",
    "Pose3D",
    "Poses",
    "PosezooError",
    "Preparation",
    "coco",
    "decode",
    "draw",
    "errors",
    "evaluation",
    "events",
    "get",
    "load",
    "log_events",
    "network",
    "networks",
    "to_csv",
    "to_rows",
    "version",
]
if TYPE_CHECKING:  # ``from posezoo import *`` must not replace Python's own list
    __all__ += ["list"]

# Where each public name is; of a module, nothing stands after the colon.
_HOMES = {
    "Options": "posezoo.run.load_arguments:Options",
    "Pose": "posezoo.poses.keypoints:Pose",
    "Pose3D": "posezoo.poses.keypoints:Pose3D",
    "Poses": "posezoo.poses.keypoints:Poses",
    "PosezooError": "posezoo.core.errors:PosezooError",
    "Preparation": "posezoo.run.load_arguments:Preparation",
    "coco": "posezoo.measure.coco:",
    "decode": "posezoo.poses.decoders:decode",
    "draw": "posezoo.poses.drawing:draw",
    "errors": "posezoo.core.errors:",
    "evaluation": "posezoo.measure.evaluation:",
    "events": "posezoo.core.events:",
    "get": "posezoo.api:get",
    "list": "posezoo.api:list_models",
    "load": "posezoo.api:load",
    "log_events": "posezoo.console.console:log_events",
    "network": "posezoo.api:network",
    "networks": "posezoo.networks:",
    "to_csv": "posezoo.run.keypoint_files:to_csv",
    "to_rows": "posezoo.run.keypoint_files:to_rows",
    "version": "posezoo.core.versions:version",
}

# What features add to the core, which names none of them.
features.PARTS.update(
    {
        "posezoo.formats": {
            "onnx": "posezoo.formats.onnx:FORMAT",
            "dldt": "posezoo.formats.openvino_ir:FORMAT",
            "tf": "posezoo.formats.tensorflow:FORMAT",
            "tflite": "posezoo.formats.tflite:FORMAT",
            "paddle": "posezoo.formats.paddle:FORMAT",
            "pytorch": "posezoo.networks.pytorch_format:FORMAT",
            "caffe": "posezoo.formats.caffe.caffe_format:FORMAT",
        },
        # Those that are read out of wheels; of one zoo, the latest release first.
        "registries": {
            "omz": "posezoo.omz.registries:OMZ_2024_6",
            "omz@2022.1": "posezoo.omz.registries:OMZ_2022_1",
            "omz@2021.4": "posezoo.omz.registries:OMZ_2021_4",
        },
        "posezoo.source_types": {
            "python_package": "posezoo.packages.python_package:SOURCE_TYPE",
            "npm_package": "posezoo.packages.npm_package:SOURCE_TYPE",
            "storage": "posezoo.scale.storage_source:STORAGE_TYPE",  # s3, gs, az, sftp
        },
        "sidecars": {"card": "posezoo.pages.cards.ir_card:SIDECAR"},
        # What the cards of a registry may show.
        "card_commands": {
            "downloader.py": "posezoo.omz.commands.downloader:COMMAND",
            "omz_downloader": "posezoo.omz.commands.downloader:COMMAND",
            "converter.py": "posezoo.omz.commands.converter:COMMAND",
            "omz_converter": "posezoo.omz.commands.converter:COMMAND",
            "quantizer.py": "posezoo.omz.commands.quantizer:COMMAND",
            "omz_quantizer": "posezoo.omz.commands.quantizer:COMMAND",
            "info_dumper.py": "posezoo.omz.commands.info_dumper:COMMAND",
            "omz_info_dumper": "posezoo.omz.commands.info_dumper:COMMAND",
        },
        "completers": {
            "to": "posezoo.export.targets:COMPLETER",
            "NETWORK": "posezoo.networks.catalog:COMPLETER",
        },
        "diagnoses": {
            "sandbox": "posezoo.omz.diagnoses:SANDBOX_REPORT",
            "stand-ins": "posezoo.omz.diagnoses:STAND_INS_REPORT",
            "default": "posezoo.run.default_report:REPORT",
            "devices": "posezoo.run.device_report:REPORT",
            "packages": "posezoo.packages.package_diagnosis:REPORT",
            "nncf": "posezoo.quantize.nncf_version:REPORT",
        },
        "hooks": {
            "Cluster": "posezoo.scale.cluster_executor:CLUSTER",
            "ComparedRows": "posezoo.poses.compared_rows:PEOPLE_ROWS",
            "FileExplainer": "posezoo.core.convert.file_kinds:EXPLAINER",
            "GraphDecoder": "posezoo.export.decoded.decoder_in_graph:DECODER",
            "Int8Maker": "posezoo.quantize.int8_ranges:MAKER",
            "IrProof": "posezoo.proof.proof_start:PROOF",
            "ModelDescription": "posezoo.run.ir_description:DESCRIPTION",
            "OnnxRewriting": "posezoo.formats.onnx_rewriting:REWRITING",
            "OwnNetworks": "posezoo.networks.custom_weights:OWN_NETWORKS",
            "ProgramFinder": "posezoo.omz.model_optimizer:FINDER",
            "QuantizationReader": "posezoo.omz.quantization_yml:READER",
            "SamplePhotos": "posezoo.media.images:PHOTOS",
            "UpstreamCode": "posezoo.omz.upstream_code:SANDBOXED_CODE",
            "UpstreamSteps": "posezoo.formats.upstream_configs:STEPS",
            "WheelRegistryReader": "posezoo.packages.wheel_registry:READER",
        },
    }
)


if not TYPE_CHECKING:  # a checker sees the imports above, and refuses all other names

    def __getattr__(name):
        """Import a public name when it is first used (PEP 562), so that ``import posezoo`` alone is
        fast.
        """
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module 'posezoo' has no attribute {name!r}")
        module, _, value = _HOMES[name].partition(":")
        found = import_module(module)
        return getattr(found, value) if value else found

    def __dir__():
        return sorted([*_HOMES, *(name for name in globals() if name.startswith("__"))])
