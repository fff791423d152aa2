"""ONNX is published only if it computes what the original computes."""

import pytest

from fakes.caffe import squeeze_net
from posezoo.core.errors import OutputError, SelfCheckError
from posezoo.core.layout import FlatLayout
from posezoo.formats import onnx_writer
from posezoo.formats.onnx_conversion import convert_to_onnx
from posezoo.omz.commands import mo


def convert(folder, output):
    weights = squeeze_net().save(folder)
    spec, original = mo.read_command_line(mo.create_parser().parse_args(["-m", str(weights)]))
    return convert_to_onnx(spec, FlatLayout(folder, folder, checkpoint=original), output)


def test_a_layer_that_is_written_wrongly_is_found_and_nothing_is_published(tmp_path, monkeypatch):
    faulty = {**onnx_writer.OPERATIONS, "Relu": onnx_writer.OPERATIONS["Sigmoid"]}
    monkeypatch.setattr(onnx_writer, "OPERATIONS", faulty)
    with pytest.raises(SelfCheckError, match="the ONNX differs from the original in prob"):
        convert(tmp_path, tmp_path / "net.onnx")
    assert {path.suffix for path in tmp_path.iterdir()} == {".prototxt", ".caffemodel"}


def test_a_folder_that_cannot_be_written_is_an_error_with_its_name(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="taken"):
        convert(tmp_path, tmp_path / "taken" / "net.onnx")


def test_the_report_has_ports_and_differences(tmp_path):
    report = convert(tmp_path, tmp_path / "net.onnx")
    assert report.inputs == {"data": (1, 3, 67, 67)}
    assert report.outputs == {"prob": (1, 10)}
    assert max(report.differences.values()) < 1e-5
    assert report.unprovable == ()
