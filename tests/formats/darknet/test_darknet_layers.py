"""Networks as posezoo reads them, compared with OpenCV's own reader of Darknet."""

import cv2
import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from fakes.darknet import DarknetNet, yolo_v4
from fakes.opencv import needs_opencv_4
from posezoo.core.errors import ConversionError
from posezoo.formats.darknet.darknet_layers import SAVED_MODEL, build_network, find_ends
from posezoo.formats.darknet.files import WeightsReader, read_cfg

pytestmark = needs_opencv_4


def read(net, folder):
    weights = net.save(folder)
    sections = read_cfg(weights.with_suffix(".cfg"))
    return build_network(sections, WeightsReader(weights), SAVED_MODEL)


def assert_equal(net, folder):
    """All ends are those of OpenCV; returns their number."""
    network = read(net, folder)
    image = net.random.uniform(0, 1, tuple(network.input(0).shape)).astype(np.float32)
    results = compiled(network)(image)
    judge = cv2.dnn.readNetFromDarknet(
        str(folder / "net.cfg"), str(net.save(folder, for_opencv=True))
    )
    judge.enableFusion(False)
    judge.enableWinograd(False)
    judge.setInput(image.transpose(0, 3, 1, 2))
    ends = find_ends(read_cfg(folder / "net.cfg")[1:])
    maps = judge.forward([f"conv_{number}" for number in ends.values()])
    for name, theirs in zip(ends, maps, strict=True):
        ours = results[name].transpose(0, 3, 1, 2)
        assert ours.shape == theirs.shape, name
        assert np.abs(ours - theirs).max() <= 1e-5 * max(1, np.abs(theirs).max()), name
    return len(maps)


def test_the_heads_of_yolo_v4_are_those_of_darknet_under_the_names_of_keras(tmp_path):
    net = yolo_v4()
    assert_equal(net, tmp_path)
    network = read(net, tmp_path)
    assert [port.get_any_name() for port in network.inputs] == ["image_input"]
    shapes = {port.get_any_name(): list(port.shape) for port in network.outputs}
    assert shapes == {
        "conv2d_10": [1, 8, 12, 21],
        "conv2d_6": [1, 32, 48, 21],
        "conv2d_8": [1, 16, 24, 21],
    }
    assert list(shapes) == sorted(shapes)  # a SavedModel sorts its outputs


#: What is replaced in the .cfg of ``yolo_v4``, by what, and the error.
MISTAKES = {
    "a value": ("layers = -2", "layers = -2\nscale = 3", r"net\.cfg:58: 'scale' is not supported"),
    "an activation": ("= mish", "= stair", r"net\.cfg:12: the activation 'stair' is not supported"),
    "a number": ("filters = 8", "filters = many", r"net\.cfg:9: filters: expected whole numbers"),
    "no filters": ("filters = 8", "filters = 0", r"net\.cfg:9: filters: expected one number"),
    "no size": ("size = 3\n", "", r"net\.cfg:8: \[convolutional\] has no size"),
    "no value": ("filters = 8", "filters 8", r"net\.cfg:9: expected \[layer\] or key = value"),
    "a later layer": ("layers = -2", "layers = 40", r"net\.cfg:56: reads the output of layer 40"),
    "an earlier layer": ("layers = -2", "layers = -20", r"net\.cfg:56: reads the output of layer -20"),
    "boxes": ("layers = -1, 11", "layers = 15", "reads the output of layer 15, which does not"),
    "other shapes": ("from = -3", "from = -4", r"net\.cfg:37: the layers that it adds have different"),
    "two terms": ("from = -3", "from = -3, -1", r"net\.cfg:38: only one layer can be added"),
    "groups": ("layers = -2", "layers = -2\ngroups = 2\ngroup_id = 2", "there are only 2 groups"),
    "other groups": ("layers = -2", "layers = -2\ngroups = 5", r"net\.cfg:58: \d+ channels in 5 groups"),
    "a large image": ("width=96", "width=9999999", r"net\.cfg:1: the image \[64, 9999999, 3\] is too"),
    "a concatenation": ("layers = -1, -4", "layers = -1, 0", r"net\.cfg:41: cannot be built:"),
    "a large map": ("stride = 2\n\n[route]", "stride = 9000\n\n[route]", "its output .* is too large"),
    "boxes of boxes": ("[yolo]", "[yolo]\n[yolo]", r"\[yolo\] needs a linear \[convolutional\]"),
    "no net": ("[net]", "[net2]", r"net\.cfg:1: expected \[net\] and layers"),
    "no width": ("width=96", "", r"net\.cfg:1: \[net\] has no width"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_not_supported_is_refused_with_its_line(name, tmp_path):
    net = yolo_v4()
    old, new, message = MISTAKES[name]
    assert old in net.text
    net.text = net.text.replace(old, new, 1)
    with pytest.raises(ConversionError, match=message):
        read(net, tmp_path)


def test_a_network_without_boxes_has_no_outputs(tmp_path):
    net = DarknetNet()
    net.convolve(3, 4)
    with pytest.raises(ConversionError, match=r"net\.cfg: has no \[yolo\] and no"):
        read(net, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"net\.cfg: is empty"),
        (b"filters = 8", r"net\.cfg:1: expected \[layer\]"),
        (b"\xff\xfe\x00", r"net\.cfg: is not text"),
    ],
)
def test_a_file_that_is_no_cfg_is_refused(content, message, tmp_path):
    path = tmp_path / "net.cfg"
    path.write_bytes(content)
    with pytest.raises(ConversionError, match=message):
        read_cfg(path)


def test_a_missing_cfg_is_named(tmp_path):
    with pytest.raises(ConversionError, match=r"net\.cfg: does not exist"):
        read_cfg(tmp_path / "net.cfg")
