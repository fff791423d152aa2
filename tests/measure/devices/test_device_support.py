"""Whether a device can run an IR: its plug-in says so, or the list of the NPU's compiler."""

from __future__ import annotations

import json

import pytest

from fakes.command import posezoo
from posezoo.core.errors import PosezooError
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.measure.devices.device_support import NPU, check_support

openvino = import_openvino()


def write_ir(xml, shape):
    """A network of Relu and SearchSorted, which no list has."""
    from openvino import opset15 as ops

    image = ops.parameter(shape, name="image")
    values = ops.relu(image)
    places = ops.search_sorted(values, values, name="places")
    xml.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(openvino.Model([places], [image], "net"), xml, compress_to_fp16=False)
    return xml


@pytest.mark.skipif(NPU in openvino.Core().available_devices, reason="an NPU is here")
def test_an_npu_is_checked_by_a_list_if_there_is_none(tmp_path):
    support = check_support(write_ir(tmp_path / "net.xml", [1, 8]), NPU)
    assert support.refused == {"SearchSorted": 1}
    assert support.dynamic == ()
    assert "no NPU is here" in support.source


def test_dynamic_sizes_are_named(tmp_path):
    support = check_support(write_ir(tmp_path / "net.xml", [-1, 8]), NPU)
    assert len(support.dynamic) == 2


def test_a_device_that_is_here_answers_itself(tmp_path):
    support = check_support(write_ir(tmp_path / "net.xml", [1, 8]), "CPU")
    assert (support.refused, support.source) == ({}, "the plug-in of CPU")


def test_another_device_that_is_not_here_is_an_error(tmp_path):
    with pytest.raises(PosezooError, match=r"there is no device GPU\.9"):
        check_support(write_ir(tmp_path / "net.xml", [1, 8]), "GPU.9")


def test_a_plan_says_what_an_npu_refuses(tmp_path):
    words = ["plan", "nanodet-g", "--weights_dir", tmp_path, "--device", "NPU"]
    before = posezoo(*words, cwd=tmp_path)
    assert "  NPU: unknown until the model is converted to an IR" in before.stdout.splitlines()
    write_ir(tmp_path / "public" / "nanodet-g" / "FP16" / "nanodet-g.xml", [1, 8])
    after = posezoo(*words, cwd=tmp_path)
    line = "  NPU: static shapes; refused operations: SearchSorted (1); by "
    assert any(each.startswith(line) for each in after.stdout.splitlines())
    answer = json.loads(posezoo(*words, "--format", "json", cwd=tmp_path).stdout)
    assert answer["models"][0]["device"]["refused"] == {"SearchSorted": 1}


def test_a_damaged_ir_is_an_error(tmp_path):
    xml = write_ir(tmp_path / "net.xml", [1, 8])
    xml.write_text(xml.read_text()[:200])
    with pytest.raises(PosezooError, match=r"net\.xml: cannot be read as an IR"):
        check_support(xml, "CPU")
