"""A core whose features are not installed refuses their work in one line, and does its own."""

import pytest

from fakes.network import network, spec_of
from fakes.zoo import declared_file, model_yml, omz_yml, write_model
from posezoo.cli.main import main
from posezoo.core import features
from posezoo.core.declarations.model import Route
from posezoo.core.declarations.routes import select_route

CONFIG = ("--transformations_config", "$mo_dir/a/ssd_v2_support.json")
PIPELINE = ("--tensorflow_object_detection_api_pipeline_config", "$dl_dir/b")


@pytest.fixture
def without_hooks(monkeypatch):
    monkeypatch.setitem(features.PARTS, "hooks", {})


def convert(folder, *flags):
    """Gets a small ONNX network, which a model.yml declares with a file source."""
    original = folder / "net.onnx"
    original.write_bytes(network("onnx"))
    content = model_yml(
        framework="onnx", files=[declared_file(original)], inputs=None, outputs=None
    )
    write_model(folder / "models", "net", content)
    folders = ("--models_dir", str(folder / "models"), "--weights_dir", str(folder / "out"))
    return main(["get", "net", *folders, *flags])


def test_a_model_is_converted(tmp_path, without_hooks):
    assert convert(tmp_path) == 0
    assert (tmp_path / "out" / "public" / "net" / "FP32" / "net.xml").is_file()


def test_no_decoder_is_put_into_an_ir(tmp_path, without_hooks, capsys):
    assert convert(tmp_path, "--decode") == 1
    assert "net: no decoder can be put into its IR" in capsys.readouterr().err


def test_a_detector_of_tensorflow_is_left_to_model_optimizer(tmp_path, without_hooks):
    spec = spec_of(network("pb"), tmp_path, mo_args=(CONFIG, PIPELINE))
    route, obstacle = select_route(spec)
    assert route is Route.MO
    assert obstacle is not None
    assert obstacle.reason == "object-detection-pipeline"


def test_code_that_comes_with_a_model_is_not_run(tmp_path, without_hooks, capsys):
    content = omz_yml(model_optimizer_args=["--input_model=$conv_dir/net.onnx"])
    path = write_model(tmp_path / "models", "net", content)
    path.with_name("pre-convert.py").write_text("open('it-ran', 'w')")
    folders = ("--models_dir", str(tmp_path / "models"), "--weights_dir", str(tmp_path / "out"))
    assert main(["get", "net", *folders, "--allow_upstream_code"]) == 1
    assert "a sandbox, which this installation lacks" in capsys.readouterr().err
