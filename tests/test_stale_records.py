"""A record that is no longer what its command runs is named."""

import re
import shutil
import sys

import pytest

from fakes.checkout import ROOT
from posezoo.core.declarations.model import Precision
from posezoo.core.registry import open_registry
from posezoo.figures.measurement_selection import MeasurementSelection

sys.path.append(str(ROOT / "docs"))
import stale_records

MODEL = "posenet-mobilenet-v1"
OTHER = 16 * "0"


@pytest.fixture
def models(tmp_path):
    """A registry with one model whose records are those of its command."""
    shutil.copytree(ROOT / "models" / "public" / MODEL, tmp_path / "models" / "public" / MODEL)
    shutil.copytree(ROOT / "licenses", tmp_path / "licenses")
    return tmp_path / "models"


def rewrite(models, name, old, new):
    path = models / "public" / MODEL / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_nothing_is_named_if_each_record_is_what_run_does(models, capsys):
    assert stale_records.main([str(models)]) == 0
    assert capsys.readouterr().out == "0 printed records are no longer what run does\n"


def test_a_record_in_another_type_is_not_printed(models):
    def selected(kind, precision):
        model = open_registry([models]).find(MODEL)
        found = MeasurementSelection().select_of_pipeline(model, kind, 1)
        return [each for each in found if each.precision is precision]

    assert selected("accuracy", Precision.FP16)
    assert selected("speed", Precision.FP16)
    rewrite(models, "model.yml", "\npublished:", "\ncompute_types: [bf16]\npublished:")
    assert selected("accuracy", Precision.FP16)  # as on a CPU without bf16
    assert not [each for each in selected("speed", Precision.FP16) if "bf16" in each.machine]
    assert selected("accuracy", Precision.FP16_INT8)
    rewrite(models, "measured.yml", "arithmetic: f32", "arithmetic: bf16")
    assert selected("accuracy", Precision.FP16)


def test_a_record_whose_detector_was_in_another_type_is_named(tmp_path):
    shutil.copytree(ROOT / "models", tmp_path / "models")
    shutil.copytree(ROOT / "licenses", tmp_path / "licenses")
    folder = tmp_path / "models" / "public" / "movenet-singlepose-lightning-int8"
    text = (folder / "measured.yml").read_text("utf-8")
    executed = 'executed_precision: "bf16,i8"'
    assert executed in text
    (folder / "measured.yml").write_text(
        text.replace(executed, executed.replace("bf16", "f32")), "utf-8"
    )
    lines = [line for line in stale_records.list_stale(tmp_path / "models") if folder.name in line]
    assert lines
    assert all(line.endswith("run computes in bf16") for line in lines)


def test_records_of_different_ir_are_named(models):
    path = models / "public" / MODEL / "measured.yml"
    before, accuracy = path.read_text("utf-8").split("\naccuracy:\n")
    of_fp32, mark, of_fp16 = accuracy.partition("precision: FP16\n")
    of_fp16 = re.sub("irs: .*", f'irs: "{OTHER}"', of_fp16, count=1)
    path.write_text(f"{before}\naccuracy:\n{of_fp32}{mark}{of_fp16}", "utf-8")
    (line,) = stale_records.list_stale(models)
    assert f"its records are of different IR: {OTHER}" in line


def test_no_model_of_the_zoo_has_a_stale_record():
    assert stale_records.list_stale() == []
