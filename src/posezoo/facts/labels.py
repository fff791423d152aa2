"""What cards and lists say of several models together, in few words; light, since lists answer at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from posezoo.spec.model import CompositeSpec, Framework, ModelSpec, Precision, PublishedAccuracy

Model = ModelSpec | CompositeSpec

FRAMEWORKS = {
    Framework.CAFFE: "Caffe",
    Framework.CAFFE2: "Caffe2",
    Framework.DLDT: "OpenVINO IR",
    Framework.MXNET: "MXNet",
    Framework.ONNX: "ONNX",
    Framework.PYTORCH: "PyTorch",
    Framework.TF: "TensorFlow",
    Framework.TFLITE: "TensorFlow Lite",
}


def find_approach(model: Model) -> str:
    """``top-down`` or ``bottom-up``; empty for a model that estimates no poses or has an unknown decoder."""
    from posezoo.pose.decoders import DECODERS

    decoder = DECODERS.find(model.decoder.name) if model.decoder else None
    return decoder.approach if decoder else ""


def framework_labels(parts: Iterable[ModelSpec]) -> list[str]:
    """The frameworks of some models, as people write them."""
    return sorted({FRAMEWORKS[part.framework] for part in parts})


def common_precisions(parts: Sequence[ModelSpec]) -> list[Precision]:
    """The precisions that all of some models are to be had in."""
    return [each for each in Precision if parts and all(each in part.precisions for part in parts)]


def download_size(parts: Iterable[ModelSpec]) -> int | None:
    """How much there is to download for some models; None where a publisher does not say."""
    sizes = [file.size for part in parts for file in part.files]
    return None if None in sizes else sum(size or 0 for size in sizes)


def task_label(task: str) -> str:
    """A task, as people write it: ``Human pose estimation``."""
    return task.replace("_", " ").capitalize()


def format_megabytes(size: int | None) -> str:
    """A size in bytes, as people read it: ``9.4 MB``."""
    return "unknown" if size is None else f"{size / 1e6:.1f} MB"


def format_percent(share: float) -> str:
    """A share between 0 and 1, as Open Model Zoo's cards write it: ``64.64%``, ``66.3%``."""
    return f"{share * 100:.6g}%"


def format_protocol(claim: PublishedAccuracy) -> str:
    """How an accuracy was had, as far as its publisher says: ``single scale, flip``."""
    flip = "flip" if claim.flip and "flip" not in claim.protocol else ""
    return ", ".join(filter(None, (claim.protocol, flip)))
