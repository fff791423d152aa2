"""MediaPipe's custom operations of TFLite files become graphs that compute the same."""

import hashlib
import shutil
import struct

import numpy as np
import pytest

from conftest import link_by_digest
from core.convert.test_against_mo import compiled
from fakes.command import posezoo
from judges.packages import mediapipe_files
from posezoo.core.registry import builtin_models_dir

SELFIE = "selfie-segmentation"

#: The options of an operation as they are in face_landmark_with_attention.tflite.
SIZES = b"output_height\x00output_width\x00\x02\x1c\x0f\x02\x01\x02\x10\x10\x04\x04\x04$\x01"


def compute(build, inputs, content=b""):
    ov = pytest.importorskip("openvino")
    parameters = [ov.opset13.parameter(each.shape, np.float32) for each in inputs]
    node = build([parameter.output(0) for parameter in parameters], content)
    model = ov.Model([node], parameters)
    return compiled(model)([each.astype(np.float32) for each in inputs])[0]


def graph_of(name, version):
    pytest.importorskip("openvino")
    from posezoo.formats.tflite_operations import GRAPHS

    return GRAPHS[name, version]


@pytest.mark.parametrize("content", [b"", b"\x00", SIZES[:-3], SIZES[10:]])
def test_options_that_are_cut_are_refused(content):
    with pytest.raises((LookupError, TypeError, ValueError)):
        compute(
            graph_of("TransformTensorBilinear", 2),
            [np.zeros((1, 4, 4, 1)), np.eye(4)[None]],
            content,
        )


def test_a_tensor_is_sampled_where_the_transform_says_and_0_outside():
    """As the loops of transform_tensor_bilinear.cc, version 2."""
    rng = np.random.default_rng(0)
    data = rng.random((1, 48, 40, 3))
    matrix = np.eye(4)[None]
    matrix[0, 0] = [2.9, -0.7, 0, 3.3]
    matrix[0, 1] = [0.8, 2.1, 0, 9.2]
    expected = np.zeros((1, 16, 16, 3))
    for row in range(16):
        for column in range(16):
            x, y, _, _ = matrix[0] @ [column + 0.5, row + 0.5, 0, 1] - 0.5
            if not (0 <= x <= 39 and 0 <= y <= 47):
                continue
            left, top = int(x), int(y)
            right, bottom = min(left + 1, 39), min(top + 1, 47)
            upper = (1 - x + left) * data[0, top, left] + (x - left) * data[0, top, right]
            lower = (1 - x + left) * data[0, bottom, left] + (x - left) * data[0, bottom, right]
            expected[0, row, column] = (1 - y + top) * upper + (y - top) * lower
    assert 0.1 < np.mean(expected == 0) < 0.9
    sampled = compute(graph_of("TransformTensorBilinear", 2), [data, matrix], SIZES)
    assert sampled == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("numbers", [2, 3])
def test_landmarks_are_moved_and_keep_their_depth(numbers):
    rng = np.random.default_rng(1)
    landmarks, matrix = rng.random((1, 5, numbers)), rng.random((1, 4, 4))
    expected = landmarks.copy()
    rows = matrix[0, :2]
    expected[0, :, :2] = landmarks[0, :, :2] @ rows[:, :2].T + rows[:, 3]
    moved = compute(graph_of("TransformLandmarks", 2), [landmarks, matrix])
    assert moved == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("padding", "side"), [(1, 10), (2, 11)])
def test_a_transposed_convolution_adds_its_bias(padding, side):
    """Each input pixel adds the kernel, 3 x 3, at a stride of 2; SAME cuts the last row and column."""
    rng = np.random.default_rng(2)
    data, weights, bias = rng.random((1, 5, 5, 4)), rng.random((2, 3, 3, 4)), rng.random(2)
    whole = np.zeros((11, 11, 2))
    for row in range(5):
        for column in range(5):
            part = whole[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            part += np.einsum("oyxc,c->yxo", weights, data[0, row, column])
    content = struct.pack("<3i", padding, 2, 2)
    maps = compute(graph_of("Convolution2DTransposeBias", 1), [data, weights, bias], content)
    cut = 1 if padding == 1 else 0
    first = (3 - (5 - 1) % 2 - 1) // 2 if cut else 0
    size = 2 * 4 + 3 - (3 - (5 - 1) % 2 - 1 if cut else 0)
    expected = whole[first : first + size, first : first + size] + bias
    assert maps.shape[1] == size and maps[0] == pytest.approx(expected, abs=1e-5)
    assert side - 1 <= size <= side


@pytest.fixture
def selfie(tmp_path):
    """The file, a function that puts other bytes in its place, and the flags of the command."""
    file, _ = next(each for each in mediapipe_files() if each[0].stem == "selfie_segmentation")
    shutil.copytree(builtin_models_dir() / "public" / SELFIE, tmp_path / "zoo" / "public" / SELFIE)
    yml = tmp_path / "zoo" / "public" / SELFIE / "model.yml"

    def publish(content):
        published = tmp_path / "selfie.tflite"
        published.write_bytes(content)
        before, after = (hashlib.sha384(each).hexdigest() for each in (file.read_bytes(), content))
        link_by_digest(published, tmp_path / "mirror", after)
        yml.write_text(yml.read_text().replace(before, after))

    flags = ("--models_dir", tmp_path / "zoo", "--mirror", tmp_path / "mirror", "--output_dir")
    return file.read_bytes(), publish, (*flags, tmp_path / "out")


def test_the_command_proves_the_operation_by_what_mediapipe_computed(selfie):
    content, publish, flags = selfie
    publish(content)
    done = posezoo("get", SELFIE, "--verbose", *flags)
    assert done.returncode == 0 and "compared with outputs of MediaPipe 0.10.21" in done.stderr


#: Their length, and the options.
OPTIONS = struct.pack("<4i", 12, 1, 2, 2)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (OPTIONS, struct.pack("<4i", 12, 1, 0, 0), "Convolution2DTransposeBias"),
        (
            b"Convolution2DTransposeBias",
            b"Convolution2DTransposeBait",
            "Convolution2DTransposeBait",
        ),
    ],
)
def test_an_operation_that_cannot_be_read_is_named(selfie, before, after, problem):
    content, publish, flags = selfie
    first, found, last = content.partition(before)
    assert found
    publish(first + after + last)
    done = posezoo("get", SELFIE, *flags)
    assert done.returncode == 1 and problem in done.stderr and "Traceback" not in done.stderr
