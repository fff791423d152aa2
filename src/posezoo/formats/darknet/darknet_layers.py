"""A Darknet network as an ``openvino.Model``, with the outputs of keras-YOLOv3-model-set or OpenCV.

The former are the maps before the layers of boxes, [yolo] and [region]. The layers are described in
https://github.com/AlexeyAB/darknet/wiki/CFG-Parameters-in-the-different-layers. The rows of boxes
are those of OpenCV 4, which programs read (region_layer.cpp and darknet_io.cpp).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from posezoo.core.arrays import Array
from posezoo.core.errors import ConversionError, sanitize
from posezoo.core.ir.openvino_graph import Model, Node, Output
from posezoo.core.ir.openvino_graph import opset14 as ops
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.values import frozen
from posezoo.formats.activations import find_activation
from posezoo.formats.darknet.files import Section, WeightsReader
from posezoo.formats.layers_text import MAX_VALUES

INPUT = "image_input"
OPENCV_INPUT = "data"
ONLY_OUTPUT = "output"

#: What is added to a variance: Keras's default, which keras-YOLOv3-model-set has. Darknet has 1e-5.
EPSILON = np.float32(1e-3)
OPENCV_EPSILON = np.float32(1e-6)

_TO_NCHW = (0, 3, 1, 2)
_TO_NHWC = (0, 2, 3, 1)
# Their values are for training, and for what follows the maps.
_BOXES = ("yolo", "region")


@frozen
class EndNames:
    """How TensorFlow names an output and its operation, after the name of Keras's layer."""

    tensor: str
    operation: str


SAVED_MODEL = EndNames("{}", "model/{}/BiasAdd")
FROZEN_GRAPH = EndNames("{}/BiasAdd:0", "{}/BiasAdd")


@frozen
class _Progress:
    """The weights that no layer has taken, and the outputs: that of the image, then those of the
    layers; that of boxes is None. The epsilon is added to variances.
    """

    weights: WeightsReader
    outputs: list[Output]
    epsilon: np.float32

    def find(self, layer: Section, number: int) -> Output:
        """The output of a layer; a number below 0 counts back from the layer that reads it."""
        place = number + (len(self.outputs) if number < 0 else 1)
        if not 0 < place < len(self.outputs) or self.outputs[place] is None:
            raise layer.make_error(f"reads the output of layer {number}, which does not exist")
        return self.outputs[place]

    def find_previous(self, layer: Section) -> Output:
        return self.outputs[0] if len(self.outputs) == 1 else self.find(layer, -1)


def build_network(sections: Sequence[Section], weights: WeightsReader, names: EndNames) -> Model:
    """The network of a .cfg; its weights are taken from the reader.

    The outputs are in the order of their names, as in a SavedModel.

    Raises:
        ConversionError: a layer or a value is not supported, or the weights are those of another
            network.
    """
    net, *layers = _require_known(sections, _LAYERS)
    ends = find_ends(layers)
    image = _create_image(net, INPUT, ("height", "width", "channels"))
    progress = _Progress(weights, [_transpose(image, _TO_NCHW)], EPSILON)
    _build_layers(layers, progress)
    for number, layer in enumerate(layers):
        if layer.kind in _BOXES and "classes" in layer.values:
            classes = layer.integer("classes")
            channels = progress.find(layer, number - 1).get_shape()[1]
            if channels % (5 + classes):
                problem = f"{classes} classes do not fit {channels} channels"
                raise layer.make_error(problem, "classes")
    results = {}
    for name, number in ends.items():
        end = _transpose(progress.outputs[number + 1], _TO_NHWC)
        end.get_node().set_friendly_name(names.operation.format(name))
        results[names.tensor.format(name)] = end
    return _create_model(image, results)


def build_as_opencv(sections: Sequence[Section], weights: WeightsReader) -> Model:
    """The network of a .cfg as OpenCV 4 gives it: an image in NCHW, RGB from 0 to 1, and the rows
    of each layer of boxes (``decode_boxes``), or else the output of the last layer.

    Raises:
        ConversionError: as ``build_network``.
    """
    net, *layers = _require_known(sections, _LAYERS | _LAYERS_OF_OPENCV)
    image = _create_image(net, OPENCV_INPUT, ("channels", "height", "width"))
    progress = _Progress(weights, [image.output(0)], OPENCV_EPSILON)
    _build_layers(layers, progress)
    results = {}
    for number, layer in enumerate(layers):
        if layer.kind in _BOXES:
            name = "detection_out" if layer.kind == "region" else f"yolo_{number}"
            maps = progress.find(layer, number - 1)
            results[name] = decode_boxes(layer, maps, image.get_output_shape(0)[2:])
    return _create_model(image, results or {ONLY_OUTPUT: progress.outputs[-1]})


def _create_image(net: Section, name: str, axes: Sequence[str]) -> Node:
    sizes = list(map(net.integer, axes))
    if math.prod(sizes) > MAX_VALUES:
        raise net.make_error(f"the image {sizes} is too large")
    ov = import_openvino()
    image = ov.op.Parameter(ov.Type.f32, ov.PartialShape([1, *sizes]))
    image.set_friendly_name(name)
    image.output(0).set_names({name})
    return image


def _build_layers(layers: Sequence[Section], progress: _Progress) -> None:
    for layer in layers:
        progress.outputs.append(_build_layer(layer, progress))
    progress.weights.require_end()


def _create_model(image: Node, ends: Mapping[str, Output]) -> Model:
    ov = import_openvino()
    for name, end in ends.items():
        end.set_names({name})
    return ov.Model(list(map(ov.op.Result, ends.values())), [image], "darknet")


def find_ends(layers: Sequence[Section]) -> dict[str, int]:
    """The numbers of the layers before boxes by the names that Keras gives them, sorted.

    Raises:
        ConversionError: there are no boxes, or another layer is before them.
    """
    ends = {}
    before = ""  # the name of the layer before, if it may be an end
    convolutions = 0
    for number, layer in enumerate(layers):
        if layer.kind in _BOXES:
            if not before:
                raise layer.make_error(f"[{layer.kind}] needs a linear [convolutional] before it")
            ends[before] = number - 1
        before = ""
        if layer.kind == "convolutional" and "groups" not in layer.values:
            is_linear = layer.text("activation") == "linear"
            if is_linear and "batch_normalize" not in layer.values:
                before = f"conv2d_{convolutions}".removesuffix("_0")
            convolutions += 1
    if not ends:
        raise ConversionError(f"{layers[0].file}: has no [yolo] and no [region]")
    return dict(sorted(ends.items()))


def _require_known(
    sections: Sequence[Section], supported: Mapping[str, LayerRecord]
) -> Sequence[Section]:
    """The sections; a ConversionError names the first that is not supported."""
    if len(sections) < 2 or sections[0].kind != "net":
        raise sections[0].make_error("expected [net] and layers")
    for layer in sections[1:]:
        if layer.kind in _BOXES:
            continue
        if layer.kind not in supported:
            raise layer.make_error(f"layers of the type [{layer.kind}] are not supported")
        _, known_keys = supported[layer.kind]
        for key in layer.values:
            if key not in known_keys.split():
                raise layer.make_error(f"{sanitize(key)} is not supported", key)
    return sections


def _build_layer(layer: Section, progress: _Progress) -> Output:
    if layer.kind in _BOXES:
        return None
    build, _ = _LAYERS.get(layer.kind) or _LAYERS_OF_OPENCV[layer.kind]
    try:
        built = build(layer, progress)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise layer.make_error(f"cannot be built: {sanitize(reason)}") from error
    output = built.output(0) if isinstance(built, Node) else built
    if math.prod(output.get_shape()) > MAX_VALUES:
        raise layer.make_error(f"its output {list(output.get_shape())} is too large")
    return output


def _build_convolutional(layer: Section, progress: _Progress) -> Node | Output:
    image = progress.find_previous(layer)
    filters = layer.integer("filters")
    groups = layer.integer("groups", "1")
    channels = image.get_shape()[1]
    if filters % groups or channels % groups:
        raise layer.make_error(f"{channels} channels and {filters} filters in {groups} groups")
    size = layer.integer("size")
    kernel, bias = _take_kernel(layer, progress, (filters, channels // groups, size, size))
    strides = [layer.integer("stride", "1")] * 2
    is_padded = layer.integer("pad", "0", least=0)
    pads = [size // 2 if is_padded else layer.integer("padding", "0", least=0)] * 2
    if groups > 1:
        kernel = kernel.reshape(groups, -1, *kernel.shape[1:])
    convolve = ops.group_convolution if groups > 1 else ops.convolution
    convolved = convolve(image, kernel, strides, pads, pads, [1, 1])
    return _activate(layer, ops.add(convolved, bias.reshape(1, -1, 1, 1)))


def _take_kernel(
    layer: Section, progress: _Progress, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    weights = progress.weights
    filters = shape[0]
    bias = weights.take(layer, filters)
    if not layer.integer("batch_normalize", "0", least=0):
        return weights.take(layer, *shape), bias
    scale, mean, variance = weights.take(layer, 3, filters)
    if not (variance >= 0).all():
        raise layer.make_error("its variances are not positive, so the .weights are damaged")
    weights.variances.append(variance)
    kernel = weights.take(layer, *shape)
    with np.errstate(all="ignore"):  # the self-check reports numbers that are not finite
        factor = scale / np.sqrt(variance + progress.epsilon)
        return kernel * factor.reshape(-1, 1, 1, 1), bias - mean * factor


def _build_maxpool(layer: Section, progress: _Progress) -> Node:
    stride = layer.integer("stride", "1")
    size = layer.integer("size", str(stride))
    padding = layer.integer("padding", str(size - 1), least=0)
    begin = [padding // 2] * 2
    end = [padding - padding // 2] * 2
    image = progress.find_previous(layer)
    return ops.max_pool(image, [stride] * 2, [1, 1], begin, pads_end=end, kernel_shape=[size] * 2)


def _build_route(layer: Section, progress: _Progress) -> Node | Output:
    parts = [progress.find(layer, number) for number in layer.integers("layers")]
    groups = layer.integer("groups", "1")
    group = layer.integer("group_id", "0", least=0)
    if group >= groups:
        raise layer.make_error(f"there are only {groups} groups", "group_id")
    if groups > 1:
        for place, part in enumerate(parts):
            channels = part.get_shape()[1]
            if channels % groups:
                raise layer.make_error(f"{channels} channels in {groups} groups", "groups")
            size = channels // groups
            start = group * size
            parts[place] = ops.slice(part, [start], [start + size], [1], [1])
    return ops.concat(parts, 1) if len(parts) > 1 else parts[0]


def _build_shortcut(layer: Section, progress: _Progress) -> Node | Output:
    last = progress.find_previous(layer)
    number, *others = layer.integers("from")
    if others:
        raise layer.make_error("only one layer can be added", "from")
    other = progress.find(layer, number)
    if last.get_shape()[2:] != other.get_shape()[2:]:
        raise layer.make_error("the layers that it adds have different sizes")
    return _activate(layer, _add_common_channels(last, other))


def _add_common_channels(last: Output, other: Output) -> Node:
    channels, others = last.get_shape()[1], other.get_shape()[1]
    if channels == others:
        return ops.add(last, other)
    if channels < others:
        return ops.add(last, ops.slice(other, [0], [channels], [1], [1]))
    first, rest = ops.variadic_split(last, 1, [others, channels - others]).outputs()
    return ops.concat([ops.add(first, other), rest], 1)


def _build_connected(layer: Section, progress: _Progress) -> Node | Output:
    image = progress.find_previous(layer)
    outputs = layer.integer("output")
    kernel, bias = _take_kernel(layer, progress, (outputs, math.prod(image.get_shape()), 1, 1))
    flat = ops.reshape(image, [1, -1], False)
    product = ops.matmul(flat, kernel.reshape(outputs, -1), False, True)
    return _activate(layer, ops.add(product, bias.reshape(1, -1)))


def _build_product(layer: Section, progress: _Progress) -> Node | Output:
    """The last output times another one, of which each may have a value for each channel."""
    other = progress.find(layer, layer.integer("from", least=-MAX_VALUES))
    product = ops.multiply(other, progress.find_previous(layer))
    return _activate(layer, product, "linear")


def _build_reorg(layer: Section, progress: _Progress) -> Node:
    """The values of squares as channels, in the order of Darknet, which is not that of others: it
    first takes them for an image of ``stride`` times the height and width.
    """
    image = progress.find_previous(layer)
    stride = layer.integer("stride")
    _, channels, height, width = image.get_shape()
    if channels % stride**2 or height % stride or width % stride:
        raise layer.make_error(f"{channels} channels of {height} x {width} in squares of {stride}")
    squares = ops.reshape(image, [channels // stride**2, height, stride, width, stride], False)
    ordered = ops.transpose(squares, [2, 4, 0, 1, 3])
    shape = [1, channels * stride**2, height // stride, width // stride]
    return ops.reshape(ordered, shape, False)


def _build_upsample(layer: Section, progress: _Progress) -> Node:
    image = progress.find_previous(layer)
    # Scales would be rounded in an FP16 IR, whose shapes would not be static then.
    sizes = ops.gather(ops.shape_of(image), [2, 3], 0)
    return ops.interpolate(
        image,
        ops.multiply(sizes, np.int64(layer.integer("stride", "2"))),
        mode="nearest",
        shape_calculation_mode="sizes",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=[2, 3],
    )


def _activate(layer: Section, values: Node | Output, default: str = "") -> Node | Output:
    name = layer.text("activation", default)
    activate = find_activation(name)
    if activate is None:
        raise layer.make_error(f"the activation {sanitize(name)} is not supported", "activation")
    return activate(values)


def _transpose(output: Output, order: Sequence[int]) -> Output:
    return ops.transpose(output, order).output(0)


def decode_boxes(layer: Section, maps: Output, image_sizes: Sequence[int]) -> Output:
    """A row for each box, by row and column of the map and by anchor: x and y of the center, width
    and height, as shares of the image; whether there is an object, 0 to 1; and the score of each
    class, 0 if it is not above the layer's ``thresh``.

    OpenCV also removes overlapping boxes in [region]; here the program does.

    Args:
        maps: the output of the layer before, (1, channels, rows, columns).
        image_sizes: height and width of the network's input.

    Raises:
        ConversionError: the values of the layer do not fit the maps, or are not supported.
    """
    is_yolo = layer.kind == "yolo"
    classes = layer.integer("classes")
    anchors = _read_anchors(layer)
    _, channels, height, width = maps.get_shape()
    if channels != len(anchors) * (5 + classes):
        raise layer.make_error(
            f"{len(anchors)} anchors of {classes} classes do not fit {channels} channels", "classes"
        )
    if not is_yolo and layer.integer("softmax", "0", least=0) != 1:
        raise layer.make_error("[region] without softmax is not supported")
    # Anchors of [yolo] are in pixels of the image, those of [region] in cells of the map.
    anchors = anchors / (image_sizes[::-1] if is_yolo else (width, height))
    rows = ops.reshape(ops.transpose(maps, [0, 2, 3, 1]), [-1, 5 + classes], False)
    centers, sizes, objects, scores = ops.variadic_split(rows, 1, [2, 2, 1, classes]).outputs()
    if layer.integer("new_coords", "0", least=0):  # of YOLOv4 scaled, whose maps are logistic
        sizes = ops.multiply(ops.multiply(sizes, sizes), np.float32(4))
    else:
        centers = ops.sigmoid(centers)
        sizes = ops.exp(sizes)
        objects = ops.sigmoid(objects)
        scores = ops.sigmoid(scores) if is_yolo else ops.softmax(scores, 1)
    (stretch,) = layer.numbers("scale_x_y", "1")
    cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    corners = np.repeat(cells.reshape(-1, 2), len(anchors), 0) + 0.5 - stretch / 2
    grid = np.array([width, height])
    centers = ops.add(
        ops.multiply(centers, np.float32(stretch / grid)), (corners / grid).astype(np.float32)
    )
    all_anchors = np.tile(anchors, (height * width, 1)).astype(np.float32)
    sizes = ops.multiply(sizes, all_anchors)
    scores = ops.multiply(scores, objects)
    (threshold,) = layer.numbers("thresh", "0.2" if is_yolo else "0.001")
    is_above = ops.greater(scores, np.float32(threshold))
    scores = ops.select(is_above, scores, np.float32(0))
    return ops.concat([centers, sizes, objects, scores], 1).output(0)


def _read_anchors(layer: Section) -> Array:
    anchors = layer.numbers("anchors")
    if len(anchors) != 2 * layer.integer("num"):
        raise layer.make_error(
            f"has {len(anchors)} numbers for {layer.integer('num')} anchors", "anchors"
        )
    pairs = np.array(anchors).reshape(-1, 2)
    if layer.kind == "region":
        return pairs
    mask = layer.integers("mask")
    if not all(0 <= number < len(pairs) for number in mask):
        raise layer.make_error(f"there are only {len(pairs)} anchors", "mask")
    return pairs[mask]


LayerRecord = tuple[Callable[[Section, _Progress], Node | Output], str]

#: What builds a layer of each type, and the values that it may have.
_LAYERS: dict[str, LayerRecord] = {
    "convolutional": (
        _build_convolutional,
        # The last two are for the training.
        "batch_normalize filters size stride pad padding groups activation"
        " stopbackward onlyforward",
    ),
    "maxpool": (_build_maxpool, "size stride padding"),
    "route": (_build_route, "layers groups group_id"),
    "shortcut": (_build_shortcut, "from activation"),
    "upsample": (_build_upsample, "stride"),
}

#: The layers of classifiers, and those that keras-YOLOv3-model-set has not.
_LAYERS_OF_OPENCV: dict[str, LayerRecord] = {
    "avgpool": (
        lambda layer, progress: ops.reduce_mean(
            progress.find_previous(layer), [2, 3], keep_dims=True
        ),
        "",
    ),
    "connected": (_build_connected, "output activation"),
    # Only the training uses them.
    "cost": (lambda layer, progress: progress.find_previous(layer), "type"),
    "dropout": (lambda layer, progress: progress.find_previous(layer), "probability"),
    "reorg": (_build_reorg, "stride"),
    "sam": (_build_product, "from activation"),
    "scale_channels": (_build_product, "from activation"),
    "softmax": (
        lambda layer, progress: ops.softmax(progress.find_previous(layer), 1),
        "groups",
    ),
}
