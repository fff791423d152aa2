"""Several images at once: their requests to one network become one inference, if it takes batches."""

from contextlib import contextmanager

import numpy as np
import pytest

from posezoo.core.errors import InferenceError
from posezoo.run.runtime.estimator import _Runner
from posezoo.run.runtime.inference_pipeline import InferenceRequest, ParallelSteps


class Doubling:
    """A network that doubles what it gets, and notes how many rows that are."""

    def __init__(self, *, supports_batching):
        self.supports_batching = supports_batching
        self.batches = []

    @contextmanager
    def infer(self, inputs):
        self.batches.append(len(inputs["image"]))
        yield {"doubled": 2 * inputs["image"]}


def steps(number, networks, shape):
    """One image: each network gets what the one before it made."""
    values = np.full(shape, number, np.float32)
    for network in networks:
        outputs = yield InferenceRequest(network, {"image": values})
        values = np.array(outputs["doubled"])
    return [values]


def crops(number, network, count):
    """One image with some people: the network gets each of them."""
    people = yield ParallelSteps(
        [steps(10 * number + each, [network], (1, 2)) for each in range(count)]
    )
    return [float(values[0, 0]) for (values,) in people]


def test_the_error_of_a_person_is_that_of_the_image():
    class Failing(Doubling):
        def infer(self, inputs):
            if inputs["image"][0, 0] == 11:
                raise InferenceError("CPU failed")
            return super().infer(inputs)

    with pytest.raises(InferenceError, match="CPU failed"):
        _Runner(2).run(crops(1, Failing(supports_batching=False), 3))
