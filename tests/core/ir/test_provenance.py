import json

import pytest

from core.convert.test_conversion import tiny
from fakes.conversion import convert_model, convert_to_fp16, is_up_to_date
from posezoo.core.declarations.model import Precision
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir import provenance

FP16 = Precision.FP16


def test_a_written_record_is_read_back(tmp_path):
    spec, layout = tiny(tmp_path)
    xml = convert_model(spec, layout).irs[FP16]
    record = provenance.read_ir_record(layout.converted_ir_path(spec, FP16))
    assert record is not None
    assert record.key == provenance.conversion_key(spec, None)
    for path in (xml, xml.with_suffix(".bin")):
        size, digest = path.stat().st_size, compute_digest(path)
        assert record.manifest.files[path.name] == {"size": size, "sha384": digest.value}
    assert [check.output for check in record.checks] == ["heatmaps", "pafs"]
    assert all(0 < check.difference < check.tolerance < 1e-4 for check in record.checks)
    assert record.checks[0].reference.startswith("LiteRT ")


def test_an_ir_that_was_not_checked_has_no_checks(tmp_path):
    spec, layout = tiny(tmp_path)
    convert_model(spec, layout, precisions=[FP16], self_check=False)
    record = provenance.read_ir_record(layout.converted_ir_path(spec, FP16))
    assert record is not None
    assert record.checks == ()
    assert not record.was_checked


def test_a_record_of_an_earlier_version_is_read_and_its_ir_is_kept(tmp_path):
    """It has no mode, no noise, and the fixed tolerance of FP16."""
    spec, layout = tiny(tmp_path)
    convert_model(spec, layout)
    path = layout.provenance_path(spec, FP16)
    stored = json.loads(path.read_text())
    outputs = {name: {"difference": 1e-4, "tolerance": 2e-2} for name in ("heatmaps", "pafs")}
    stored["self_check"] = {
        "reference": "LiteRT 2.3", "measure": "max", "inputs": "noise", "seeds": [1, 2], "outputs": outputs,
    }  # fmt: skip
    path.write_text(json.dumps(stored))
    record = provenance.read_ir_record(path)
    assert record is not None
    assert [(check.difference, check.tolerance) for check in record.checks] == [(1e-4, 2e-2)] * 2
    assert record.unprovable == ()
    assert is_up_to_date(spec, layout, FP16)
    stored["self_check"] = None
    path.write_text(json.dumps(stored))
    assert provenance.read_ir_record(path).checks == ()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"files": 1}',
        b'{"key": 1, "files": {"a.xml": {"size": 1, "sha384": ""}, "a.bin": {"size": 1, "sha384": ""}}}',
        b'{"key": {}, "files": {"a.xml": {"size": 1, "sha384": ""}, "a.bin": {"size": 1, "sha384": ""}},'
        b' "self_check": [1]}',
    ],
)
def test_a_record_that_cannot_be_read_is_none(tmp_path, nonsense):
    path = tmp_path / "provenance.json"
    assert provenance.read_ir_record(path) is None
    path.write_bytes(nonsense)
    assert provenance.read_ir_record(path) is None


def test_a_newer_model_optimizer_makes_the_ir_stale(tmp_path):
    spec, layout = tiny(tmp_path)
    xml = convert_to_fp16(spec, layout)

    def why(version):
        key = provenance.conversion_key(spec, None, model_optimizer=version)
        return provenance.explain_stale_record(xml, provenance.read_ir_record(xml), lambda: key)

    assert why("") == ""
    assert why("2024.6") == "it was made by another version of Model Optimizer"
