import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core.convert.test_conversion import tiny
from fakes.command import assert_success, posezoo, refusal
from fakes.conversion import convert_model, convert_to_fp16, plan_conversion
from fakes.network import network, source_file
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.declarations.model import Decoder, Framework, Precision, QuantizationSettings
from posezoo.core.declarations.routes import Obstacle
from posezoo.core.errors import ConversionError

FP32, FP16 = Precision.FP32, Precision.FP16


def steps(spec, layout, *arguments, **options):
    return [
        (step.precision, step.reason)
        for step in plan_conversion(spec, layout, *arguments, **options).irs
    ]


def test_a_plan_lists_the_conversions_and_changes_nothing(tmp_path):
    spec, layout = tiny(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert steps(spec, layout) == [(FP32, "it does not exist yet"), (FP16, "it does not exist yet")]
    assert plan_conversion(spec, layout).obstacle is None
    assert sorted(tmp_path.rglob("*")) == before
    convert_model(spec, layout, precisions=[FP32])
    before = sorted(tmp_path.rglob("*"))
    assert steps(spec, layout, [FP16, FP32]) == [(FP16, "it does not exist yet"), (FP32, "")]
    assert [step.is_up_to_date for step in plan_conversion(spec, layout).irs] == [True, False]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_plan_gives_the_reason_why_an_ir_is_stale(tmp_path):
    spec, layout = tiny(tmp_path)
    xml = convert_to_fp16(spec, layout)

    def why(spec=spec, **options):
        return plan_conversion(spec, layout, [FP16], **options).irs[0].reason

    assert why() == "it was not self-checked"
    assert why(self_check=False) == ""
    assert why(self_check=False, force=True) == "it was requested"
    assert why(replace(spec, skeleton="coco-17")) == "model.yml or the flags have changed"
    assert why(decoder=Decoder("openpose")) == "model.yml or the flags have changed"
    other, _ = tiny(tmp_path / "other", content=network(seed=1))
    assert why(other) == "it was made from another file"
    record = layout.provenance_path(spec, FP16)
    good = record.read_text()
    record.write_text(good.replace('"openvino": "20', '"openvino": "19'))
    assert why() == "it was made by another version of OpenVINO"
    record.write_text(good.replace('"conversion_format": 2', '"conversion_format": 1'))
    assert why() == "it was made by another version of posezoo"
    record.write_text(good)
    xml.with_suffix(".bin").write_bytes(b"")
    assert why() == "its .bin is not as posezoo wrote it"
    record.unlink()
    assert why() == "there is no record of how it was made"


def test_a_plan_reports_an_obstacle(tmp_path):
    spec, layout = tiny(tmp_path)
    original = layout.file_path(spec, spec.files[0])
    original.write_bytes(b"cut")
    error = plan_conversion(spec, layout).source_error
    assert error is not None
    assert error.problem == f"{original}: has 3 bytes, model.yml declares {len(network())}"
    original.unlink()
    assert str(plan_conversion(spec, layout).source_error) == f"{original}: does not exist"
    obstacle = plan_conversion(replace(spec, framework=Framework.MXNET), layout).obstacle
    assert obstacle is not None
    assert obstacle.reason == "mxnet"


def test_a_model_published_as_ir_has_nothing_to_convert(tmp_path):
    spec, layout = tiny(tmp_path, framework=Framework.DLDT)
    spec = replace(spec, files=(source_file("FP16/tiny-pose.xml", b"<net/>", tmp_path),))
    plan = plan_conversion(spec, layout)
    assert ([(ir.precision, ir.reason) for ir in plan.irs], plan.obstacle) == ([(FP16, "")], None)
    obstacle = plan_conversion(spec, layout, [Precision.FP16_INT8]).obstacle
    assert obstacle == Obstacle("precision", "is not published as FP16-INT8", "choose FP16")


def test_a_precision_that_no_conversion_makes_is_used_if_a_quantization_made_it(tmp_path):
    spec, layout = tiny(tmp_path)
    obstacle = plan_conversion(spec, layout, [FP16, Precision.FP16_INT8]).obstacle
    assert obstacle is not None
    xml = layout.ir_path(spec, Precision.FP16_INT8)
    assert obstacle.why == f"no conversion makes FP16-INT8, and {xml} does not exist"
    refused = replace(spec, quantization=QuantizationSettings(refused="its keypoints move."))
    assert plan_conversion(refused, layout, [Precision.FP16_INT8]).obstacle == Obstacle(
        "precision", "its keypoints move", "choose FP16"
    )
    assert re.fullmatch("posezoo quantize tiny-pose .*--images PHOTOS", obstacle.hint)
    xml.parent.mkdir(parents=True)
    xml.write_text("<net/>")
    plan = plan_conversion(spec, layout, [FP16, Precision.FP16_INT8])
    assert [ir.is_up_to_date for ir in plan.irs] == [False, True]
    assert plan.obstacle is None


@pytest.fixture
def int8(tmp_path):
    """The .bin of an INT8 IR that photos could have made; here it has the bytes of the FP16 IR."""
    declare(tmp_path, network())
    assert_success(get(tmp_path, "FP16"))
    folder = tmp_path / "out" / "public" / "net"
    shutil.copytree(folder / "FP16", folder / "FP16-INT8")
    return folder / "FP16-INT8" / "net.bin"


def declare(root, content):
    (root / "net.tflite").write_bytes(content)
    file = declared_file(root / "net.tflite")
    write_model(root / "models", "net", model_yml(files=[file], inputs=None, outputs=None))


def run(root, verb, *args):
    return posezoo(verb, "net", "--models_dir", "models", "-o", "out", *args, cwd=root)


def get(root, precision, *args):
    return run(root, "get", "--precisions", precision, *args)


def test_int8_of_photos_that_a_lock_does_not_list_is_refused(int8, tmp_path):
    shutil.move(int8.parent, tmp_path / "kept")
    assert_success(run(tmp_path, "lock"))
    shutil.move(tmp_path / "kept", int8.parent)
    (int8.parent / "provenance.json").unlink()
    refused = refusal(get(tmp_path, "FP16-INT8", "--locked"))
    assert "net: FP16-INT8/net.xml is not in posezoo.lock, and --locked allows" in refused


@pytest.mark.parametrize("has_record", [True, False])
def test_int8_of_photos_must_have_the_bytes_that_a_lock_lists(int8, tmp_path, has_record):
    assert_success(run(tmp_path, "lock"))
    if not has_record:
        (int8.parent / "provenance.json").unlink()
    accepted = get(tmp_path, "FP16-INT8", "--locked")
    assert (accepted.returncode, accepted.stdout) == (
        0,
        f"{int8.with_suffix('.xml')}\n".replace(f"{tmp_path}/", ""),
    )
    content = int8.read_bytes()
    int8.write_bytes(bytes(len(content)))
    assert get(tmp_path, "FP16-INT8", "--locked").returncode == 1
    int8.unlink()
    assert get(tmp_path, "FP16-INT8", "--locked").returncode == 1
    int8.write_bytes(content)
    assert_success(get(tmp_path, "FP16-INT8", "--locked"))


def test_int8_of_photos_that_was_changed_is_not_used(int8, tmp_path):
    int8.write_bytes(b"other")
    error = refusal(get(tmp_path, "FP16-INT8"))
    assert "cannot be used: its .bin is not as posezoo wrote it" in error
    assert "hint: posezoo quantize net --models_dir models --weights_dir out" in error


def test_int8_of_photos_and_other_weights_is_not_used(int8, tmp_path):
    declare(tmp_path, network(seed=1))
    error = refusal(get(tmp_path, "FP16-INT8"))
    xml = "out/public/net/FP16-INT8/net.xml"
    problem = f"net: no conversion makes FP16-INT8, and {xml} cannot be used: it was made from"
    assert f"error: {problem} another file" in error
    assert "hint: posezoo quantize net --models_dir models --weights_dir out" in error


@pytest.mark.parametrize("name", ["provenance.json", "net.xml", "net.bin"])
def test_a_file_that_this_user_may_not_read_is_named_with_its_owner(tmp_path, monkeypatch, name):
    spec, layout = tiny(tmp_path)
    folder = convert_to_fp16(spec, layout).parent

    access = os.access

    def deny(path, mode):
        return Path(path).name.replace(spec.name, "net") != name and access(path, mode)

    monkeypatch.setattr(os, "access", deny)  # root may read everything
    with pytest.raises(ConversionError, match=r"belongs to another user \(number") as raised:
        plan_conversion(spec, layout, [FP16])
    assert f"chmod -R a+rX {folder}" in raised.value.hint
