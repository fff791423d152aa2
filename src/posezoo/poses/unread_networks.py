"""Networks for keypoints whose outputs no decoder reads, to refuse them by name.

Their outputs fit decoders of other networks, or look like theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posezoo.poses.decoder_type import OutputRule, Shape, has_shape

#: A rule for each output, in any order.
_NETWORKS: Mapping[str, Sequence[OutputRule]] = {
    # Boxes, labels, scores, keypoints and their scores.
    "Keypoint R-CNN": (
        has_shape(-1, 4),
        has_shape(-1),
        has_shape(-1),
        has_shape(-1, -1, 3),
        has_shape(-1, -1),
    ),
    # The number of people, boxes, scores and joints.
    "YOLO-NAS-pose": (
        has_shape(-1, 1),
        has_shape(-1, -1, 4),
        has_shape(-1, -1),
        has_shape(-1, -1, -1, 3),
    ),
    "YOLO-NAS-pose in the flat format": (has_shape(-1, -1, word="flat_predictions"),),
    "DeepLabCut": (
        has_shape(-1, -1, -1, -1, word="heatmap"),
        has_shape(-1, -1, -1, -1, word="locref"),
    ),
}


def name_unread_network(outputs: Mapping[str, Shape]) -> str:
    """The network that has such outputs; empty if none is known."""
    for network, rules in _NETWORKS.items():
        fitting = (any(rule(*output) for output in outputs.items()) for rule in rules)
        if len(outputs) == len(rules) and all(fitting):
            return network
    return ""
