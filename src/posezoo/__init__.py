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

from importlib import import_module
from typing import TYPE_CHECKING, Any

from posezoo.core import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posezoo.api import get, load, network
    from posezoo.api import list_models as list
    from posezoo.core.errors import PosezooError
    from posezoo.core.versions import version
    from posezoo.poses.decoders import decode
    from posezoo.poses.drawing import draw
    from posezoo.poses.keypoints import Pose, Pose3D, Poses

__all__ = [
    "Pose",
    "Pose3D",
    "Poses",
    "PosezooError",
    "decode",
    "draw",
    "get",
    "list",
    "load",
    "network",
    "version",
]

_HOMES = {
    "Pose": "posezoo.poses.keypoints",
    "Pose3D": "posezoo.poses.keypoints",
    "Poses": "posezoo.poses.keypoints",
    "PosezooError": "posezoo.core.errors",
    "decode": "posezoo.poses.decoders",
    "draw": "posezoo.poses.drawing",
    "get": "posezoo.api",
    "list": "posezoo.api",
    "load": "posezoo.api",
    "network": "posezoo.api",
    "version": "posezoo.core.versions",
}

# Where the public name would hide one of Python's.
_OWN_NAMES = {"list": "list_models"}

# What features add to the core, which names none of them.
features.PARTS.update(
    {
        "posezoo.formats": {
            "pytorch": "posezoo.networks.pytorch_format:PYTORCH",
            "caffe": "posezoo.formats.caffe.caffe_format:CAFFE",
        },
        "sidecars": {
            "card": "posezoo.pages.cards.ir_card:SIDECAR",
            "device proofs": "posezoo.measure.devices.device_proofs:SIDECAR",
        },
        "completers": {
            "NETWORK": "posezoo.networks:complete_network",
            "to": "posezoo.export.targets:complete_target",
        },
        "plan_details": {"device": "posezoo.measure.devices.device_check:PLAN"},
        "hooks": {
            "compared_rows": "posezoo.poses.compared_rows:select_compared_rows",
            "device_report": "posezoo.measure.devices.device_report:report_devices",
            "model_info": "posezoo.run.model_info:build_model_info",
            "verb get": "posezoo.measure.devices.device_check:GET",
            "own_networks": "posezoo.networks.custom_weights:OWN_NETWORKS",
        },
    }
)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that ``import posezoo`` alone is
    fast.
    """
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), _OWN_NAMES.get(name, name))
    raise AttributeError(f"module 'posezoo' has no attribute {name!r}")


def __dir__() -> Sequence[str]:
    return sorted([*globals(), *__all__])
