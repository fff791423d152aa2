"""What all solutions have in common: their options, images and results, as MediaPipe 0.10.21 has them."""

from fractions import Fraction

import numpy as np
import pytest

from posezoo.solutions import (
    face_detection,
    face_mesh,
    hands,
    holistic,
    pose,
    selfie_segmentation,
)
from posezoo.solutions.solution import (
    Solution,
    SolutionBase,
    choose,
    read_confidence,
    read_count,
    read_switch,
)

BLACK = np.zeros((4, 6, 3), np.uint8)
SIZES = {0: "lite", 1: "full"}


class Echo(Solution):
    """Its result is the image."""

    outputs = ("image", "nothing")

    def _find(self, image):
        return {"image": image}


def test_a_script_may_assign_to_the_results_and_add_fields():
    results = Echo().process(BLACK)
    results.image = []
    results.gesture = "wave"
    assert (results.image, results.gesture, results.nothing) == ([], "wave", None)
    del results.gesture
    assert not hasattr(results, "gesture")


def test_vars_and_fields_name_the_results():
    results = Echo().process(BLACK)
    assert list(vars(results)) == ["image", "nothing"] == list(results._fields)
    vars(results)["image"] = 3
    assert results.image == 3
    assert repr(results) == "SolutionOutputs(image, nothing)"


def test_the_results_of_an_image_are_not_those_of_the_next_one():
    solution = Echo()
    first = solution.process(BLACK)
    first.nothing = "something"
    second = solution.process(BLACK)
    assert (second.nothing, first == second) == (None, False)


@pytest.mark.parametrize(
    "solution",
    [
        face_detection.FaceDetection,
        face_mesh.FaceMesh,
        hands.Hands,
        holistic.Holistic,
        pose.Pose,
        selfie_segmentation.SelfieSegmentation,
    ],
)
def test_every_solution_is_a_solution_base(solution):
    assert issubclass(solution, SolutionBase)


def test_a_solution_base_itself_cannot_be_made():
    with pytest.raises(NotImplementedError, match=r"(?m)posezoo runs no graphs of MediaPipe$"):
        SolutionBase(binary_graph_path="hands.binarypb")


def test_a_closed_solution_processes_no_image():
    with Echo() as solution:
        solution.process(BLACK)
    with pytest.raises(ValueError, match="Echo is closed: it processes no more images"):
        solution.process(BLACK)
    with pytest.raises(ValueError, match="Echo is closed already"):
        solution.close()


def test_an_image_of_bool_is_one_of_zeros_and_ones():
    image = Echo().process(np.ones((4, 6, 3), bool)).image
    assert (image.dtype, image.min()) == (np.uint8, 1)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "float32", "object"])
def test_an_image_of_another_type_is_a_type_error(dtype):
    with pytest.raises(TypeError, match=f"the image must have the type uint8, not {dtype}"):
        Echo().process(BLACK.astype(dtype))


def test_a_view_becomes_contiguous():
    assert Echo().process(BLACK[:, ::-1]).image.flags.c_contiguous


@pytest.mark.parametrize(
    ("value", "confidence"),
    [
        (0.25, 0.25),
        (np.float32(0.25), 0.25),
        (np.int64(1), 1),
        (Fraction(1, 4), 0.25),
        (True, 1),
        (70, 1),
        (-3, 0),
        (None, 0),
    ],
)
def test_a_confidence_is_any_number(value, confidence):
    assert read_confidence("min_detection_confidence", value) == confidence


@pytest.mark.parametrize("value", ["0.5", [0.5], np.array(0.5), np.array([0.5, 0.6])])
def test_a_confidence_that_is_no_number_is_a_type_error(value):
    with pytest.raises(TypeError, match="min_detection_confidence must be a number, not "):
        read_confidence("min_detection_confidence", value)


@pytest.mark.parametrize("value", [1, True, np.int64(1)])
def test_a_complexity_is_any_integer(value):
    assert choose("model_complexity", value, SIZES) == "full"
    assert read_count("max_num_hands", value) == 1


@pytest.mark.parametrize("value", [1.0, 0.5, "1", None])
def test_a_complexity_that_is_no_integer_is_a_type_error(value):
    with pytest.raises(TypeError, match="model_complexity must be a whole number, not "):
        choose("model_complexity", value, SIZES)


def test_options_out_of_range_are_value_errors():
    with pytest.raises(ValueError, match="model_complexity must be 0 or 1, not 2"):
        choose("model_complexity", 2, SIZES)
    with pytest.raises(ValueError, match="max_num_hands must be a number from 1, not 0"):
        read_count("max_num_hands", 0)


def test_a_switch_is_true_or_false():
    assert read_switch("refine_landmarks", np.bool_(True)) is True
    for value in (1, None, "yes"):
        with pytest.raises(TypeError, match="refine_landmarks must be True or False, not "):
            read_switch("refine_landmarks", value)
