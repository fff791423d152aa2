"""Exports as functions: which options fit a target, and models that are prepared and written."""

from pathlib import Path

import pytest

from fakes.irs import write_ir
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ExportError
from posezoo.core.pipeline.plan import Plan
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.settings import read_settings, to_settings
from posezoo.export.model_export import (
    ExportOptions,
    prepare_export,
    with_target_inputs,
    write_exports,
)
from posezoo.export.targets import TARGETS


@pytest.fixture
def context(tmp_path):
    """A registry with one model that is published as IR."""
    pytest.importorskip("openvino", reason="needs openvino")
    write_ir(tmp_path / "origin" / "net.xml", {"heatmaps": (1, 17, 16, 24)})
    files = [
        declared_file(tmp_path / "origin" / f"net{suffix}", name=f"FP16/net{suffix}")
        for suffix in (".xml", ".bin")
    ]
    image = {"name": "image", "shape": [1, 3, 64, 96], "layout": "NCHW", "color": "BGR"}
    heatmaps = {"name": "heatmaps", "shape": [1, 17, 16, 24]}
    content = model_yml(framework="dldt", files=files, inputs=[image], outputs=[heatmaps])
    write_model(tmp_path / "models", "net", content)
    given = {"models_dir": (tmp_path / "models",), "weights_dir": tmp_path / "irs"}
    return open_context(to_settings(read_settings(given)))


def options_of(
    target,
    folder,
    *,
    inputs=InputOptions(),  # noqa: B008 immutable
    is_dry_run=False,
):
    record = TARGETS.find(target)
    return ExportOptions(record, folder, Precision.FP16, inputs, False, is_dry_run)


def test_a_model_is_planned_then_prepared_and_written(context, tmp_path):
    spec = context.registry.find("net")
    planned = prepare_export(spec, options_of("folder", tmp_path / "out", is_dry_run=True), context)
    assert isinstance(planned, Plan)
    options = options_of("folder", tmp_path / "out")
    changes = write_exports([prepare_export(spec, options, context)], options)
    assert "net/SHA256SUMS" in changes.created
    assert (tmp_path / "out" / "net" / "net.xml").is_file()


def test_no_model_writes_nothing(tmp_path):
    assert write_exports([], options_of("ovms", tmp_path / "out")).created == ()
    assert not (tmp_path / "out").exists()


def test_a_target_decides_how_its_ir_take_images():
    wanted = options_of("cpp", Path("out"), inputs=InputOptions(resize=True))
    options = with_target_inputs(wanted, "cpp")
    assert options.inputs == InputOptions(
        element_type="u8", layout="NHWC", resize=True, decode=True
    )
    wrong = InputOptions(element_type="f32")
    with pytest.raises(ExportError, match="--to cpp always has --input_type u8 and --input_layout"):
        with_target_inputs(options_of("cpp", Path("out"), inputs=wrong), "cpp")


def test_a_model_whose_decoder_cannot_be_in_its_ir_is_refused_by_a_target_that_needs_it(context):
    options = with_target_inputs(options_of("cpp", Path("out"), is_dry_run=True), "cpp")
    with pytest.raises(ExportError, match="net: has no decoder to put into its IR") as caught:
        prepare_export(context.registry.find("net"), options, context)
    assert caught.value.hint == "--to folder --detector none exports the network alone"
