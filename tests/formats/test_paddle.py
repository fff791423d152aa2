"""Models of PaddlePaddle are converted as far as OpenVINO reads them."""

from zipfile import ZipFile

import numpy as np
import pytest

from core.convert.test_against_mo import compiled
from fakes.command import posezoo, printed
from fakes.paddle import write_paddle
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.cli.main import main
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.omz.commands import mo


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_paddle(tmp_path)
    return tmp_path


def expected(image):
    """A convolution of the image, which has no further values around it, and the ReLU."""
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    return np.maximum(np.einsum("ncyxhw,ochw->noyx", windows, kernel), 0)


def require_right(xml, scale=1.0):
    image = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(compiled(xml)(image)["out"], expected(image / scale), atol=1e-2)


def test_a_file_is_translated_and_the_line_says_what_it_was_compared_with(folder, capfd):
    assert main(["convert", "net.pdmodel", "-o", "net.xml", "--verbose"]) == 0
    require_right("net.xml")
    assert "reading the original as it did for the IR" in capfd.readouterr().err


def test_an_arg_max_is_read_whose_axis_counts_from_the_end(folder):
    write_paddle(folder, has_best=True)
    assert main(["convert", "net.pdmodel", "-o", "net.xml"]) == 0
    image = np.random.default_rng(1).random((1, 3, 8, 8), "f")
    found = openvino_core().compile_model("net.xml", "CPU")(image)
    np.testing.assert_array_equal(found["best"], found["out"].argmax(-1))


def test_mo_adds_the_preprocessing(folder):
    assert mo.main(["--input_model", "net.pdmodel", "--scale_values", "[2]"]) == 0
    require_right("net.xml", scale=2)


def test_a_model_yml_is_converted_whose_files_are_in_an_archive(folder):
    with ZipFile("net.zip", "w") as archive:
        archive.write("net.pdmodel", "net/net.pdmodel")
        archive.write("net.pdiparams", "net/net.pdiparams")
    declared = model_yml(
        framework="paddle",
        files=[declared_file(folder / "net.zip")],
        postprocessing=[{"$type": "unpack_archive", "format": "zip", "file": "net.zip"}],
        checkpoint="net/net.pdmodel",
        inputs=[{"name": "image", "shape": [1, 3, 8, 8], "layout": "NCHW"}],
        outputs=None,
    )
    write_model(folder / "models", "net", declared)
    output = printed(
        posezoo("get", "net", "--models_dir", folder / "models", "--weights_dir", folder / "out")
    )
    require_right(output.splitlines()[0])


@pytest.mark.parametrize("command", ["convert", "run"])
def test_missing_weights_are_named(folder, capfd, command):
    (folder / "net.pdiparams").unlink()
    assert main([command, "net.pdmodel"]) == 1
    error = capfd.readouterr().err
    assert "net.pdiparams" in error and "beside it" in error
    assert not (folder / "net.xml").exists()


def test_run_reads_the_file_and_says_if_no_decoder_takes_its_outputs(folder, capfd):
    assert main(["run", "net.pdmodel"]) == 1
    assert "no decoder is known for its outputs out 1x4x8x8" in capfd.readouterr().err


def test_a_file_that_is_cut_is_one_clear_error(folder, capfd):
    path = folder / "net.pdmodel"
    path.write_bytes(path.read_bytes()[:-9])
    assert main(["convert", "net.pdmodel", "-o", "net.xml"]) == 1
    error = capfd.readouterr().err
    assert error.startswith("error: net.pdmodel: ") and "Traceback" not in error
