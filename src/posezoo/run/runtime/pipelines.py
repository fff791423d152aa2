"""The pipelines that run networks, by the names that decoders give."""

from __future__ import annotations

from posezoo.core.plugins import import_part

_RUNTIME = "posezoo.run.runtime"

#: Each is a class whose argument is a ``PipelineConfig``.
PIPELINES = {
    "blazepose": f"{_RUNTIME}.mediapipe_pipelines:BlazePosePipeline",
    "bottom-up": f"{_RUNTIME}.bottom_up_pipeline:BottomUpPipeline",
    "classifier": f"{_RUNTIME}.network_pipeline:ClassifierPipeline",
    "detector": f"{_RUNTIME}.network_pipeline:DetectorPipeline",
    "face": f"{_RUNTIME}.mediapipe_pipelines:FacePipeline",
    "landmarks": f"{_RUNTIME}.mediapipe_pipelines:LandmarkPipeline",
    "lifting": f"{_RUNTIME}.bottom_up_pipeline:LiftingPipeline",
    "mask": f"{_RUNTIME}.mediapipe_pipelines:MaskPipeline",
    "network": f"{_RUNTIME}.network_pipeline:NetworkPipeline",
    "top-down": f"{_RUNTIME}.top_down_pipeline:TopDownPipeline",
}


def find_pipeline(name: str) -> type:
    """The pipeline of this name, or the class that a plug-in names as ``module:class``."""
    return import_part(PIPELINES.get(name, name), type)
