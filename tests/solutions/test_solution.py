"""What all solutions have in common: their options, images and results, as MediaPipe 0.10.21 has them."""

import numpy as np
import pytest

from posezoo.solutions.solution import (
    Solution,
    SolutionBase,
    choose,
    read_confidence,
    read_switch,
)

BLACK = np.zeros((4, 6, 3), np.uint8)
SIZES = {0: "lite", 1: "full"}


class Echo(Solution):
    """Its result is the image."""

    outputs = ("image", "nothing")

    def _find(self, image):
        return {"image": image}


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


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "float32", "object"])
def test_an_image_of_another_type_is_a_type_error(dtype):
    with pytest.raises(TypeError, match=f"the image must have the type uint8, not {dtype}"):
        Echo().process(BLACK.astype(dtype))


def test_a_view_becomes_contiguous():
    assert Echo().process(BLACK[:, ::-1]).image.flags.c_contiguous


@pytest.mark.parametrize("value", ["0.5", [0.5], np.array(0.5), np.array([0.5, 0.6])])
def test_a_confidence_that_is_no_number_is_a_type_error(value):
    with pytest.raises(TypeError, match="min_detection_confidence must be a number, not "):
        read_confidence("min_detection_confidence", value)


@pytest.mark.parametrize("value", [1.0, 0.5, "1", None])
def test_a_complexity_that_is_no_integer_is_a_type_error(value):
    with pytest.raises(TypeError, match="model_complexity must be a whole number, not "):
        choose("model_complexity", value, SIZES)


def test_a_switch_is_true_or_false():
    assert read_switch("refine_landmarks", np.bool_(True)) is True
    for value in (1, None, "yes"):
        with pytest.raises(TypeError, match="refine_landmarks must be True or False, not "):
            read_switch("refine_landmarks", value)
