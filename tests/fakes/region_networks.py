"""IR that end as Open Model Zoo's YOLO 1 to 4, CenterNet and classifiers of attributes do, with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import yaml
from openvino import opset13 as ops

from fakes.zoo import declared_file, omz_yml, write_model

#: By name: the side of the input, and the number of classes.
NETWORKS = {
    "yolo-v1-tiny-tf": (416, 20),
    "yolo-v2-tf": (608, 80),
    "yolo-v2-ava-0001": (416, 20),
    "yolo-v3-tf": (416, 80),
    "yolo-v3-tiny-tf": (416, 80),
    "mobilefacedet-v1-mxnet": (256, 1),
    "yolo-v4-tf": (608, 80),
    "yolo-v4-tiny-tf": (416, 80),
}


def read_anchors(name: str, shared: Path) -> tuple[np.ndarray, list[list[int]]]:
    """Anchors by Open Model Zoo's accuracy-check.yml; and their numbers for each map, the one with the largest cells first."""
    folder = shared / "data" / "omz-2021.4" / "models"
    (path,) = folder.glob(f"*/{name}/accuracy-check.yml")
    launcher = yaml.safe_load(path.read_text())["models"][-1]["launchers"][0]
    adapter = launcher["adapter"]
    anchors = adapter["anchors"]
    named = {  # the accuracy checker's own lists
        "tiny_yolo_v3": "10,14,23,27,37,58,81,82,135,169,344,319",
        "yolo_v2": "1.3221,1.73145,3.19275,4.00944,5.05587,8.09892,9.47112,4.84053,11.2364,10.0071",
        "tiny_yolo_v2": "1.08,1.19,3.42,4.41,6.63,11.38,9.42,5.11,16.62,10.52",
    }
    pairs = np.array(named.get(anchors, anchors).split(","), float).reshape(-1, 2)
    masks = adapter.get("anchor_masks", [range(len(pairs))])
    return pairs, sorted(map(list, masks), key=lambda mask: -pairs[mask[-1]].prod())


def maps_of_cells(image: object, stride: int, weights: np.ndarray, biases: np.ndarray) -> object:
    """Maps, (1, C, H, W): the mean colors of cells, -2 to 2, by weights (C, 3), and biases (C,)."""
    cells = ops.avg_pool(
        image, [stride] * 2, [0, 0], [0, 0], [stride] * 2, exclude_pad=False, rounding_type="floor"
    )
    colors = ops.subtract(ops.multiply(cells, np.float32(1 / 64)), np.float32(2))
    kernels = weights.reshape(-1, 3, 1, 1).astype(np.float32)
    mixed = ops.convolution(colors, kernels, [1, 1], [0, 0], [0, 0], [1, 1])
    return ops.add(mixed, biases.reshape(1, -1, 1, 1).astype(np.float32))


def maps_of_boxes(image: object, stride: int, anchors: int, classes: int) -> object:
    """Maps in which few cells have an object, and no cell has two classes."""
    weights = np.random.default_rng(stride).normal(0, 2, (anchors, 5 + classes, 3))
    biases = np.zeros((anchors, 5 + classes))
    biases[:, 4] = {32: -3, 16: -5, 8: -6}[stride] + (classes == 1)
    weights[:, 6:] = 0
    biases[:, 6:] = -9
    weights[:, :4] /= 4
    if classes > 1:
        weights[:, -1] = -weights[:, 5]
        biases[:, -1] = -1
    return maps_of_cells(image, stride, weights, biases)


def yolo_network(name: str, anchors: np.ndarray, masks: list[list[int]]) -> ov.Model:
    """A network whose outputs are those of the converted model.

    Args:
        anchors: (N, 2), and for each map, that with the largest cells first, the numbers of its own.
    """
    side, classes = NETWORKS[name]
    image = ops.parameter([1, 3, side, side], np.float32, "image")
    results = []
    for place, mask in enumerate(masks):
        maps = maps_of_boxes(image, 32 >> place, len(mask), classes)
        output = f"conv2d_{90 - place}/BiasAdd"
        if "v4" in name:
            maps = ops.transpose(maps, [0, 2, 3, 1])
        else:
            is_single = len(masks) == 1
            maps = ops.region_yolo(
                maps, coords=4, classes=classes, num=len(anchors), do_softmax=is_single,
                mask=[] if is_single else mask, axis=1, end_axis=3, anchors=anchors.ravel().tolist(),
            )  # fmt: skip
            output += "/YoloRegion"
        maps.set_friendly_name(output)
        maps.output(0).set_names({output})
        results.append(ops.result(maps))
    return ov.Model(results[::-1], [image], name)


def centernet_network() -> ov.Model:
    image = ops.parameter([1, 3, 512, 512], np.float32, "input.1")
    results = []
    rng = np.random.default_rng(0)
    for output, biases in (
        ("center_heatmap", np.full(80, -5.0)),
        ("width_height", np.array([20.0, 12])),
        ("regression", np.array([0.5, 0.5])),
    ):
        maps = maps_of_cells(image, 4, rng.normal(size=(len(biases), 3)), biases)
        maps.set_friendly_name(output)
        maps.output(0).set_names({output})
        results.append(ops.result(maps))
    return ov.Model(results, [image], "ctdet_coco_dlav0_512")


def ssd_network(name: str, side: int, label: int) -> ov.Model:
    """Rows of SSD's DetectionOutput: one box for each cell of 8 x 8, with a score by its colors."""
    image = ops.parameter([1, 3, side, side], np.float32, "image")
    scores = ops.sigmoid(maps_of_cells(image, side // 8, np.array([[3, -3, 3]]), np.array([0.0])))
    results = [ops.result(ops.concat([_rows([0, label]), _scores_of(scores), _boxes(1.0)], 3))]
    return _named(results, ["detection_out"], image, name)


def boxes_labels_network(name: str, side: int) -> ov.Model:
    """The same boxes in pixels, with their scores, and labels."""
    image = ops.parameter([1, 3, side, side], np.float32, "image")
    scores = ops.sigmoid(maps_of_cells(image, side // 8, np.array([[3, -3, 3]]), np.array([0.0])))
    rows = ops.concat([_boxes(float(side)), _scores_of(scores)], 3)
    labels = ops.multiply(ops.reshape(scores, [64], False), np.float32(0))
    results = [ops.result(ops.reshape(rows, [64, 5], False)), ops.result(labels)]
    return _named(results, ["boxes", "labels"], image, name)


def _rows(values: list[float]) -> object:
    return ops.constant(np.tile(np.float32(values), (1, 1, 64, 1)))


def _scores_of(maps: object) -> object:
    return ops.reshape(maps, [1, 1, 64, 1], False)


def _boxes(scale: float) -> object:
    """x0, y0, x1, y1 of 8 x 8 cells, row by row, which fill an area of this side."""
    rows, columns = np.divmod(np.arange(64), 8)
    corners = np.stack([columns, rows, columns + 1, rows + 1], 1) / 8 * scale
    return ops.constant(corners[None, None].astype(np.float32))


def _named(results: list[object], names: list[str], image: object, name: str) -> ov.Model:
    for result, output in zip(results, names, strict=True):
        result.input_value(0).set_names({output})
    return ov.Model(results, [image], name)


def attributes_network(name: str, side: int, outputs: dict[str, int]) -> ov.Model:
    """A classifier with several outputs: of one number 0..1, or the softmax of several."""
    image = ops.parameter([1, 3, side, side], np.float32, "data")
    results = []
    for output, count in outputs.items():
        weights = np.random.default_rng(count).normal(size=(count, 3))
        maps = maps_of_cells(image, side, weights, np.zeros(count))
        shares = ops.sigmoid(maps) if count == 1 else ops.softmax(maps, 1)
        shares.output(0).set_names({output})
        results.append(ops.result(shares))
    return ov.Model(results, [image], name)


def publish_ir(network: ov.Model, folder: Path, task: str = "detection") -> tuple[object, ...]:
    """A registry with a network as published IR, in Open Model Zoo's form; the flags that select it."""
    name = network.get_friendly_name()
    files = []
    for precision in ("FP16", "FP32"):
        xml = folder / "published" / precision / f"{name}.xml"
        xml.parent.mkdir(parents=True)
        ov.save_model(network, xml, compress_to_fp16=precision == "FP16")
        files += [
            declared_file(file, name=f"{precision}/{file.name}")
            for file in (xml, xml.with_suffix(".bin"))
        ]
    content = omz_yml(
        task_type=task, framework="dldt", files=files, model_optimizer_args=None,
        input_info=[
            {"name": port.any_name, "shape": [*port.shape], "layout": "NCHW"}
            for port in network.inputs
        ],
    )  # fmt: skip
    write_model(folder / "models", name, content)
    return "--models_dir", folder / "models", "--weights_dir", folder / "weights"
