"""A network of which nothing says mean, scale and order of colors is refused in each form, and runs if one says it."""

import inspect
import shutil

import cv2
import numpy as np
import openvino as ov
import pytest

from fakes.colored_discs import COLORS, HeatmapDiscs, draw_disc
from fakes.command import posezoo, read_json, refusal, succeeded
from fakes.irs import write_ir
from fakes.published_models import MEAN as RGB_MEAN
from fakes.published_models import SCALE as RGB_SCALE
from fakes.rtmo import write_onnx
from posezoo import Preparation, load
from posezoo.cli import flags
from posezoo.cli.main import create_parser, verb_parsers
from posezoo.core.errors import InferenceError
from posezoo.run.load_arguments import GROUPED

# The network takes BGR.
MEAN, SCALE = RGB_MEAN[::-1], RGB_SCALE[::-1]
FLAGS = ("--mean_values", *MEAN, "--scale_values", *SCALE)
DRAFT = "w/public/draft/FP16/draft.xml"
FORMS = ["own.onnx", "ovc.xml", "converted.xml", DRAFT]
SILENT = "does not say how images are prepared for it: mean, scale, and order of colors"


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """A folder with one network as ONNX, as IR of two converters, as the draft of a model, and as its IR."""
    folder = tmp_path_factory.mktemp("forms")
    onnx = write_onnx(folder, HeatmapDiscs(17), (256, 192), ["input", "heatmaps"], {"input": {}})
    (folder / "own.onnx").write_bytes(onnx)
    ov.save_model(ov.convert_model(folder / "own.onnx"), folder / "ovc.xml")
    registry = ("--models_dir", "zoo", "--weights_dir", "w")
    for words in (
        ("convert", "own.onnx", "-o", "converted.xml"),
        ("new", "draft", "--from", "own.onnx", "--license", "MIT", *registry),
        ("get", "draft", *registry),
    ):
        succeeded(posezoo(*words, cwd=folder))
    photo = np.maximum(
        draw_disc((60, 80), COLORS[0], (192, 256)), draw_disc((30, 40), COLORS[2], (192, 256))
    )
    cv2.imwrite(str(folder / "photo.png"), photo)
    return folder


def run(folder, *words):
    flags = ("-i", "photo.png", "-o", "found", "--detector", "none", "--quiet")
    return posezoo("run", *words, *flags, cwd=folder)


def keypoints_in(folder):
    (image,) = read_json(folder / "found" / "poses.json")["images"]
    (pose,) = image["poses"]
    return [(point["x"], point["y"], point["score"]) for point in pose["keypoints"]]


@pytest.mark.parametrize("form", FORMS)
def test_the_command_of_that_hint_makes_the_file_run(form, forms):
    stem = form.rpartition(".")[0]
    values = ("--mean_values", "0", "--scale_values", "1")
    succeeded(posezoo("new", form, *values, cwd=forms))
    succeeded(run(forms, form, "--as", f"{stem}.yml"))


def test_the_hint_of_load_names_arguments_instead_of_flags(forms):
    with pytest.raises(InferenceError) as caught:
        load(forms / "own.onnx", detector=None)
    yml = forms / "own.yml"
    assert f'writes {yml} for preparation=posezoo.Preparation(like="{yml}")' in caught.value.hint


def test_a_draft_is_refused_until_its_model_yml_says_it(forms):
    words = ("draft", "--models_dir", "zoo", "--weights_dir")
    said = refusal(run(forms, *words, "w"))
    assert SILENT in said
    assert "state color in its inputs" in said
    succeeded(run(forms, DRAFT, *FLAGS))
    by_flags = keypoints_in(forms)
    path = forms / "zoo" / "public" / "draft" / "model.yml"
    draft = path.read_text("utf-8")
    stated = f"color: BGR\n    mean: {list(MEAN)}\n    scale: {list(SCALE)}\n"
    path.write_text(draft.replace("layout: NCHW\n", f"layout: NCHW\n    {stated}", 1), "utf-8")
    done = run(forms, *words, "stated")
    path.write_text(draft, "utf-8")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        keypoints_in(forms), by_flags, atol=0.1
    )  # pixels: FP16 rounds the places


@pytest.mark.parametrize("flags", [FLAGS, ("--scale_values", 1)], ids=["normalized", "raw"])
def test_with_the_flags_each_file_gives_the_same_pose(flags, forms):
    found = []
    for form in FORMS:
        succeeded(run(forms, form, *flags))
        found.append(keypoints_in(forms))
    stated = Preparation(scale_values=1)
    if flags == FLAGS:
        stated = Preparation(mean_values=MEAN, scale_values=SCALE)
    model = load(forms / FORMS[0], detector=None, listener=None, preparation=stated)
    found.append(model(forms / "photo.png")[0].keypoints)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=0.1)  # pixels: FP16 rounds the places


def test_an_ir_that_says_nothing_is_quantized_as_a_model_says(forms):
    for number in range(2):
        shutil.copy(forms / "photo.png", forms / f"photo{number}.png")
    flags = ("--as", "vitpose-base", "--dataset_dir", ".", "--detector", "none", "--dry_run")
    done = posezoo("quantize", "converted.xml", *flags, cwd=forms)
    assert (done.returncode, done.stderr) == (0, "")
    assert "would quantize to FP16-INT8" in done.stdout


#: What convert is told, and what run must then be told of the original.
STATED = {
    "values": (FLAGS, FLAGS),
    "values in brackets": (
        ("--mean_values", f"{list(MEAN)}", "--scale_values", f"{list(SCALE)}"),
        FLAGS,
    ),
    "as a model": (("--as", "hrnet-w32"), ("--as", "hrnet-w32")),
    "a decoder": (
        (*FLAGS, "--decoder", "heatmap", "--decoder_options", "blur=1"),
        (*FLAGS, "--decoder", "heatmap", "--decoder_options", "blur=1"),
    ),
}


@pytest.mark.parametrize("name", STATED)
def test_an_ir_that_convert_is_told_of_runs_without_flags_as_its_original_runs_with_them(
    name, forms
):
    told, flags = STATED[name]
    words = ("convert", "own.onnx", "-o", "stated.xml", "--precisions", "FP32", *told)
    done = posezoo(*words, "--decoder", "heatmap", "--detector", "none", cwd=forms)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "warning" in line]
    assert all("17 keypoints are assumed to be coco-17" in line for line in warnings), warnings
    succeeded(run(forms, "own.onnx", *flags))
    expected = keypoints_in(forms)
    done = succeeded(posezoo("run", "stated.xml", "-i", "photo.png", "-o", "found", cwd=forms))
    assert "people from the whole image" in done.stdout
    np.testing.assert_allclose(keypoints_in(forms), expected, atol=1e-2)  # pixels


def test_info_shows_the_mean_and_the_scale_that_an_ir_applies_itself_in_bgr(forms):
    flags = ("--reverse_input_channels", "--mean_values", "1,2,3", "--scale_values", "4,5,6")
    words = ("convert", "own.onnx", "-o", "known.xml", "--decoder", "heatmap", *flags)
    succeeded(posezoo(*words, "--detector", "none", cwd=forms))
    said = succeeded(posezoo("info", "known.xml", cwd=forms)).stdout
    assert "  mean: 3, 2, 1 (" in said and "  scale: 6, 5, 4 (" in said


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--decoder", "simcc"), "own.onnx"),
        (("--decoder", "heatmap", "--decoder_options", "sigma=2"), "it has padding, max_people"),
        (("--decoder_options", "sigma"), "expected NAME=VALUE, got 'sigma'"),
        (("--detector", "no-such"), "the person detector: "),
        (("--weights_dir", "w"), "either --output or --weights_dir"),
        (("--precisions", "FP16,FP32"), "a file becomes one IR, in FP16 or FP32"),
        (("--mean_values", "a"), "mean_values"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_an_ir_cannot_be_told_is_refused_and_nothing_is_written(flags, problem, forms):
    done = posezoo("convert", "own.onnx", "-o", "refused/stated.xml", *flags, cwd=forms)
    assert done.returncode in (1, 2) and problem in done.stderr, done.stderr
    assert not (forms / "refused").exists()


@pytest.mark.parametrize("verb", ["run", "evaluate", "export", "quantize"])
def test_the_verbs_take_the_same_flags_for_a_pipeline_as_load(verb):
    parser = verb_parsers(create_parser([verb]))[verb]
    names = flags.PIPELINE.split()
    assert {f"--{name}" for name in names} <= parser._option_string_actions.keys()
    assert {*names} - {"as"} | {"like"} <= inspect.signature(
        load
    ).parameters.keys() | GROUPED.keys()


@pytest.mark.usefixtures("measured_in_this_process")
@pytest.mark.parametrize(
    "words",
    [
        ("run", "maps.xml", "-i", "photo.png", "-o", "found"),
        ("export", "maps.xml", "--to", "folder", "out", "--decode"),
        ("benchmark", "maps.xml", "--pipeline", "--seconds", 0.01),
    ],
    ids=lambda words: words[0],
)
def test_a_named_decoder_takes_outputs_that_several_may_take(words, forms):
    maps = {"maps": (1, 6, 64, 48)}
    write_ir(forms / "maps.xml", maps, image=(1, 3, 256, 192))
    assert "no decoder is known" in refusal(posezoo(*words, "--detector", "none", cwd=forms))
    stated = ("--decoder", "heatmap", "--detector", "none")
    succeeded(posezoo("new", "maps.xml", *stated, cwd=forms))
    succeeded(posezoo(*words, "--as", "maps.yml", cwd=forms))
