"""Invalid frames and outputs that are not finite give a clear error or a correct result."""

import numpy as np
import pytest

from fakes.irs import write_ir
from fakes.loaded_irs import load_ir
from posezoo.core.errors import ImageError
from posezoo.run.runtime.runtime_config import LoadOptions

pytest.importorskip("cv2")

OUTPUTS = {
    "openpose": {"pafs": (1, 38, 8, 12), "heatmaps": (1, 19, 8, 12)},
    "associative_embedding": {"heatmaps": (1, 17, 32, 48), "embeddings": (1, 17, 32, 48)},
    "movenet": {"out": (1, 1, 17, 3)},
}


@pytest.fixture(scope="module", params=OUTPUTS)
def decoder(request):
    return request.param


@pytest.fixture(scope="module")
def xml(tmp_path_factory, decoder):
    return write_ir(tmp_path_factory.mktemp("net") / "net.xml", OUTPUTS[decoder])


@pytest.fixture(scope="module")
def estimator(xml):
    return load_ir(xml)


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (np.zeros((0, 0, 3), np.uint8), "a frame without pixels: 0 wide, 0 high"),
        (np.zeros((5, 0, 3), np.uint8), "a frame without pixels"),
        (
            np.zeros((4, 4, 3), np.uint16),
            "the values of a frame are uint8 from 0 to 255, those of this one uint16",
        ),
        (np.zeros((4, 4, 2), np.uint8), "a frame is HxW, HxWx3 or HxWx4, this one 4x4x2"),
        (None, "a frame is a numpy array, not NoneType"),
    ],
)
def test_an_invalid_frame_is_reported_in_one_line(estimator, frame, problem):
    for call in (
        estimator,
        lambda frame: estimator.batch([frame]),
        lambda frame: next(estimator.stream([frame])),
    ):
        with pytest.raises(ImageError, match=problem):
            call(frame)


@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (64, 96), (64, 96, 1), (64, 96, 4), (1, 4000, 3), (3000, 2, 3)]
)
def test_frames_of_every_shape_are_processed(estimator, decoder, shape):
    poses = estimator(np.zeros(shape, np.uint8))
    if decoder == "openpose":  # grey beside the image, as its training had it
        poses = [pose for pose in poses if pose.score > 0.5]
    assert all(pose.score == 0 for pose in poses)


@pytest.mark.parametrize("scale", [1e-50, 1e-40])
def test_outputs_that_are_not_finite_give_no_people(xml, scale):
    """Black over nothing, which 1e-50 is in float32, is no number; grey over nothing is infinite."""
    estimator = load_ir(xml, options=LoadOptions(scale=[scale]))
    for value in (0, 102):
        for pose in estimator(np.full((64, 96, 3), value, np.uint8)):
            assert np.isfinite(pose.keypoints).all() and np.isfinite(pose.score)
            assert np.isfinite(pose.box).all()
