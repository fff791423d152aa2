"""posezoo quantize and quantizer.py, as their users run them."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from fakes import seeker
from fakes.command import json_of, omz_tool, posezoo, refusal, succeeded
from fakes.zoo import declared_file, model_yml, write_model


@dataclass
class Place:
    """A registry of one model, its FP32 IR, and photos."""

    root: Path

    @property
    def flags(self):
        return [
            *("--models_dir", self.root / "registry", "--model_dir", self.root / "models"),
            *("--dataset_dir", self.root / "photos"),
        ]

    def quantize(self, *flags):
        return posezoo("quantize", "seeker", *self.flags, *flags)

    def xml(self, output_dir, precision="FP16-INT8"):
        return output_dir / "public" / "seeker" / precision / "seeker.xml"


@pytest.fixture
def place(tmp_path):
    return make_place(tmp_path)


def make_place(root):
    pytest.importorskip("nncf", reason="needs nncf")
    ir = seeker.write_ir(root / "models" / "public" / "seeker" / "FP32")
    write_model(root / "registry", "seeker", seeker.model_yml(ir))
    seeker.write_photos(root / "photos")
    return Place(root)


def quantizer(*args):
    return omz_tool("quantizer", *args)


def test_the_answer_is_the_paths_and_nothing_of_nncfs_own(place, tmp_path):
    ended = succeeded(place.quantize("--output", tmp_path / "int8"))
    assert ended.stdout == f"{place.xml(tmp_path / 'int8')}\n"
    assert "calibrating on 6 photos, measuring on 3 others" in ended.stderr
    assert "it finds 3 people, FP32 3: 100% agreement" in ended.stderr
    assert (tmp_path / "int8" / "public" / "seeker" / "README.md").is_file()


def test_beside_the_fp32_ir_unless_another_folder_is_named(place):
    ended = place.quantize("--format", "json", "--verbose", "--quiet")
    (answer,) = json_of(ended)["models"]
    xml = place.xml(place.root / "models")
    assert answer["irs"] == {"FP16-INT8": str(xml)}
    assert answer["shifts"]["FP16-INT8"]["found_both"] == 3
    assert xml.is_file()
    assert ended.stderr == ""


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """A place where the model was quantized and recorded, and the answer."""
    place = make_place(tmp_path_factory.mktemp("quantized"))
    return place, succeeded(place.quantize("--record", "--verbose"))


def test_the_shift_is_recorded_once_it_was_measured(quantized):
    place, ended = quantized
    (recorded,) = (place.root / "registry").rglob("measured.yml")
    assert f"{recorded}\n" in ended.stdout
    assert "quantization:\n  - precision: FP16-INT8\n" in recorded.read_text()
    assert "agreement: 1.0" in recorded.read_text()
    before = recorded.read_bytes()
    again = succeeded(place.quantize("--record"))
    assert "not recorded: no IR was compared with FP32 by its keypoints now" in again.stderr
    assert recorded.read_bytes() == before


@pytest.mark.parametrize(
    "flags",
    [
        ("--record",),
        ("--annotations", "truth.json"),
        ("--metric", "ap"),
        ("--metric", "ap", "--max_drop", "1"),
    ],
)
def test_flags_of_a_quantization_are_refused_for_a_comparison_alone(tmp_path, flags):
    ended = posezoo("quantize", "seeker", "--dataset_dir", tmp_path, "--measure_only", *flags)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.search(r"error: either .*--measure_only", ended.stderr)


def test_a_limit_of_the_drop_needs_annotations(tmp_path):
    ended = posezoo("quantize", "seeker", "--dataset_dir", tmp_path, "--max_drop", "1")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--max_drop requires --annotations or --metric" in ended.stderr


def test_an_int8_ir_can_be_measured_again(quantized):
    place, _ = quantized
    before = place.xml(place.root / "models").read_bytes()
    flags = ("--measure_only", "--format", "json")
    (answer,) = json_of(place.quantize(*flags))["models"]
    assert answer["shifts"]["FP16-INT8"]["found_both"] == 3
    assert place.xml(place.root / "models").read_bytes() == before


def test_of_all_models_those_that_can_be_quantized_are_planned(place):
    write_model(place.root / "registry", "other", model_yml(task_type="semantic_segmentation"))
    ended = succeeded(posezoo("quantize", "--all", *place.flags, "--dry_run"))
    assert "Skipping other (" in ended.stdout + ended.stderr
    assert "seeker: would quantize to FP16-INT8" in ended.stdout


def test_a_dry_run_says_what_would_be_done(place):
    ended = place.quantize("--dry_run")
    xml = place.xml(place.root / "models")
    assert (
        ended.stdout == f"seeker: would quantize to FP16-INT8, since it does not exist yet: {xml}\n"
    )
    assert not xml.parent.exists()


def test_a_missing_fp32_ir_is_downloaded_first(place):
    fp32 = place.root / "models" / "public" / "seeker" / "FP32"
    origin = Path(shutil.copytree(fp32, place.root / "origin"))
    files = [
        declared_file(origin / name, name=f"FP32/{name}")
        for name in sorted(path.name for path in origin.iterdir())
    ]
    declaration = place.root / "registry" / "public" / "seeker" / "model.yml"
    declaration.write_text(
        yaml.safe_dump({**yaml.safe_load(declaration.read_text()), "files": files})
    )
    shutil.rmtree(fp32)
    planned = succeeded(place.quantize("--dry_run"))
    assert "seeker: would download FP32/seeker.xml (" in planned.stdout
    assert planned.stdout.endswith("\nseeker: would then quantize to FP16-INT8\n")
    assert not fp32.exists()
    succeeded(place.quantize())
    assert place.xml(place.root / "models").is_file()


def test_without_photos_in_the_folder_nothing_is_downloaded(place):
    fp32 = place.root / "models" / "public" / "seeker" / "FP32"
    (fp32 / "seeker.xml").unlink()
    shutil.rmtree(place.root / "photos")
    assert f"{place.root / 'photos'}: is not a folder" in refusal(place.quantize())
    assert not (fp32 / "seeker.xml").exists()


def test_without_its_packages_nothing_is_measured(place, monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "nncf", None)
        said = refusal(place.quantize("--metric", "ap"))
        assert said.startswith("error: nncf is not installed\n")
        assert "[quantize]" in said
        without.setitem(sys.modules, "faster_coco_eval", None)
        said = refusal(place.quantize("--metric", "ap"))
        assert said.startswith("error: nncf, faster_coco_eval are not installed\n")
        assert "[quantize,run]" in said
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    annotated = ("--annotations", place.root / "people.json")
    for words in (("--metric", "map"), annotated):
        assert refusal(place.quantize(*words)).startswith(
            "error: faster_coco_eval is not installed\n"
        )
    succeeded(place.quantize(*annotated, "--dry_run"))


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        (
            "pose-landmark-full-mediapipe",
            {("pose-detection-mediapipe", "FP32"), ("pose-landmark-full-mediapipe", "FP32")},
        ),
        (
            "simple_pose_resnet18_v1b",
            {
                ("simple_pose_resnet18_v1b", "FP32"),
                ("nanodet-g", "FP16"),
            },
        ),
        (
            "movenet-lightning",
            {("movenet-lightning", "FP32"), ("nanodet-g", "FP16")},
        ),
    ],
)
def test_a_dry_run_plans_the_ir_of_the_whole_composite_or_of_the_detector(tmp_path, name, needed):
    seeker.write_photos(tmp_path / "photos")
    flags = ["--model_dir", tmp_path / "models", "--dataset_dir", tmp_path / "photos", "--dry_run"]
    ended = succeeded(posezoo("quantize", name, *flags))
    assert set(re.findall(r": (\S+): would convert to (\S+), since", ended.stdout)) == needed
    assert f"{name}: would then quantize to FP16-INT8" in ended.stdout
    assert not (tmp_path / "models").exists()


def test_a_model_whose_int8_loses_too_much_is_refused_with_the_figure(place):
    declaration = place.root / "registry" / "public" / "seeker" / "model.yml"
    refused = {"refused": "INT8 keeps 5 % of its AP."}
    declaration.write_text(
        yaml.safe_dump({**yaml.safe_load(declaration.read_text()), "quantization": refused})
    )
    assert "seeker: is not quantized: INT8 keeps 5 % of its AP." in refusal(place.quantize())
    ended = posezoo("quantize", "--all", *place.flags)
    assert "Skipping seeker (INT8 keeps 5 % of its AP.)" in ended.stderr + ended.stdout
    card = posezoo("card", "seeker", "--models_dir", place.root / "registry").stdout
    assert "`seeker` is not quantized to INT8: INT8 keeps 5 % of its AP." in card
    assert "posezoo quantize" not in card
    ended = quantizer("--name", "seeker", *place.flags, "--precisions", "FP16-INT8")
    assert "Skipping seeker (quantization not supported)\nINT8 keeps 5 % of its AP." in ended.stdout


def test_layers_are_shown_on_request(quantized):
    said = quantized[1].stderr
    assert "the 2 of 2 layers with the most noise" in said
    assert [line.split()[0] for line in said.splitlines() if "Convolution" in line] == [
        "stem",
        "head",
    ]


def test_without_photos_it_is_wrong_usage(place):
    assert "the following arguments are required: --images" in refusal(
        posezoo("quantize", "seeker"), code=2
    )


def test_open_model_zoos_lines_and_folders(place, tmp_path):
    ended = succeeded(quantizer("--name", "seeker", *place.flags, "-o", tmp_path / "int8"))
    assert "========== Quantizing seeker from FP32 to FP16-INT8\n" in ended.stdout
    assert "========== Quantizing seeker from FP32 to FP32-INT8\n" in ended.stdout
    assert "... 100%, 6 of 6 samples" in ended.stdout
    assert "Statistics" not in ended.stdout + ended.stderr
    assert all(place.xml(tmp_path / "int8", each).is_file() for each in ("FP16-INT8", "FP32-INT8"))


def test_open_model_zoos_dry_run(place):
    ended = quantizer("--all", *place.flags, "--precisions", "FP16-INT8", "--dry_run")
    assert ended.stdout.startswith(
        "========== (DRY RUN) Quantizing seeker from FP32 to FP16-INT8\n"
    )


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--name", "seeker", "--dataset_dir"], 2, "expected one argument"),
        ([], 2, 'one of "--print_all", "--all", "--name" or "--list" must be specified'),
        (["--name", "nothing"], 1, 'No matching models: "nothing"'),
        (["--name", "seeker", "--precisions", "INT3"], 1, "Unknown precisions specified: INT3."),
    ],
)
def test_open_model_zoos_exit_codes(place, args, code, says):
    ended = quantizer(*place.flags, *args)
    assert ended.returncode == code
    assert says in ended.stderr


def test_what_cannot_be_quantized_is_skipped(place):
    write_model(place.root / "registry", "other", model_yml(task_type="semantic_segmentation"))
    ended = succeeded(quantizer("--name", "other", *place.flags))
    assert ended.stdout.startswith("========== Skipping other (quantization not supported)\n")


def test_a_missing_fp32_ir_fails_that_model_alone(place):
    (place.root / "models" / "public" / "seeker" / "FP32" / "seeker.xml").unlink()
    ended = quantizer("--name", "seeker", *place.flags)
    assert ended.returncode == 1
    assert ended.stdout.endswith("FAILED:\nseeker\n")
    assert "########## Error: " in ended.stderr
    models, registry = place.root / "models", f"--models_dir {place.root / 'registry'}"
    downloads = f"downloader.py --name seeker -o {models} {registry}"
    converts = f"converter.py --name seeker -d {models} {registry}"
    assert f"hint: {downloads}, then {converts}\n" in ended.stderr


def test_print_all_wins(place):
    ended = quantizer("--print_all", "--models_dir", place.root / "registry")
    assert ended.stdout == "seeker\n"


@pytest.mark.parametrize("way", ["verb", "script"])
def test_an_int8_ir_that_the_lock_does_not_have_is_not_put_in_place(place, way):
    lock = ["--lock", place.root / "posezoo.lock"]
    registry = ["--models_dir", place.root / "registry"]
    succeeded(posezoo("lock", "seeker", *registry, "-o", place.root / "models", *lock))
    flags = [*place.flags, *lock, "--locked"]
    if way == "verb":
        ended = posezoo("quantize", "seeker", *flags)
    else:
        ended = quantizer("--name", "seeker", *flags)
    assert ended.returncode == 1
    assert "seeker: FP16-INT8/seeker.xml is not in" in ended.stderr
    assert not place.xml(place.root / "models").exists()
    succeeded(place.quantize())
    posezoo("lock", "seeker", *registry, "-o", place.root / "models", *lock)
    succeeded(posezoo("quantize", "seeker", *flags, "--force"))


def test_an_unknown_head_of_a_detector_is_named_with_its_outputs(tmp_path):
    """Its task suggests a decoder, which does not fit; nothing is said of points of people."""
    pytest.importorskip("nncf", reason="needs nncf")
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    from fakes import graphs

    ports = [
        (name, graphs.FLOAT, (1, count, 16, 16)) for name, count in (("image", 3), ("raw", 15))
    ]
    kernel = np.random.default_rng(0).normal(size=(15, 3, 3, 3)).astype(np.float32)
    node = onnx.helper.make_node("Conv", ["image", "kernel"], ["raw"], pads=[1] * 4)
    content = graphs.written("net", [node], ports[:1], ports[1:], {"kernel": kernel})
    (tmp_path / "net.onnx").write_bytes(content)
    image = {"name": "image", "shape": [1, 3, 16, 16], "layout": "NCHW", "color": "RGB"}
    declared = model_yml(
        task_type="detection",
        framework="onnx",
        files=[declared_file(tmp_path / "net.onnx")],
        inputs=[image],
        outputs=[{"name": "raw", "shape": [1, 15, 16, 16]}],
    )
    write_model(tmp_path / "registry", "net", declared)
    seeker.write_photos(tmp_path / "photos")
    ended = posezoo(
        *("quantize", "net", "--models_dir", tmp_path / "registry"),
        *("--weights_dir", tmp_path / "models", "--dataset_dir", tmp_path / "photos"),
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "does not fit its outputs raw 1x15x16x16" in ended.stderr
    assert "decoder in a model.yml names one" in ended.stderr
    assert "people" not in ended.stderr
    assert not list(tmp_path.glob("models/public/net/*INT8"))
