"""measured.yml is written in one order, read back the same, and every value is checked."""

import json
import re
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import posezoo
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.errors import OutputError, SpecError
from posezoo.core.files.file_lock import exclusive
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import open_registry
from posezoo.core.settings import read_settings, to_settings
from posezoo.figures.measured import (
    NOTE,
    Measurement,
    digest_irs,
    format_measured_yml,
    read_measured,
    read_measurement_file,
    update_measured_yml,
)
from posezoo.measure import complexity_count

FP32, FP16, INT8 = Precision.FP32, Precision.FP16, Precision.FP16_INT8

COUNTED = Measurement(
    "complexity", FP32, {"gflops": 92.8364, "mparams": 28.618}, weights="generated"
)
FAST = Measurement(
    "speed",
    FP16,
    {"throughput_fps": 31.25, "latency_p50_ms": 32.0},
    machine="AMD EPYC: 2 cores, # 8 GiB",
    settings={"device": "CPU", "batch": 1, "streams": True, "hint": "off", "share": 0.5},
    tools={"openvino": "2026.4.1"},
    date="2026-11-20",
)
GOOD = Measurement(
    "accuracy",
    FP16,
    {"AP": 0.6464, "AR": 0.7},
    tag="2f544338",
    settings={"dataset": "COCO val2017"},
    intervals={"AP": (0.6, 0.7)},
    irs="1234567890123456",
)


def test_written_measurements_are_read_back(tmp_path):
    path = tmp_path / "measured.yml"
    assert update_measured_yml(path, [FAST, GOOD, COUNTED])
    assert read_measured(path) == (COUNTED, GOOD, FAST)


def test_a_newer_measurement_replaces_the_one_with_the_same_key(tmp_path):
    path = tmp_path / "measured.yml"
    update_measured_yml(path, [FAST])
    newer = Measurement(
        "speed", FP16, {"throughput_fps": 40.0}, machine=FAST.machine, settings=FAST.settings
    )
    elsewhere = Measurement(
        "speed", FP16, {"throughput_fps": 9.0}, machine="another", settings=FAST.settings
    )
    assert update_measured_yml(path, [newer, elsewhere])
    assert read_measured(path) == (newer, elsewhere)
    assert not update_measured_yml(path, [newer])  # nothing new: the file is not written


def test_other_yaml_readers_read_the_same_values(tmp_path):
    # Ambiguous texts are quoted: a version is not a number, "off" not a truth value, a tag not a count.
    found = yaml.safe_load(format_measured_yml([FAST, GOOD]))
    assert found["speed"][0]["settings"] == dict(FAST.settings)
    assert found["speed"][0]["tools"] == {"openvino": "2026.4.1"}
    assert found["speed"][0]["machine"] == FAST.machine
    assert found["accuracy"][0]["tag"] == "2f544338"
    assert found["accuracy"][0]["intervals"] == {"AP": [0.6, 0.7]}
    assert found["accuracy"][0]["irs"] == "1234567890123456"
    assert format_measured_yml([FAST]).startswith(
        f"{NOTE}\nspeed:\n  - precision: FP16\n    machine: "
    )


def test_values_keep_six_digits():
    long = Measurement("complexity", FP32, {"mparams": 28.61787512, "gflops": 92.83641234})
    assert "figures: {gflops: 92.8364, mparams: 28.6179}" in format_measured_yml([long])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("complexities: []", "1:1: complexities: unknown key"),
        ("complexity: [{precision: FP8, figures: {gflops: 1}}]", "1:26: complexity[0].precision: expected one"),
        ("complexity: [{precision: FP32}]", "1:14: complexity[0]: the key figures is missing"),
        ("complexity: [{precision: FP32, figures: {}}]", "figures: is empty"),
        ("complexity: [{precision: FP32, figures: {gflop: 1}}]", "gflop: unknown key"),
        ("complexity: [{precision: FP32, figures: {gflops: -1}}]", "gflops: expected 0 to 1e+09, got -1"),
        ("complexity: [{precision: FP32, figures: {gflops: .nan}}]", "gflops: expected a number, got '.nan'"),
        ("accuracy: [{precision: FP32, figures: {AP: 64.64}}]", "AP: expected 0 to 1, got 64.64"),
        ("accuracy: [{precision: FP32, weights: generated, figures: {AP: 0.6}}]", "weights: accuracy depends on"),
        ("accuracy: [{precision: FP32, figures: {AP: 0.6}, intervals: {AR: [0, 1]}}]", "AR: unknown key"),
        ("accuracy: [{precision: FP32, figures: {AP: 0.6}, intervals: {AP: [0.7, 0.5]}}]", "a lower and an upper"),
        ("accuracy: [{precision: FP32, figures: {AP: 0.6}, intervals: {AP: [0.5]}}]", "a lower and an upper"),
        ("accuracy: [{precision: FP32, figures: {AP: 0.6}, intervals: {AP: [0.5, 7]}}]", "expected 0 to 1, got 7"),
        ("accuracy: [{precision: FP32, irs: 12, figures: {AP: 0.6}}]", "irs: expected 16 hexadecimal digits"),
        ("speed: [{precision: FP32, figures: {compile_s: 1}}]", "the key machine is missing"),
        ("speed: [{precision: FP32, machine: m, date: today, figures: {compile_s: 1}}]", "date: expected a date"),
        ("complexity: [{precision: FP32, tag: ../x, figures: {gflops: 1}}]", "tag: expected a tag"),
    ],
)  # fmt: skip
def test_an_invalid_value_is_refused_with_its_place(tmp_path, text, message):
    path = tmp_path / "measured.yml"
    path.write_text(text)
    with pytest.raises(SpecError) as error:
        read_measured(path)
    assert str(path) in error.value.problem
    assert message in error.value.problem


def test_a_tool_s_file_names_its_models(tmp_path):
    path = tmp_path / "speed.json"
    row = {"kind": "speed", "precision": "FP16", "machine": "m", "figures": {"compile_s": 0.5}}
    path.write_text(json.dumps([{"model": "a", **row}, {"model": "b@tag", **row}], indent=2))
    found = Measurement("speed", FP16, {"compile_s": 0.5}, machine="m")
    assert read_measurement_file(path) == (("a", found), ("b@tag", found))
    path.write_text(json.dumps({"model": "a", **row, "figures": {"compile_m": 1}}, indent=2))
    with pytest.raises(SpecError, match=r"speed\.json:7:5: figures\.compile_m: unknown key"):
        read_measurement_file(path)


def test_what_several_processes_record_at_the_same_time_is_kept(tmp_path):
    path = tmp_path / "measured.yml"
    with ThreadPoolExecutor(1) as pool, exclusive(path):
        recording = pool.submit(update_measured_yml, path, [FAST])
        with pytest.raises(TimeoutError):
            recording.result(0.1)
        path.write_text(format_measured_yml([GOOD]), "utf-8")
    assert recording.result(0)
    assert read_measured(path) == (GOOD, FAST)


def test_an_installed_registry_is_not_changed(tmp_path):
    context = open_context(to_settings(read_settings({"weights_dir": tmp_path})))
    spec = context.registry.find("human-pose-estimation-0005")
    place = Path(posezoo.__file__).parent / "models" / "intel" / spec.name
    with pytest.raises(
        OutputError,
        match="is part of an installed package: measurements are recorded in a checkout",
    ):
        complexity_count.record_measurements(replace(spec, path=place / "model.yml"), [COUNTED])
    assert not place.exists()


REGISTRY = open_registry()


def figures_of(name):
    """GFLOPs and MParams of each IR, as committed."""
    spec = REGISTRY.find(name)
    assert isinstance(spec, ModelSpec)
    rows = [
        each
        for each in read_measured(spec.path.with_name("measured.yml"))
        if each.kind == "complexity"
    ]
    actual = [row for row in rows if row.tag == spec.tag]
    assert actual
    return [(each.figures["gflops"], each.figures["mparams"]) for each in actual]


@pytest.mark.parametrize(
    ("name", "gflops", "mparams"),
    [
        ("higher-hrnet-w32-human-pose-estimation", 92.8364, 28.618),
        # 5 stages, as the published archive has them; the published figures are those of 4.
        ("single-human-pose-estimation-0001", 72.0, 40.557),
        # Its card says 18.998, which no rule gives: 2 x MAC are 18.59, with bias and ReLU 18.68.
        ("human-pose-estimation-3d-0001", 18.68, 5.074),
        ("person-detection-retail-0013", 2.3, 0.723),
    ],
)
def test_recorded_complexity_equals_the_published_one(name, gflops, mparams):
    for found in figures_of(name):
        assert found == (pytest.approx(gflops, rel=3e-3), pytest.approx(mparams, rel=1e-3))


def test_higher_hrnet_is_within_a_thousandth_of_its_card():
    (fp32, fp16) = figures_of("higher-hrnet-w32-human-pose-estimation")
    assert fp32 == fp16 == (pytest.approx(92.8364, rel=1e-3), pytest.approx(28.618, rel=1e-3))


def test_every_founding_model_and_variant_is_counted_and_none_has_an_accuracy_of_generated_weights():
    of_networks = [spec for spec in REGISTRY.select(None).models if spec.network is not None]
    assert len(of_networks) > 20
    for spec in of_networks:
        rows = read_measured(spec.path.with_name("measured.yml"))
        counted = {(row.tag, row.precision) for row in rows if row.kind == "complexity"}
        assert counted == {
            (each.tag, one) for each in (spec, *spec.variants) for one in (FP32, FP16)
        }
        assert {row.weights for row in rows} == {"generated"}
        assert {row.kind for row in rows} <= {"complexity", "speed"}


def test_the_digest_of_irs_depends_on_each_file_and_not_on_their_order(tmp_path):
    xmls = [tmp_path / "a.xml", tmp_path / "b.xml"]
    for xml in xmls:
        xml.write_text(f'<net name="{xml.name}">')
        xml.with_suffix(".bin").write_bytes(b"weights")
    digest = digest_irs(xmls)
    assert digest == digest_irs(xmls[::-1])
    assert re.fullmatch("[0-9a-f]{16}", digest)
    xmls[0].with_suffix(".bin").write_bytes(b"other")
    assert digest_irs(xmls) != digest
