"""The example decoder in a graph."""

import numpy as np
import openvino.opset13 as ops


def build(maps, size, options, _max_people):
    """The keypoints of the only person, (1, 17, 3), and its score, (1,)."""
    point = ops.multiply(maps["point"], ops.constant(np.array([size], np.float32)))
    score = ops.constant(np.array([options.score], np.float32))
    keypoint = ops.concat([point, ops.unsqueeze(score, ops.constant(0))], 1)
    shape = ops.constant(np.array([1, 17, 3]))
    return ops.broadcast(ops.unsqueeze(keypoint, ops.constant(1)), shape), score
