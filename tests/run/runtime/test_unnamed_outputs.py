"""An output without a name, as openvino.convert_model makes those of PyTorch, is told by its place."""

import re
from pathlib import Path

import numpy as np
import pytest

from fakes.command import json_of, posezoo, succeeded
from fakes.irs import write_ir
from fakes.loaded_irs import load_ir
from fakes.own_files import declare
from posezoo.run.runtime.decoder_matching import describe_ir
from posezoo.run.runtime.graph import Graph

pytest.importorskip("cv2")

WIDE, HIGH = (1, 17, 384), (1, 17, 512)


def write_unnamed(xml: Path, *outputs, **kwargs):
    names = {f"output_{place}": shape for place, shape in enumerate(outputs)}
    write_ir(xml, names, **kwargs)
    text = re.sub(r' (output_)?names="output_[^"]*"', "", xml.read_text("utf-8"))
    xml.write_text(text, "utf-8")
    return xml


def roles_of(xml, decoder):
    spec, _ = describe_ir(Graph(xml), decoder)
    return {output.role: output.shape for output in spec.outputs}


def test_a_single_output_without_a_name_is_decoded(tmp_path):
    xml = write_unnamed(tmp_path / "heat.xml", (1, 17, 16, 12))
    assert Graph(xml).outputs == {"output0": (1, 17, 16, 12)}
    assert load_ir(xml)(np.full((64, 48, 3), 255, np.uint8))


@pytest.mark.parametrize("outputs", [(WIDE, HIGH), (HIGH, WIDE)])
def test_two_outputs_of_simcc_are_told_by_the_sides_of_the_input(tmp_path, outputs):
    xml = write_unnamed(tmp_path / "simcc.xml", *outputs, image=(1, 3, 256, 192))
    assert roles_of(xml, "simcc") == {"simcc_x": WIDE, "simcc_y": HIGH}


@pytest.mark.usefixtures("measured_in_this_process")
def test_benchmark_and_export_take_such_an_ir(tmp_path):
    xml = write_unnamed(tmp_path / "heat.xml", (1, 17, 16, 12))
    speed = posezoo("benchmark", xml, "--seconds", "0.01", "--format", "json")
    assert json_of(succeeded(speed))["measurements"]
    out = tmp_path / "out"
    stated = declare(xml, "--decoder", "heatmap")
    succeeded(posezoo("export", xml, "--to", "folder", out, "--decode", *stated))
    assert Graph(out / "heat" / "heat.xml").decoded_outputs == ("keypoints", "scores")
