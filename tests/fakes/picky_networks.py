"""Networks whose ports have fixed sizes, and which fail on some inputs as they run."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from posezoo.core.ir.openvino_import import import_openvino


def _keep(values, above: float, shape: list[int]):
    """The values above a limit in another shape: it fails unless there are as many as the shape has."""
    from openvino import opset13 as ops

    found = ops.non_zero(ops.greater(values, np.float32(above)), "i64")
    places = ops.transpose(found, np.array([1, 0]))
    return ops.reshape(ops.gather_nd(values, places, 0), np.array(shape), False)


def _write(path: Path, inputs: dict, outputs: dict) -> Path:
    ov = import_openvino()
    for name, node in (*inputs.items(), *outputs.items()):
        node.output(0).set_names({name})
    network = ov.Model([*outputs.values()], [*inputs.values()], path.stem)
    ov.save_model(network, path, compress_to_fp16=False)
    return path


def write_picky_ir(path: Path) -> Path:
    """image (1, 8) -> bright (1, 4): its values above 0.5, of which there must be four."""
    from openvino import opset13 as ops

    image = ops.parameter([1, 8], np.float32)
    return _write(path, {"image": image}, {"bright": _keep(image, 0.5, [1, 4])})


def write_picky_pose_ir(path: Path) -> Path:
    """image (1, 192, 192, 3) -> poses (1, 1, 17, 3), as MoveNet's: it fails on dark pictures."""
    from openvino import opset13 as ops

    image = ops.parameter([1, 192, 192, 3], np.float32)
    step = np.array([1, 1, 1, 1])
    corner = ops.strided_slice(
        image, np.array([0, 0, 0, 0]), np.array([1, 17, 3, 1]), step, [0] * 4, [0] * 4
    )
    values = _keep(corner, 10, [1, 1, 17, 3])
    return _write(path, {"image": image}, {"poses": ops.divide(values, np.float32(255))})


def write_pictures(folder: Path) -> Path:
    """A bright picture, a dark one and a bright one: a.png, b.png and c.png."""
    folder.mkdir()
    for name, value in (("a", 200), ("b", 0), ("c", 100)):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((192, 192, 3), value, np.uint8))
    return folder


def write_table_ir(path: Path) -> Path:
    """row (1), values (1, 4) -> table (3, 4): all sizes are fixed, but there is no row 3."""
    from openvino import opset13 as ops

    row = ops.parameter([1], np.int32)
    values = ops.parameter([1, 4], np.float32)
    table = ops.scatter_update(np.zeros((3, 4), np.float32), row, values, np.array(0))
    return _write(path, {"row": row, "values": values}, {"table": table})
