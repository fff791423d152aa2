"""posezoo get --dry_run: what would be fetched, converted and written, or what prevents it."""

import json
from pathlib import Path

import pytest

from fakes.command import assert_success, posezoo, printed, refusal
from fakes.network import network
from fakes.sandbox import needs_sandbox
from fakes.when_used import needs
from fakes.zoo import IMAGE, declared_file, model_yml, omz_yml, write_model


@pytest.fixture
def zoo(tmp_path):
    """A network that converts, one published as IR, and one that only Model Optimizer reads."""
    origin = tmp_path / "origin" / "net.onnx"
    origin.parent.mkdir()
    origin.write_bytes(network("onnx"))
    root = tmp_path / "models"
    arguments = [
        "--input_model=$dl_dir/net.onnx",
        "--mean_values=image[1,2,3]",
        "--scale_values=image[255]",
        "--reverse_input_channels",
        "--output=pafs,heatmaps",
    ]
    write_model(
        root,
        "net",
        omz_yml(files=[declared_file(origin)], input_info=[IMAGE], model_optimizer_args=arguments),
    )
    write_model(root, "old", model_yml(framework="mxnet"))
    file = {
        "name": "FP16/ready.xml",
        "size": 7,
        "checksum": "0" * 96,
        "source": "https://models.invalid/r",
    }
    write_model(root, "ready", model_yml(framework="dldt", files=[file]))
    return tmp_path


def run(zoo, *args):
    return posezoo(*args, "--models_dir", zoo / "models", cwd=zoo)


def planned(zoo, *args):
    ended = run(zoo, "get", "--dry_run", *args, "-o", zoo / "out", "--format", "json")
    models = {load["name"]: load for load in json.loads(ended.stdout)["models"]}
    is_prevented = any(load["reason"] for load in models.values())
    assert ended.returncode == int(is_prevented)
    return models


def everything_below(folder):
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_a_plan_names_files_bytes_places_arguments_and_irs(zoo):
    net = planned(zoo, "--all")["net"]
    assert (net["framework"], net["route"], net["reason"]) == ("onnx", "convert", None)
    (file,) = net["files"]
    assert (file["name"], file["size"], file["place"]) == (
        "net.onnx",
        len(network("onnx")),
        "source",
    )
    assert file["from"] == [f"{zoo}/origin/net.onnx"]
    assert file["path"] == f"{zoo}/out/public/net/net.onnx"
    assert net["fetch_bytes"] == file["size"]
    assert net["arguments"]["inputs"] == [
        {
            "name": "image",
            "shape": [1, 3, 12, 20],
            "layout": "NCHW",
            "reverse_channels": True,
            "mean": [1, 2, 3],
            "scale": [255, 255, 255],
            "ir_layout": "NCHW",
        }
    ]
    assert net["arguments"]["outputs"] == ["pafs", "heatmaps"]
    assert [(ir["precision"], ir["since"]) for ir in net["irs"]] == [
        ("FP32", "it does not exist yet"),
        ("FP16", "it does not exist yet"),
    ]
    assert net["irs"][0]["path"] == f"{zoo}/out/public/net/FP32/net.xml"


def test_a_plan_says_why_not_in_a_word_and_a_sentence(zoo):
    old = planned(zoo, "--all")["old"]
    assert (old["route"], old["reason"], old["why"]) == (
        "removed-from-mo-2024",
        "mxnet",
        "Model Optimizer has not read MXNet files since 2024",
    )
    assert (old["files"], old["irs"], old["fetch_bytes"]) == ([], [], 0)


def test_what_is_published_as_ir_is_fetched_and_not_made(zoo):
    ready = planned(zoo, "ready", "--precisions", "FP16")["ready"]
    assert (ready["route"], ready["fetch_bytes"], ready["irs"][0]["since"]) == ("ir", 7, None)
    assert ready["irs"][0]["path"] == f"{zoo}/out/public/ready/FP16/ready.xml"
    other = planned(zoo, "ready", "--precisions", "FP32")["ready"]
    assert (other["route"], other["reason"], other["hint"]) == ("ir", "precision", "choose FP16")


def test_a_real_run_does_what_was_planned_and_then_nothing_is_left(zoo):
    needs("openvino")
    before = planned(zoo, "net")["net"]
    got = printed(run(zoo, "get", "net", "-o", zoo / "out"))
    assert sorted(got.split()) == sorted(ir["path"] for ir in before["irs"])
    after = planned(zoo, "net")["net"]
    assert (after["fetch_bytes"], after["files"]) == (0, [])
    assert [ir["since"] for ir in after["irs"]] == [None, None]
    Path(after["irs"][0]["path"]).with_suffix(".bin").write_bytes(b"damaged")
    mended = planned(zoo, "net")["net"]
    assert [ir["since"] for ir in mended["irs"]] == [
        "its .bin is not as posezoo wrote it",
        None,
    ]
    assert [file["place"] for file in mended["files"]] == ["here"]


def test_a_model_that_is_not_converted_here_is_refused_before_anything_is_fetched(zoo):
    refused = refusal(run(zoo, "get", "old", "-o", zoo / "out"))
    assert refused.splitlines()[0] == (
        "error: old: cannot be converted here (removed-from-mo-2024, mxnet): Model Optimizer has not read MXNet files since 2024"
    )
    assert not (zoo / "out").exists()


def test_a_plan_touches_nothing(zoo):
    assert_success(run(zoo, "get", "net", "-o", zoo / "out"))
    before = everything_below(zoo)
    for style in ("text", "json"):
        ended = run(zoo, "get", "net", "--dry_run", "-o", zoo / "out", "--format", style)
        assert_success(ended)
    assert everything_below(zoo) == before


def test_in_text_each_line_names_its_model_and_the_sum_stands_at_the_end(zoo):
    ended = run(zoo, "get", "--all", "--dry_run", "-o", zoo / "out")
    assert ended.returncode == 1
    lines = ended.stdout.splitlines()
    inputs = "image [1,3,12,20] NCHW: reverse_channels, mean 1 2 3, scale 255 255 255"
    assert f"net: input {inputs}" in lines
    assert "net: outputs pafs, heatmaps" in lines
    why = "Model Optimizer has not read MXNet files since 2024"
    assert f"old: cannot be converted here (removed-from-mo-2024, mxnet): {why}" in lines
    assert lines[-1].startswith("3 models: 2 files to download, ")


def test_what_is_frozen_and_turned_is_told(zoo):
    arguments = [
        "--input_model=$dl_dir/net.onnx",
        "--input_shape=[1,3,4,6]",
        "--layout=image(nchw->nhwc)",
        "--freeze_placeholder_with_value=training->False,lengths->[16 2.5]",
    ]
    write_model(zoo / "models", "more", omz_yml(model_optimizer_args=arguments))
    lines = run(zoo, "get", "more", "--dry_run", "-o", zoo / "out").stdout.splitlines()
    assert "more: input image [1,3,4,6] NCHW: from NHWC" in lines
    assert "more: input training frozen to False" in lines
    assert "more: input lengths frozen to [16 2.5]" in lines
    facts = planned(zoo, "more")["more"]["arguments"]
    assert facts["frozen"] == {"training": False, "lengths": [16, 2.5]}
    assert facts["inputs"][0]["ir_layout"] == "NHWC"


def test_all_of_open_model_zoo_is_planned_and_nothing_is_written(shared, tmp_path):
    models = shared / "data" / "omz-2021.4" / "models"
    ended = posezoo(
        *("get", "--all", "--dry_run", "--models_dir", models),
        *("-o", tmp_path / "out", "--format", "json"),
    )
    assert len(json.loads(ended.stdout)["models"]) >= 264
    assert not (tmp_path / "out").exists()


@needs_sandbox
def test_consent_and_a_model_optimizer_open_routes_that_are_closed_without(zoo):
    path = write_model(
        zoo / "models",
        "coded",
        omz_yml(model_optimizer_args=["--input_model=$conv_dir/net.onnx"], input_info=None),
    )
    path.with_name("pre-convert.py").write_text("")
    closed = planned(zoo, "coded")["coded"]
    assert (closed["route"], closed["reason"], closed["runs"]) == (
        "upstream-code",
        "pre-convert",
        [],
    )
    opened = planned(zoo, "coded", "--allow_upstream_code")["coded"]
    assert (opened["route"], opened["reason"]) == ("upstream-code", None)
    assert opened["runs"] == [f"{zoo}/models/public/coded/pre-convert.py"]
    assert [each["precision"] for each in opened["irs"]] == ["FP32", "FP16"]
    text = run(zoo, "get", "coded", "--dry_run", "--allow_upstream_code").stdout
    assert f"would run {zoo}/models/public/coded/pre-convert.py" in text
    assert "coded: the sandbox restricts that code: no network" in text


def test_a_network_of_ours_takes_the_weights_of_a_foreign_zoo(shared, tmp_path):
    names = ["higher-hrnet-w32-human-pose-estimation", "human-pose-estimation-3d-0001"]
    names.append("single-human-pose-estimation-0001")
    models = shared / "data" / "omz-2021.4" / "models"
    ended = posezoo(
        *("get", *names, "--dry_run", "--models_dir", models, "-o", tmp_path),
        *("--format", "json"),
        cwd=tmp_path,
    )
    found = {load["name"]: load["route"] for load in json.loads(ended.stdout)["models"]}
    assert found == dict.fromkeys(names, "network")


@pytest.fixture
def environment(zoo):
    """An environment whose Python leaves a file behind."""
    binaries = zoo / "env" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "python3", "mo"):
        (binaries / name).write_text(f'#!/bin/sh\ntouch "{zoo}/was-run"\necho 2024.6.0\n')
        (binaries / name).chmod(0o755)
    return zoo / "env"


DRY_RUNS = [
    ("get", "old", "--dry_run"),
    ("get", "--all", "--dry_run"),
    ("convert", "old", "--dry_run"),
]


@pytest.mark.parametrize("args", [*DRY_RUNS, ("get", "old"), ("convert", "old")])
def test_the_posezoo_cfg_of_a_folder_names_no_program(zoo, environment, args):
    (zoo / "posezoo.cfg").write_text("[posezoo]\nmodels_dir = models\nmo = env\n")
    error = refusal(posezoo(*args, cwd=zoo))
    problem, hint = error.splitlines()
    assert problem == (
        "error: posezoo.cfg:3: mo is not read in the posezoo.cfg of a folder, which may come from others"
    )
    assert hint.startswith("  hint: set it in ")
    assert not (zoo / "was-run").exists()


@pytest.mark.parametrize("args", DRY_RUNS)
def test_a_plan_runs_no_program(zoo, environment, args):
    (zoo / "posezoo.cfg").write_text("[posezoo]\nmodels_dir = models\n")
    ended = posezoo(*args, "--mo", environment, cwd=zoo)
    assert ended.returncode == 1  # mxnet is not read
    assert not (zoo / "was-run").exists()


def test_a_plan_names_the_model_optimizer_of_an_environment(zoo, environment):
    packages = environment / "lib" / "python3.11" / "site-packages"
    (packages / "openvino_dev-2024.6.0.dist-info").mkdir(parents=True)
    arguments = ["--input_model=$dl_dir/net.onnx", "--log_level=ERROR"]
    file = declared_file(zoo / "origin" / "net.onnx")
    declared = omz_yml(files=[file], input_info=[IMAGE], model_optimizer_args=arguments)
    write_model(zoo / "models", "scaled", declared)
    ended = run(zoo, "get", "scaled", "--dry_run", "--mo", environment)
    assert " by Model Optimizer 2024.6.0, " in ended.stdout
    assert not (zoo / "was-run").exists()
