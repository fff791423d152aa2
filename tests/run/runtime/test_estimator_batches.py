"""Several images at once: their requests to one network become one inference, if it takes batches."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

from posezoo.run.runtime.estimator import _BatchRunner
from posezoo.run.runtime.inference_pipeline import InferenceRequest


class Doubling:
    """A network that doubles what it gets, and notes how many rows that are."""

    def __init__(self, *, supports_batching: bool) -> None:
        self.supports_batching = supports_batching
        self.batches: list[int] = []

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


@pytest.mark.parametrize(
    ("supports_batching", "batches"), [(True, [3]), (False, [1, 1, 1])], ids=["many", "one"]
)
def test_a_network_gets_as_many_images_as_it_takes(supports_batching, batches):
    single = Doubling(supports_batching=supports_batching)
    several = Doubling(supports_batching=True)
    found = _BatchRunner().run([steps(number, [single, several], (1, 2)) for number in (1, 2, 3)])
    assert [poses[0].tolist() for poses in found] == [[[4.0, 4.0]], [[8.0, 8.0]], [[12.0, 12.0]]]
    assert single.batches == batches
    assert several.batches == ([3] if supports_batching else several.batches)


def test_images_of_other_sizes_are_in_batches_of_their_own():
    network = Doubling(supports_batching=True)
    shapes = [(1, 2), (1, 3), (1, 2)]
    found = _BatchRunner().run([steps(1, [network], shape) for shape in shapes])
    assert [poses[0].shape for poses in found] == shapes
    assert sorted(network.batches) == [1, 2]


def test_no_image_needs_no_inference():
    assert _BatchRunner().run([]) == []
