import re
import struct

import pytest

from fakes.darknet import HEADER, yolo_v4
from posezoo.core.errors import ConversionError
from posezoo.formats.darknet.darknet_layers import SAVED_MODEL, build_network
from posezoo.formats.darknet.files import WeightsReader, is_darknet, read_cfg


def read(folder, change):
    """The network, after a function has changed the bytes of its .weights."""
    path = yolo_v4().save(folder)
    path.write_bytes(change(path.read_bytes()))
    return build_network(read_cfg(path.with_suffix(".cfg")), WeightsReader(path), SAVED_MODEL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-4], "net.cfg:130: needs weights up to number 16375; "),
        (lambda content: content[:60], "net.cfg:8: needs weights up to number 32; "),
        (lambda content: content[:-2], "net.weights: is damaged, or no .weights file"),
        (lambda content: content[:20], "net.weights: is damaged"),
        (lambda content: content[:7], "net.weights: is damaged"),
        (lambda content: b"", "net.weights: is damaged"),
        (lambda content: content + bytes(8), "net.weights: has 2 more weights than the layers"),
        (lambda content: content + bytes(3), "net.weights: is damaged"),
        (lambda content: b"PK\3\4" + content, "net.weights: is damaged"),
    ],
)
def test_weights_of_another_length_are_refused(change, message, tmp_path):
    with pytest.raises(ConversionError, match=re.escape(message)):
        read(tmp_path, change)


def test_a_convolution_larger_than_the_file_is_refused_before_memory_is_taken(tmp_path):
    net = yolo_v4()
    net.text = net.text.replace("filters = 16", "filters = 9999999", 1)
    path = net.save(tmp_path)
    with pytest.raises(ConversionError, match=r"net\.cfg:15: needs weights up to number"):
        build_network(read_cfg(path.with_suffix(".cfg")), WeightsReader(path), SAVED_MODEL)


def test_a_variance_that_is_none_is_refused(tmp_path):
    variances = len(HEADER) + 3 * 8 * 4  # of the first convolution, after bias, scale and mean
    with pytest.raises(ConversionError, match=r"net\.cfg:8: its variances are not positive"):
        read(tmp_path, lambda content: content[:variances] + b"\xff" * 4 + content[variances + 4 :])


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (HEADER, True),
        (struct.pack("<3i", 0, 1, 999), True),  # a header alone
        (struct.pack("<3i", 0, 1, 1000), False),
        (struct.pack("<3i", -1, 2, 5), False),
        (HEADER[:11], False),
        (b"PK\3\4" * 5, False),
        (b"<html>" * 4, False),
        (b"", False),
    ],
)
def test_a_file_is_recognised_by_its_version(head, expected, tmp_path):
    path = tmp_path / "net.weights"
    path.write_bytes(head)
    assert is_darknet(path) is expected
