"""A model on every picture of a set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from posezoo import images
from posezoo.coco import CocoDataset, DatasetImage
from posezoo.coco.coco_dataset import CocoBox
from posezoo.errors import EvaluationError, ImageError
from posezoo.evaluation.image_predictions import ImagePredictions, make_converter
from posezoo.evaluation.prediction_cache import PredictionCache
from posezoo.events import EvaluationProgress, Listener, ignore_event
from posezoo.pose.keypoints import Pose
from posezoo.runtime.result_stream import ResultStream

#: An image, (H, W, 3) uint8 BGR, in, poses out; with ``boxes=`` where boxes are given. An estimator is one.
Predictor = Callable[..., Sequence[Pose]]


@dataclass(frozen=True, eq=False, slots=True)
class DatasetPredictions:
    """Who was found.

    Attributes:
        predictions: by the picture's number.
        unreadable: why, by the name of each picture that could not be read or has not the annotated size.
        cached_count: how many were found by an earlier run.
    """

    predictions: Mapping[int, ImagePredictions]
    unreadable: Mapping[str, str]
    cached_count: int = 0


def predict_dataset(
    predictor: Predictor,
    dataset: CocoDataset,
    *,
    names: Sequence[str],
    boxes: Mapping[int, Sequence[CocoBox]] | None = None,
    kept: PredictionCache | None = None,
    at_once: int = 1,
    name: str = "",
    listener: Listener = ignore_event,
) -> DatasetPredictions:
    """Show a model every picture of a set.

    Args:
        predictor: the model.
        dataset: the pictures.
        names: of the keypoints that count; empty where boxes alone do.
        boxes: by the picture's number, where people are, for a model that is shown one person at a time.
        kept: what an earlier run found, and where to keep what this one does.
        at_once: how many pictures are in the works at once; the model is called in other threads.
        name: of the model, for the listener.
        listener: told of every picture.

    Raises:
        EvaluationError: the model's skeleton does not match the names.
        PosezooError: the model fails.
    """
    translate = make_converter(names)
    before = {image.id: kept.get(image) for image in dataset.pictures} if kept else {}
    found = {number: each for number, each in before.items() if each is not None}
    known, unreadable = len(found), dict[str, str]()

    def look(image: DatasetImage) -> ImagePredictions | ImageError:
        try:
            return translate(_predict_image(predictor, image, boxes))
        except ImageError as error:
            return error

    rest = [picture for picture in dataset.pictures if picture.id not in found]
    with ResultStream(rest, look, at_once) as stream:
        for count, (picture, seen) in enumerate(stream, known + 1):
            if isinstance(seen, ImageError):
                unreadable[picture.file_name] = seen.problem
            else:
                found[picture.id] = seen
                if kept:
                    kept.add(picture, seen)
            listener(EvaluationProgress(name, count, len(dataset.pictures)))
    return DatasetPredictions(found, unreadable, known)


def _predict_image(
    predictor: Predictor, picture: DatasetImage, boxes: Mapping[int, Sequence[CocoBox]] | None
) -> Sequence[Pose]:
    image = read_dataset_image(picture)
    if boxes is None:
        return predictor(image)
    here = boxes.get(picture.id, ())
    return predictor(image, boxes=here) if here else ()


def read_dataset_image(picture: DatasetImage) -> Any:
    """The image, (H, W, 3) uint8 BGR.

    Raises:
        ImageError: it cannot be read, or has not the size that the annotations say.
    """
    image = images.read_image(picture.path)
    size = image.shape[1], image.shape[0]
    if picture.size is not None and size != picture.size:
        raise ImageError(
            f"{picture.path}: is {size[0]}x{size[1]}, the annotations say {picture.size[0]}x{picture.size[1]}"
        )
    return image


def require_readable(dataset: CocoDataset) -> None:
    """Make sure that there is a file for every picture.

    Raises:
        EvaluationError: some are missing; it counts them and names the first.
    """
    missing = [image.file_name for image in dataset.missing_images()]
    if missing:
        raise EvaluationError(
            f"{dataset.folder}: {len(missing)} of {len(dataset.pictures)} images are missing: "
            f"{join_names(missing)}",
            hint="posezoo dataset info lists all; --skip_unreadable measures without them, and says so",
        )


def join_names(names: Sequence[str], max_count: int = 5) -> str:
    """The first names, and whether there are more."""
    return ", ".join(names[:max_count]) + (
        f", and {len(names) - max_count} more" if len(names) > max_count else ""
    )
