"""Maps of PoseNet: of people whose keypoints are known, and random ones; and the decoder published for them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from fakes.checkout import ROOT
from fakes.command import run_process
from fakes.irs import state_images

#: The folder node_modules with npm's @tensorflow-models/posenet: ``make build/posenet-env``.
PEER = ROOT / "build" / "posenet-env" / "node_modules"
if "POSENET_PEER" in os.environ:
    PEER = Path(os.environ["POSENET_PEER"])

STRIDE = 16
# The tree of tfjs-models (POSE_CHAIN), by the names of COCO's keypoints there.
FIRST = [0, 1, 0, 2, 0, 5, 7, 5, 11, 13, 0, 6, 8, 6, 12, 14]
SECOND = [1, 3, 2, 4, 5, 7, 9, 11, 13, 15, 6, 8, 10, 12, 14, 16]

Maps = dict[str, np.ndarray]


def people_maps(joints: np.ndarray, size: tuple[int, int]) -> Maps:
    """What a perfect network puts out for people (N, 17, 2) in an input of this width and height.

    In each cell, the offsets and displacements of a keypoint are those of the person whose keypoint is nearest.
    """
    rows, columns = (
        np.arange((side - 1) // STRIDE + 1) * float(STRIDE) for side in (size[1], size[0])
    )
    cells = np.stack(np.meshgrid(columns, rows), axis=-1)[:, :, None, None]  # (H, W, 1, 1, 2)
    to_each = joints.transpose(1, 0, 2) - cells  # (H, W, 17, N, 2)
    distances = np.hypot(to_each[..., 0], to_each[..., 1])
    nearest = distances.argmin(axis=-1)
    offsets = np.take_along_axis(to_each, nearest[..., None, None], axis=3)[:, :, :, 0]
    logits = 4 - distances.min(axis=-1) / 4

    def displacements(sources: list[int], targets: list[int]) -> np.ndarray:
        edges = joints[:, targets] - joints[:, sources]  # (N, 16, 2)
        return _last_axis(edges[nearest[:, :, sources], np.arange(16)])

    maps = {
        "heatmaps": logits,
        "offsets": _last_axis(offsets),
        "displacements_fwd": displacements(FIRST, SECOND),
        "displacements_bwd": displacements(SECOND, FIRST),
    }
    return {role: values[None].astype(np.float32) for role, values in maps.items()}


def _last_axis(vectors: np.ndarray) -> np.ndarray:
    """(H, W, K, 2) x and y become (H, W, 2 K): first all y, then all x."""
    return np.concatenate([vectors[..., 1], vectors[..., 0]], axis=-1)


def spot_network(xml: Path, size: tuple[int, int]) -> Path:
    """An IR from (1, 3, H, W) to PoseNet's maps: all keypoints are in the middle of what is bright.

    Cells lie from the first to the last pixel of the input, of this width and height.
    """
    import openvino as ov
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, size[1], size[0]], np.float32, name="image")
    reach = np.arange(-STRIDE, STRIDE + 1)
    y, x = np.broadcast_arrays(reach[:, None], reach)
    near = STRIDE - np.hypot(y, x).clip(0, STRIDE)
    windows = np.stack([near / 1e4, np.ones_like(near), y, x]).astype(np.float32)
    kernel = ops.constant(np.repeat(windows[:, None], 3, axis=1))
    maps = ops.convolution(image, kernel, [STRIDE] * 2, [STRIDE] * 2, [STRIDE] * 2, [1, 1])
    shares, total, down, across = ops.split(maps, ops.constant(1), 4).outputs()
    total = ops.add(total, ops.constant(np.float32(1e-3)))
    zero = ops.multiply(total, ops.constant(np.float32(0)))
    channels = {
        "heatmap": [ops.subtract(shares, ops.constant(np.float32(3)))] * 17,
        "offset": [ops.divide(down, total)] * 17 + [ops.divide(across, total)] * 17,
        "displacement_fwd": [zero] * 32,
        "displacement_bwd": [zero] * 32,
    }
    results = []
    for name, parts in channels.items():
        last = ops.transpose(ops.concat(parts, 1), ops.constant(np.array([0, 2, 3, 1])))
        last.output(0).set_names({name})
        results.append(last)
    ov.save_model(state_images(ov.Model(results, [image], "spot")), xml, compress_to_fp16=False)
    return xml


def random_maps(seed: int, height: int, width: int, *, step: float) -> Maps:
    """Maps without people. Positions are multiples of ``step``: with 8, many lie between two cells."""
    random = np.random.RandomState(seed)  # the same numbers in every version of numpy

    def positions(channels: int, reach: int) -> np.ndarray:
        values = random.randint(-reach, reach + 1, (1, height, width, channels)) * step
        return values.astype(np.float32)

    logits = random.permutation(height * width * 17).reshape(1, height, width, 17)
    return {
        "heatmaps": ((logits / logits.size - 0.9) * 40).astype(np.float32),
        "offsets": positions(34, int(24 / step)),
        "displacements_fwd": positions(32, int(80 / step)),
        "displacements_bwd": positions(32, int(80 / step)),
    }


def published_poses(cases: list[tuple[Maps, dict[str, Any]]], turns: int = 1) -> list[Any]:
    """What the published decoder in ``PEER`` decodes from maps, in its order, and how many ms it takes.

    Args:
        cases: maps, and options by posezoo's names.
    """
    content = [
        {
            "size": maps["heatmaps"].shape[1:3],
            "max_people": options.get("max_people", 5),
            "min_keypoint_score": options.get("min_keypoint_score", 0.5),
            "nms_radius": options.get("nms_radius", 20),
            **{role: base64.b64encode(values.tobytes()).decode() for role, values in maps.items()},
        }
        for maps, options in cases
    ]
    script = Path(__file__).with_name("posenet_peer.js")
    ended = run_process(
        ["node", str(script), str(turns)],
        input=json.dumps(content),
        env={**os.environ, "NODE_PATH": str(PEER.resolve())},
        check=True,
    )
    answers: list[Any] = json.loads(ended.stdout)
    return answers
