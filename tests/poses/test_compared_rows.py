"""Runtimes are compared by the rows of people, and not by those that pad an output."""

from dataclasses import replace

import numpy as np

from fakes.files import model
from posezoo.core.declarations.model import Decoder, Output
from posezoo.poses.compared_rows import select_compared_rows

OUTPUTS = {
    "dets": np.array([[[0, 0, 9, 9, 0.9], [0, 0, 9, 9, 0]]], np.float32),
    "labels": np.zeros((1, 2), np.int64),
}
ROLES = (Output("dets", (1, -1, 5), role="dets"), Output("labels", (1, -1), role="labels"))
RTMDET = replace(model(), decoder=Decoder("rtmdet"), outputs=ROLES)


def test_rows_below_the_least_score_are_left_out():
    selected = select_compared_rows(RTMDET, OUTPUTS)
    assert {name: values.shape[1] for name, values in selected.items()} == {"dets": 1, "labels": 1}


def test_outputs_are_compared_whole_without_a_decoder_or_roles():
    for spec in (replace(RTMDET, decoder=None), replace(RTMDET, outputs=())):
        assert select_compared_rows(spec, OUTPUTS) is OUTPUTS
