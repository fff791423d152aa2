"""``mp.solutions.selfie_segmentation``: a mask of the people in an image."""

from __future__ import annotations

from typing import Any

from posezoo.core.errors import import_cv2
from posezoo.poses.letterbox import Image, image_size, stretch_transform
from posezoo.solutions.solution import Solution, choose, infer, load_network
from posezoo.solutions.solution import SolutionBase as SolutionBase

_MODELS = {0: "selfie-segmentation", 1: "selfie-segmentation-landscape"}


class SelfieSegmentation(Solution):
    """Finds the pixels of people within two meters."""

    outputs = ("segmentation_mask",)

    def __init__(self, model_selection: int = 0) -> None:
        """Load the network.

        Args:
            model_selection: 0 for the network of 256 x 256 pixels, 1 for that of landscapes.
        """
        super().__init__()
        self._network = load_network(choose("model_selection", model_selection, _MODELS))

    def _find(self, image: Image) -> dict[str, Any]:
        cv2 = import_cv2()
        ((_, height, width, _),) = self._network.inputs.values()
        size = image_size(image)
        picture = stretch_transform(size, (width, height)).sample(image)
        (mask,) = infer(self._network, picture).values()
        return {"segmentation_mask": cv2.resize(mask.reshape(height, width), size)}
