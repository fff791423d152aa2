"""FP32 IR to INT8: published only if INT8 finds what FP32 finds."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fakes import seeker
from fakes.command import posezoo, read_json, succeeded
from fakes.posenet import spot_network
from fakes.zoo import write_model
from posezoo.core.declarations.model import Precision, QuantizationSettings
from posezoo.core.errors import ConversionError, ImageError, PosezooError, QuantizationError
from posezoo.core.events import (
    CalibrationProgress,
    ConversionUpToDate,
    DisplacementMeasured,
    LayerNoiseMeasured,
    QuantizationFinished,
    QuantizationStarted,
    SpeedCompared,
    WarningIssued,
    ignore_event,
)
from posezoo.core.ir import ir_writer
from posezoo.core.ir.openvino_import import openvino_core
from posezoo.core.pipeline.get import write_sidecars
from posezoo.core.registry import open_registry
from posezoo.media import images
from posezoo.quantize import int8_models
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.quantize.int8_comparison import Fp32Reference
from posezoo.quantize.quantization import to_measurements
from posezoo.quantize.quantization_plan import QuantizationOptions, QuantizationTarget
from posezoo.run.pipeline_spec import PipelineSpec
from posezoo.run.runtime.compiled_network import CompiledNetwork

INT8 = Precision.FP16_INT8

IN_FLOAT = [
    {"layers": ["hea?"], "reason": "loud channels drown the others before it"},
    {"types": ["Power", "Multiply", "ReduceSum", "Divide"], "reason": "they find the place"},
]


def test_int8_finds_what_fp32_finds_and_its_record_contains_the_displacement(quantized):
    (displacement,) = quantized.displacements.values()
    assert displacement.found_both == displacement.found_fp32 == displacement.found_int8 == 3
    assert 0 < displacement.shift_p50_px < 2
    assert b'element_type="i8"' in quantized.pair[0]
    assert len(quantized.pair[1]) < quantized.fp32.with_suffix(".bin").stat().st_size
    record = read_json(quantized.xml.with_name("provenance.json"))
    assert record["shift"]["shift_p50_px"] == displacement.shift_p50_px
    assert (record["shift"]["calibration_photos"], record["shift"]["measured_photos"]) == (6, 3)


def test_the_reported_displacement_is_that_of_the_published_ir(bench):
    (displacement,) = bench.quantize().displacements.values()
    moved = []
    for photo in sorted(bench.photos.iterdir())[2::3]:
        image = {"image": images.read_image(photo)[None].astype(np.float32)}
        fp32, int8 = (
            CompiledNetwork(xml)(image)["keypoints"][0, 0] for xml in (bench.fp32, bench.xml)
        )
        moved.append(np.hypot(*(fp32 - int8)[:, :2].T) * seeker.SIDE)
    assert displacement.shift_p50_px == pytest.approx(np.median(moved), rel=1e-3)


def test_the_events_of_a_quantization(quantized):
    bench = quantized
    assert bench.of(QuantizationStarted) == [QuantizationStarted("seeker", ("FP16-INT8",), 6, 3)]
    assert [event.samples for event in bench.of(CalibrationProgress)][-1] == 6
    (measured,) = bench.of(DisplacementMeasured)
    assert measured.max_shift_px == 2.0
    (speed,) = bench.of(SpeedCompared)
    assert speed.int8_ms > 0 and speed.fp16_ms > 0 and "CPU" in speed.device
    assert bench.of(QuantizationFinished) == [QuantizationFinished("seeker", True)]
    assert not bench.of(LayerNoiseMeasured)


def test_the_same_photos_give_the_same_bytes_on_one_thread_and_on_all(bench):
    cores = os.sched_getaffinity(0)
    bench.quantize()
    before = bench.pair
    shutil.rmtree(bench.output_dir)
    os.sched_setaffinity(0, {min(cores)})
    try:
        bench.quantize()
    finally:
        os.sched_setaffinity(0, cores)
    assert bench.pair == before


def test_an_up_to_date_ir_is_kept_until_a_photo_changes(bench):
    bench.quantize()
    bench.quantize()
    assert bench.of(ConversionUpToDate) == [ConversionUpToDate("seeker", ("FP16-INT8",))]
    assert not bench.of(QuantizationStarted)
    seeker.write_photos(bench.photos, 1, seed=9)
    bench.quantize()
    assert bench.of(QuantizationFinished)


def test_a_plan_gives_the_reason_and_writes_nothing(bench):
    ask = (bench.spec, bench.context, bench.photos, QuantizationOptions())
    (step,) = int8_models.plan_int8(*ask, output_dir=bench.output_dir).irs
    assert (step.xml, step.reason) == (bench.xml, "it does not exist yet")
    assert not bench.output_dir.exists()
    bench.quantize()
    assert int8_models.plan_int8(*ask, output_dir=bench.output_dir).irs[0].is_up_to_date


def test_a_large_displacement_is_refused_with_layer_noise_and_the_old_ir_stays(make_bench):
    bench = make_bench(loud=True, quantization={"in_float": IN_FLOAT})
    bench.quantize()
    before = bench.pair
    bench.spec = replace(bench.spec, quantization=None)
    with pytest.raises(
        QuantizationError, match="FP16-INT8 finds 0 people, FP32 finds 3"
    ) as refused:
        bench.quantize()
    assert "no IR was written" in refused.value.hint
    (compared,) = bench.of(LayerNoiseMeasured)
    assert max(compared.layers, key=lambda layer: layer.own).layer == "head"
    assert bench.pair == before
    assert not list(bench.output_dir.rglob(".posezoo-*"))


def test_layers_with_much_noise_can_stay_in_floating_point(make_bench):
    bench = make_bench(loud=True, quantization={"in_float": IN_FLOAT})
    (displacement,) = bench.quantize(compare_layers=True).displacements.values()
    assert displacement.shift_p50_px < 0.5
    (compared,) = bench.of(LayerNoiseMeasured)
    assert [layer.layer for layer in compared.layers] == ["stem", "head"]


@pytest.mark.parametrize("declared", [{"layers": ["neck"]}, {"types": ["MVN"]}])
def test_unknown_layers_are_refused(make_bench, declared):
    bench = make_bench(quantization={"in_float": [{**declared, "reason": "x"}]})
    with pytest.raises(
        QuantizationError, match=r"in_float: (layers: neck|types: MVN): the FP32 IR has no such"
    ):
        bench.quantize()
    assert not bench.output_dir.exists()


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def no_folder(folder):
    shutil.rmtree(folder)


def one_photo(folder):
    for photo in sorted(folder.iterdir())[1:]:
        photo.unlink()


def twins(folder):
    for photo in sorted(folder.iterdir())[1:]:
        shutil.copy(folder / "00.png", photo)


def unreadable(folder):
    for photo in folder.iterdir():
        photo.write_bytes(b"not a picture")
        photo.with_suffix(".jpg").write_bytes(photo.name.encode())


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (no_folder, "is not a folder"),
        (empty, "has no images"),
        (one_photo, "has only one image"),
        (twins, "1 of 1 different images can be read"),
        (unreadable, "0 of 10 different images can be read"),
    ],
)
def test_unsuitable_photos_are_refused(bench, spoil, problem):
    spoil(bench.photos)
    with pytest.raises(QuantizationError) as failure:
        bench.quantize()
    assert problem in failure.value.problem
    assert "photos with people" in failure.value.hint
    assert not bench.xml.exists()


def test_an_unreadable_photo_is_left_out_with_a_warning(bench):
    (bench.photos / "00.png").write_bytes(b"not a picture")
    quantized = bench.quantize()
    (displacement,) = quantized.displacements.values()
    (warned,) = bench.of(WarningIssued)
    assert "00.png" in warned.message
    assert to_measurements(quantized)[0].settings == {"photos": 3, "calibrated on": 5}
    record = read_json(bench.xml.with_name("provenance.json"))
    assert record["shift"]["calibration_photos"] == 5
    assert displacement.found_fp32 == 3
    with pytest.raises(ImageError):
        images.read_image(bench.photos / "00.png")


def test_without_an_fp32_ir_the_error_says_how_to_get_one(bench):
    bench.fp32.unlink()
    with pytest.raises(
        QuantizationError, match="missing; INT8 is made from the FP32 IR"
    ) as failure:
        bench.quantize()
    assert failure.value.hint.startswith("posezoo get seeker --models_dir ")


def test_a_named_detector_is_used_if_its_ir_exists(bench):
    settings = replace(bench.context.settings, detector="nanodet-g")
    bench.context = replace(bench.context, settings=settings)
    options = QuantizationOptions()
    with pytest.raises(QuantizationError, match="nanodet-g finds the people for seeker") as failure:
        int8_models.plan_int8(bench.spec, bench.context, bench.photos, options)
    assert failure.value.hint.startswith("posezoo get nanodet-g")
    detector = open_registry().find("nanodet-g")
    xml = bench.context.layout.ir_path(detector, Precision.FP16)
    seeker.write_ir(xml.parent).rename(xml)
    (xml.parent / "seeker.bin").rename(xml.with_suffix(".bin"))
    target = int8_models.plan_int8(bench.spec, bench.context, bench.photos, options).target
    assert (target.pipeline.people_from, target.irs["nanodet-g"]) == ("nanodet-g", xml)
    of_boxes = replace(target, pipeline=replace(target.pipeline, model=detector))
    assert (target.metric, of_boxes.metric) == ("ap", "map")


def test_an_fp32_ir_that_is_not_the_models_is_not_quantized(bench):
    seeker.write_ir(bench.fp32.parent, loud=True)
    with pytest.raises(
        ConversionError, match="not quantized, since it is not the file that was published"
    ):
        bench.quantize()


def test_a_model_that_is_quantized_already_is_refused(make_bench):
    bench = make_bench(quantized="INT8")
    with pytest.raises(QuantizationError, match="its weights are quantized already"):
        bench.quantize()


def test_a_publishers_own_int8_is_never_replaced(bench):
    published = tuple(
        replace(file, name=file.name.replace("FP32", "FP16-INT8")) for file in bench.spec.files
    )
    bench.spec = replace(bench.spec, files=(*bench.spec.files, *published))
    with pytest.raises(QuantizationError, match="would replace the FP16-INT8 IR of its publisher"):
        bench.quantize(output_dir=None)
    bench.quantize()


def test_a_kill_leaves_the_old_ir_and_the_next_run_cleans_up(bench):
    bench.quantize()
    before = bench.pair
    seeker.write_photos(bench.photos, 9, seed=3)
    layout, registry = bench.context.layout, bench.context.settings.models_dir[0]
    command = [sys.executable, "-m", "posezoo", "quantize", "seeker", "--dataset_dir", bench.photos]
    command += [
        "--model_dir",
        layout.output_dir,
        "--output_dir",
        bench.output_dir,
        "--models_dir",
        registry,
    ]
    child = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
    with child:
        assert child.stderr is not None
        folder = bench.xml.parents[1]
        while child.poll() is None and not list(folder.glob(".posezoo-*/FP16-INT8")):
            pass
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert bench.pair == before
    bench.quantize()
    assert bench.pair != before
    assert not list(folder.glob(".posezoo-*"))


def test_a_changed_int8_ir_is_reported_by_verify_and_made_again(bench):
    from posezoo.core.pipeline.artifact_states import check_artifacts

    bench.quantize()
    layout = replace(bench.context.layout, output_dir=bench.output_dir)
    states = {artifact.artifact: artifact.state for artifact in check_artifacts(bench.spec, layout)}
    assert states["FP16-INT8/seeker.bin"] == "good"
    bench.xml.with_suffix(".bin").write_bytes(b"x")
    states = {artifact.artifact: artifact for artifact in check_artifacts(bench.spec, layout)}
    changed = states["FP16-INT8/seeker.bin"]
    assert (changed.state, changed.quantized) == ("changed", True)
    bench.quantize()
    assert bench.of(QuantizationFinished)


def test_card_json_has_the_displacement(bench):
    (displacement,) = bench.quantize().displacements.values()
    *_, path = write_sidecars(bench.spec, bench.context.with_output_dir(bench.output_dir))
    (shift,) = [
        made["shift"] for made in read_json(path.with_name("card.json"))["made"] if made["shift"]
    ]
    assert shift["shift_p50_px"] == pytest.approx(displacement.shift_p50_px, abs=0.01)
    assert (shift["found_fp32"], shift["found_int8"], shift["agreement"]) == (3, 3, 1)


def test_fp32_int8_keeps_single_precision_where_it_stays_in_floating_point(make_bench):
    kept = [{"layers": ["head"], "reason": "x"}]
    bench = make_bench(quantization={"in_float": kept})
    requested = (Precision.FP16_INT8, Precision.FP32_INT8)
    quantized = bench.quantize(precisions=requested)
    half, single = (quantized.irs[each].with_suffix(".bin").stat().st_size for each in requested)
    assert single - half >= 2 * 17 * 8 - 64


def test_no_other_precision_can_be_made(bench):
    with pytest.raises(PosezooError, match="no quantization makes FP16"):
        bench.quantize(precisions=(Precision.FP16,))


@pytest.mark.parametrize(("share", "problem"), [(1.3, ""), (0.7, "displaces points by")])
def test_the_median_displacement_may_be_as_large_as_model_yml_allows(quantized, share, problem):
    (displacement,) = quantized.displacements.values()
    limit = QuantizationSettings(max_shift_px=share * displacement.shift_p50_px)
    spec = replace(quantized.spec, quantization=limit)
    target = QuantizationTarget(spec, PipelineSpec(spec), {spec.name: quantized.fp32})
    photos = sorted(quantized.photos.iterdir())[2::3]
    samples = [CalibrationSample(images.read_image(each)[None], spec.inputs[0]) for each in photos]
    compared = Fp32Reference(target, samples).compare(quantized.xml, INT8, ignore_event)
    assert compared[0].shift_p50_px == pytest.approx(displacement.shift_p50_px, rel=1e-3)
    assert problem in compared[1] and bool(problem) == bool(compared[1])


def test_an_output_with_further_names_is_read_by_the_declared_one(bench, tmp_path):
    """TensorFlow's tensors have the name of the signature and those of operations."""
    network = openvino_core().read_model(bench.fp32)
    network.output("keypoints").add_names({"a:0"})
    xml = ir_writer.write_ir(network, tmp_path / "named.xml", Precision.FP32)
    image = images.read_image(next(bench.photos.glob("*.png")))
    target = QuantizationTarget(bench.spec, PipelineSpec(bench.spec), {bench.spec.name: xml})
    samples = [CalibrationSample(image[None], bench.spec.inputs[0])]
    displacement, problem = Fp32Reference(target, samples).compare(
        bench.fp32, Precision.FP32, ignore_event
    )
    assert (displacement.found_both, displacement.shift_p90_px, problem) == (1, 0.0, "")


@pytest.mark.parametrize("size", [(), ("--height", 160)], ids=["declared", "given"])
def test_a_network_is_calibrated_at_the_size_at_which_it_runs(tmp_path, size):
    pytest.importorskip("nncf", reason="needs nncf")
    xml = spot_network(tmp_path / "w" / "public" / "spot" / "FP32" / "spot.xml", (97, 97))
    changes = {
        "target_size": 129,
        "decoder": {"name": "posenet"},
        "inputs": [{"name": "image", "shape": [1, 3, 97, 97], "layout": "NCHW", "color": "BGR"}],
        "quantization": {
            "in_float": [
                {
                    "types": ["Convolution", "Add", "Subtract", "Divide", "Multiply"],
                    "reason": "INT8 finds nobody",
                }
            ]
        },
    }
    declared = seeker.model_yml(xml) | changes
    del declared["people"], declared["outputs"]
    write_model(tmp_path / "zoo", "spot", declared)
    photos = seeker.write_photos(tmp_path / "photos")
    words = ["quantize", "spot", "--images", photos, "--models_dir", "zoo", "--weights_dir", "w"]
    done = succeeded(posezoo(*words, *size, cwd=tmp_path))
    int8 = openvino_core().read_model(tmp_path / done.stdout.strip())
    assert [*int8.input(0).shape] == [1, 3, 97, 97]
    again = posezoo(*words, *size, cwd=tmp_path)
    assert (again.returncode, "calibrating" in again.stderr) == (0, False)
    other = posezoo(*words, "--height", 193, "--decoder_options", "min_score=0.2", cwd=tmp_path)
    assert (other.returncode, "calibrating" in other.stderr) == (0, True)
    unknown = posezoo(*words, "--decoder_options", "sigma=1", cwd=tmp_path)
    assert "posenet has no option sigma: it has" in unknown.stderr
    detector = posezoo(*words, "--detector", "rtmdet-nano", cwd=tmp_path)
    assert "spot processes whole images: it takes neither boxes nor a detector" in detector.stderr
