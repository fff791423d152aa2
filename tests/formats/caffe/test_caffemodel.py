import numpy as np
import pytest

from fakes.caffe import write_blob
from fakes.network import _field, _varint, network
from posezoo.core.errors import ConversionError
from posezoo.formats.caffe.caffemodel import is_caffemodel, read_weights

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)


def written(folder, content):
    path = folder / "net.caffemodel"
    path.write_bytes(content)
    return path


def test_files_from_before_2014_have_four_sizes_and_other_numbers(tmp_path):
    sizes = b"".join(
        _varint(number << 3) + _varint(size)
        for number, size in zip((1, 2, 3, 4), KERNEL.shape, strict=True)
    )
    layer = _field(4, b"conv") + _field(6, sizes + _field(5, KERNEL.astype("<f4").tobytes()))
    weights = read_weights(written(tmp_path, _field(1, b"old") + _field(2, layer)))
    np.testing.assert_array_equal(weights["conv"][0], KERNEL)


def test_values_in_fp64_are_read_as_fp32(tmp_path):
    blob = _field(7, _field(1, b"\x18")) + _field(8, KERNEL.astype("<f8").tobytes())
    weights = read_weights(written(tmp_path, _field(100, _field(1, b"conv") + _field(7, blob))))
    assert weights["conv"][0].dtype == np.float32
    np.testing.assert_array_equal(weights["conv"][0], KERNEL.ravel())


def test_a_file_that_ends_early_is_refused(tmp_path):
    content = _field(100, _field(1, b"conv") + _field(7, write_blob(KERNEL)))
    path = written(tmp_path, content[:-9])
    assert not is_caffemodel(path)
    with pytest.raises(ConversionError, match=r"is damaged, or no \.caffemodel"):
        read_weights(path)


def test_a_shape_for_other_weights_is_refused_by_the_name_of_the_layer(tmp_path):
    blob = _field(7, _field(1, b"\x05")) + _field(5, KERNEL.astype("<f4").tobytes())
    path = written(tmp_path, _field(100, _field(1, b"conv") + _field(7, blob)))
    with pytest.raises(ConversionError, match="layer 'conv' has 24 weights, and a shape for 5"):
        read_weights(path)


@pytest.mark.parametrize("count", [32, 33])
def test_a_shape_has_at_most_as_many_sizes_as_an_array(tmp_path, count):
    blob = _field(7, _field(1, b"\x01" * count)) + _field(5, np.float32([0.5]).tobytes())
    path = written(tmp_path, _field(100, _field(1, b"conv") + _field(7, blob)))
    if count == 32:
        assert read_weights(path)["conv"][0].shape == (1,) * count
        return
    with pytest.raises(ConversionError, match="layer 'conv' has 1 weights, and a shape for 1"):
        read_weights(path)


def test_other_formats_are_no_caffemodel(tmp_path):
    assert not is_caffemodel(written(tmp_path, network("onnx")))
    assert not is_caffemodel(written(tmp_path, b""))
