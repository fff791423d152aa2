"""A model is proven on the device that will run it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from fakes.command import json_of, posezoo, refusal, succeeded
from fakes.faulty_networks import FORMS, SIDE, Builder
from fakes.posenet import spot_network
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.measure.devices.device_comparison import (
    AGREES,
    DIFFERS,
    PROVES_NOTHING,
    DeviceComparison,
    TensorDifference,
)
from posezoo.measure.devices.device_proof import (
    DeviceProof,
    PoseComparison,
    prove,
    write_first_differences,
)
from posezoo.run.images import SAMPLE_PHOTOS
from posezoo.run.load import Loader
from posezoo.run.runtime.runtime_config import RuntimeConfig
from posezoo.run.subject import find_subject

pytest.importorskip("cv2")

MODEL = "blazepose-full"
RIGHT = TensorDifference(0.0, limit=1e-5, noise=1e-6, case=0)


@pytest.fixture
def spots(tmp_path):
    """An IR that decodes to people."""
    return spot_network(tmp_path / "spot.xml", (97, 97))


def loader(folder):
    given = {"weights_dir": folder, "cache_dir": folder / "cache", "device": "AUTO"}
    return Loader(open_context(to_settings(read_settings(given))))


def proof_of(outputs, *photos):
    return DeviceProof("dots", "CPU", {}, "f32", {"dots": outputs}, photos, {})


def test_an_ir_agrees_with_itself_on_another_device(spots):
    loaded = loader(spots.parent)
    prepared = loaded.prepare(find_subject(f"{spots}", loaded.context))
    proof = prove(prepared, SAMPLE_PHOTOS[:1])
    assert (proof.verdict, proof.devices, proof.precision) == (AGREES, "CPU", "f32")
    assert set(proof.networks) == {"spot"}
    assert len(proof.networks["spot"]) == 4
    assert proof.facts["OpenVINO"] and proof.facts["CPU FULL_DEVICE_NAME"]
    (feeds,) = [comparison.feeds for comparison in proof.comparisons.values()]
    # Two random images and the photo, as the pipeline prepares it.
    assert [feed["image"].shape for feed in feeds] == [(1, 97, 97, 3)] * 3


def test_poses_that_are_elsewhere_are_a_difference_even_if_numbers_prove_nothing():
    unknown = replace(RIGHT, noise=0.5, limit=2.5)
    same = PoseComparison("a.jpg", 1, 1, oks=0.98, distance=2.0)
    assert proof_of({"maps": unknown}, same).verdict == PROVES_NOTHING
    assert proof_of({"maps": RIGHT, "boxes": unknown}, same).verdict == AGREES
    elsewhere = replace(same, oks=0.2)
    assert proof_of({"maps": unknown}, elsewhere, same).verdict == PROVES_NOTHING
    assert proof_of({"maps": unknown}, elsewhere, elsewhere).verdict == DIFFERS


def test_a_detector_that_agrees_proves_nothing_about_the_network_after_it():
    proof = proof_of({"boxes": RIGHT})
    unknown = replace(RIGHT, noise=0.5, limit=2.5)
    both = {"detector": {"boxes": RIGHT}, "dots": {"maps": unknown}}
    assert replace(proof, networks=both).verdict == PROVES_NOTHING


def test_the_first_difference_is_written_as_an_ir_that_runs(tmp_path):
    exact, tested = (
        FORMS["residual"](Builder(fault)) for fault in (None, ("b second", "one value"))
    )
    image = np.random.default_rng(2).integers(0, 255, (1, SIDE, SIDE, 3)).astype(np.uint8)
    comparison = DeviceComparison(exact, tested, RuntimeConfig(), "f16", [{"image": image}])
    outputs = comparison.compare_outputs()
    proof = replace(proof_of(outputs), comparisons={"dots": comparison})
    assert proof.verdict == DIFFERS
    (written,) = write_first_differences(proof, tmp_path / "new" / "report")
    assert (written["name"], written["kind"], written["is_shown"]) == (
        "b second",
        "Convolution",
        True,
    )
    compiled = ov.Core().compile_model(written["path"], "CPU")
    inputs = np.load(Path(written["path"]).with_suffix(".npz"))
    (values,) = compiled(dict(inputs)).to_tuple()
    expected = written["tensor"]["expected"]
    assert values[tuple(written["tensor"]["index"])] == pytest.approx(expected, rel=2e-2)


def test_numbers_that_json_does_not_have_are_text():
    output = replace(RIGHT, difference=float("nan"), actual=float("inf"))
    record = json.loads(json.dumps(proof_of({"maps": output}).to_json(), allow_nan=False))
    assert record["networks"]["dots"]["maps"]["difference"] == "NaN"
    assert record["verdict"] == DIFFERS


def test_verify_shows_how_a_model_differs_on_a_device(spots):
    (row,) = json_of(
        succeeded(
            posezoo("verify", spots, "--device", "AUTO", "--format", "json", "--nodes", "report")
        )
    )["models"]
    assert (row["verdict"], row["devices"], row["nodes"]) == (AGREES, "CPU", [])
    shown = posezoo("verify", spots, "--device", "AUTO", "--inputs", SAMPLE_PHOTOS[1])
    assert "spot agrees: on CPU in f32 (OpenVINO 20" in shown.stdout
    assert "spot: heatmap agrees: differs by 0.0e+00" in shown.stdout


def test_verify_names_the_devices_that_are_there(spots):
    assert "no device 'NPU' was found, only CPU" in refusal(
        posezoo("verify", spots, "--device", "NPU")
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["verify", "movenet-thunder", "--nodes", "report"], "--nodes requires --device"),
        (["verify", "movenet-thunder", "--inputs", "a.jpg"], "--inputs requires --device"),
        (["verify", "movenet-thunder", "--detector", "none"], "--detector requires --device"),
        (["verify", "--device", "CPU"], "--device requires MODEL"),
    ],
)
def test_flags_that_would_do_nothing_are_refused(words, problem):
    assert problem in refusal(posezoo(*words), code=2)


@pytest.mark.slow
def test_verify_compares_each_network_of_a_model_by_its_name(mirror, tmp_path):
    environ = {"POSEZOO_MIRROR": str(mirror), "POSEZOO_WEIGHTS_DIR": str(tmp_path)}
    (row,) = json_of(
        succeeded(posezoo("verify", MODEL, "--device", "AUTO", "--format", "json", **environ))
    )["models"]
    assert (row["model"], row["verdict"]) == (MODEL, AGREES)
    assert set(row["networks"]) == {"pose-detection-mediapipe", "pose-landmark-full-mediapipe"}
