"""posezoo benchmark, from flags to measurements."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from fakes.command import heed_interrupts, json_of, posezoo, read_json, refusal, succeeded
from fakes.irs import write_ir
from fakes.items import is_running
from fakes.network import network
from fakes.waiting import HANG_S, wait_until
from fakes.zoo import declared_file, onnx_yml, write_composite, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.registry import builtin_models_dir, open_registry
from posezoo.figures.measured import Measurement, digest_irs, read_measured, read_measurement_file
from posezoo.figures.own_measurements import MOST, keep_measurements

pytest.importorskip("openvino", reason="needs openvino")

SHORT = ("--seconds", "0.02")


@pytest.fixture
def checkout(tmp_path):
    """A registry with a small model, available from a folder."""
    original = tmp_path / "small.onnx"
    original.write_bytes(network("onnx"))
    ends = [{"name": name, "shape": [1, 2, 12, 20]} for name in ("heatmaps", "pafs")]
    content = onnx_yml(declared_file(original), outputs=ends)
    write_model(tmp_path / "models", "small", content)
    return tmp_path


def benchmark(checkout, *args):
    places = (
        "--models_dir",
        checkout / "models",
        "-o",
        checkout / "out",
        "--cache_dir",
        checkout / "cache",
    )
    return posezoo("benchmark", *args, *places, *SHORT)


def test_a_model_of_the_zoo_is_downloaded_converted_and_measured(checkout):
    speed = checkout / "speed.json"
    ended = benchmark(
        checkout, "small", "--num_infer_requests", "1,2", "--output", speed, "--format", "json"
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)
    assert "measuring small (FP16, batch 1, 2 requests), 5 rounds" in ended.stderr
    answer = json_of(ended)
    assert answer["measurements"] == read_json(speed)
    (ran, *_) = answer["provenance"]
    assert (ran["device"], len(ran["files"])) == ("CPU", 2)
    assert (answer["failed"], answer["interrupted"]) == ([], False)
    one, two = (each for _, each in read_measurement_file(speed))
    assert (one.settings["requests"], two.settings["requests"]) == (1, 2)
    for each in (one, two):
        assert each.precision is Precision.FP16
        assert each.figures["throughput_min_fps"] <= each.figures["throughput_fps"]
        assert each.figures["latency_p50_ms"] <= each.figures["latency_p99_ms"]


@pytest.mark.usefixtures("measured_in_this_process")
def test_of_several_batch_sizes_the_best_is_reported(checkout):
    ended = succeeded(benchmark(checkout, "small", "--batch", "1,8", "-q"))
    header, *rows = ended.stdout.splitlines()
    assert header.split()[:3] == ["MODEL", "PRECISION", "IMAGES/S"]
    cells = [row.split() for row in rows[:2]]
    assert [cell[4] for cell in cells] == ["1", "8"]
    best = max(cells, key=lambda each: float(each[2]))
    plural = "" if best[5] == "1" else "s"
    message = f"best batch of small (FP16), {best[5]} request{plural}: {best[4]}, {best[2]} images a second"
    assert rows[2] == message
    assert rows[3].startswith("on ")


def kept_speeds(name="small"):
    return (
        Path(os.environ["HOME"])
        / ".local"
        / "share"
        / "posezoo"
        / "measured"
        / name
        / "measured.yml"
    )


@pytest.mark.usefixtures("measured_in_this_process")
def test_the_results_are_kept_for_recommend_once_for_each_condition(checkout):
    shown = benchmark(checkout, "small", "--num_infer_requests", "1,2").stderr
    assert f"{kept_speeds().parents[1]}: 2 measurements of small, for posezoo recommend" in shown
    ended = benchmark(checkout, "small", "--num_infer_requests", "1", "-q", "--format", "json")
    assert (ended.returncode, ended.stderr) == (0, "")
    (latest,) = json_of(ended)["measurements"]
    one, two = read_measured(kept_speeds())
    assert (one.settings["requests"], two.settings["requests"]) == (1, 2)
    assert dict(one.figures) == latest["figures"]
    assert one.machine == latest["machine"]


@pytest.mark.usefixtures("measured_in_this_process")
def test_record_writes_speeds_and_complexity_beside_model_yml_and_not_for_recommend(
    checkout, monkeypatch
):
    monkeypatch.setattr(
        "posezoo.figures.measured.MAX_SPREAD", float("inf")
    )  # tests share the machine
    ended = succeeded(benchmark(checkout, "small", "--num_infer_requests", "1,2", "--record"))
    path = checkout / "models" / "public" / "small" / "measured.yml"
    assert f"{path}: 2 measurements\n" in ended.stderr
    found = [(each.kind, each.settings.get("requests")) for each in read_measured(path)]
    assert found == [("complexity", None), ("speed", 1), ("speed", 2)]
    assert not kept_speeds().exists()


@pytest.mark.usefixtures("measured_in_this_process")
def test_of_a_disturbed_benchmark_only_the_complexity_is_recorded(checkout, monkeypatch):
    monkeypatch.setattr("posezoo.figures.measured.MAX_SPREAD", 0.0)
    ended = benchmark(checkout, "small", "--record", "-q")
    assert ended.returncode == 1
    assert "not recorded: the throughput of its rounds varies by" in ended.stderr
    (found,) = read_measured(checkout / "models" / "public" / "small" / "measured.yml")
    assert found.kind == "complexity"


def test_what_is_no_model_of_a_registry_is_not_recorded(tmp_path):
    (tmp_path / "net.xml").touch()
    said = refusal(posezoo("benchmark", tmp_path / "net.xml", "--record"), code=2)
    assert "--record: only for a model" in said


def test_a_file_is_measured_in_no_other_precision_than_its_own(checkout):
    said = refusal(benchmark(checkout, checkout / "small.onnx", "--precisions", "FP16"), code=2)
    assert "--precisions FP16: " in said and "small.onnx is in FP32" in said
    xml = checkout / "own.xml"
    succeeded(posezoo("convert", checkout / "small.onnx", "-o", xml))
    assert "would measure FP16, " in succeeded(benchmark(checkout, xml, "--dry_run")).stdout


@pytest.mark.usefixtures("measured_in_this_process")
def test_of_a_model_the_newest_results_are_kept(checkout):
    model = open_registry([checkout / "models"]).find("small")
    days = [f"2026-01-{1 + number % 31:02}" for number in range(MOST + 10)]
    keep_measurements(
        model,
        [
            Measurement(
                "speed",
                Precision.FP16,
                {"rounds": 5},
                "",
                "A processor",
                {"batch": number},
                date=day,
            )
            for number, day in enumerate(days)
        ],
    )
    kept = read_measured(kept_speeds())
    assert len(kept) == MOST
    assert min(each.date for each in kept) > "2026-01-01"
    benchmark(checkout, "small", "-q")
    assert max(each.date for each in read_measured(kept_speeds())) > "2026-02"
    assert len(read_measured(kept_speeds())) == MOST


def test_with_cluster_the_cases_are_measured_in_processes_with_all_cores(checkout):
    args = ("small", "--batch", "1,2", "--format", "json")
    here, there = benchmark(checkout, *args), benchmark(checkout, *args, "--cluster", "local:2")
    assert there.returncode == 0, there.stderr

    def conditions(ended):
        return [
            {key: each[key] for key in ("model", "machine", "settings", "weights")}
            for each in json_of(ended)["measurements"]
        ]

    assert conditions(there) == conditions(here)
    assert len(conditions(there)) == 2
    assert "measuring small" in there.stderr


def test_pytorch_alone_is_not_required_before_the_other_models_are_measured(checkout, monkeypatch):
    name = "human-pose-estimation-3d-0001"
    shutil.copytree(builtin_models_dir() / "public" / name, checkout / "models" / "public" / name)
    monkeypatch.setitem(sys.modules, "torch", None)
    ended = benchmark(checkout, "small", name, "--generated", "--format", "json")
    assert "small" in [each["model"] for each in json_of(ended)["measurements"]]


def test_one_error_names_all_packages_that_are_missing(tmp_path, monkeypatch):
    for package in ("openvino", "onnx", "torch"):
        monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    lines = {
        "benchmark human-pose-estimation-3d-0001 --generated": "openvino, torch",
        f"export movenet-thunder --to onnx {tmp_path}": "openvino, onnx",
    }
    for line, named in lines.items():
        assert refusal(posezoo(*line.split())).startswith(f"error: {named} are not installed\n")


@pytest.mark.usefixtures("measured_in_this_process")
def test_a_quantized_ir_is_measured(checkout):
    folder = checkout / "out" / "public" / "small" / "FP16-INT8"
    folder.mkdir(parents=True)
    write_ir(folder / "small.xml", {"heatmaps": (1, 2, 8, 12)})
    succeeded(
        benchmark(
            checkout, "small", "--precisions", "FP16-INT8", "--output", checkout / "speed.json"
        )
    )
    (found,) = read_json(checkout / "speed.json")
    assert (found["model"], found["precision"]) == ("small", "FP16-INT8")
    planned = benchmark(checkout, "small", "--precisions", "FP16-INT8", "--dry_run").stdout
    assert (
        planned
        == "small: would measure FP16-INT8, batch 1, requests 0 on CPU: 5 rounds of 0.02 s\n"
    )


@pytest.mark.usefixtures("measured_in_this_process")
def test_an_own_ir_is_measured_but_not_recorded(checkout):
    xml = write_ir(checkout / "mine.xml", {"heatmaps": (1, 2, 8, 12)})
    ended = succeeded(benchmark(checkout, xml, "--batch", "2", "--output", checkout / "speed.json"))
    assert ended.stdout.splitlines()[1].startswith("mine ")
    assert "speed.json: not written: there is nothing to record" in ended.stderr
    assert not (checkout / "speed.json").exists()


@pytest.mark.usefixtures("measured_in_this_process")
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("small", "--device", "NPU"), "error: no device 'NPU' was found, only CPU"),
        (("small", "--precisions", "FP16-INT8"), "small: is not available in FP16-INT8"),
        (("--pipeline", "small"), "small: finds no poses: it has no decoder"),
        (("smal",), "no model is called 'smal'\n  hint: did you mean small?"),
    ],
)
def test_a_failure_is_one_line_and_a_hint(checkout, args, message):
    ended = benchmark(checkout, *args)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_that_is_missing_is_named_before_anything_is_measured(checkout):
    xml = write_ir(checkout / "mine.xml", {"heatmaps": (1, 2, 8, 12)})
    for names in ((xml, "nothing.xml"), (xml, "nothing.xml", "small")):
        ended = benchmark(checkout, *names, "--output", checkout / "speed.json")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == "error: nothing.xml: no such file\n"


@pytest.mark.usefixtures("measured_in_this_process")
def test_a_size_is_refused_for_an_ir_whose_sizes_are_fixed(checkout):
    small = write_ir(checkout / "good.xml", {"heatmaps": (1, 2, 8, 12)})
    ended = benchmark(checkout, small, "--size", "64,96")
    assert f"--size: the inputs of {small} have fixed sizes" in refusal(ended)


@pytest.mark.usefixtures("measured_in_this_process")
def test_one_failure_does_not_stop_the_others(checkout):
    small = write_ir(checkout / "good.xml", {"heatmaps": (1, 2, 8, 12)})
    any_size = write_ir(checkout / "any.xml", {"heatmaps": (1, 2, 8, 12)}, image=(1, 3, -1, -1))
    ended = benchmark(checkout, any_size, small, "--format", "json", "-q")
    answer = json_of(ended)
    assert ended.returncode == 1
    assert [each["model"] for each in answer["measurements"]] == ["good"]
    assert [each["name"] for each in answer["failed"]] == ["any"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("x", "--batch", "65"), "expected a whole number from 1 to 64, got '65'"),
        (("x", "--batch", "0"), "expected a whole number from 1 to 64"),
        (("x", "--seconds", "nan"), "expected a number from 0.01 to 600"),
        (("x", "--input", "me.jpg"), "--input requires --pipeline"),
        (("x", "--detector", "none"), "--detector requires --pipeline"),
        (("--pipeline", "x", "--batch", "2"), "either --batch or --pipeline"),
        (("--pipeline", "x", "--generated"), "either --generated or --pipeline"),
        (("x", "--output", "speed.txt"), "expected a name that ends with .json"),
        ((), "name a model, or use --all"),
    ],
)
def test_invalid_flags_are_wrong_usage(args, message):
    assert message in refusal(posezoo("benchmark", *args), code=2)


def test_a_dry_run_writes_nothing(checkout):
    before = sorted(checkout.rglob("*"))
    ended = succeeded(benchmark(checkout, "small", "--batch", "1,2", "--dry_run"))
    assert "small: would convert to FP16" in ended.stdout
    plan = "small: would measure FP16, batch 2, requests 0 on CPU: 5 rounds of 0.02 s"
    assert plan in ended.stdout.splitlines()
    assert sorted(checkout.rglob("*")) == before


def read_until(terminal, message):
    """What a terminal shows until a text appears; until its end if the text is empty."""
    shown = ""
    while not message or message not in shown:
        try:
            more = os.read(terminal, 4096).decode()
        except OSError:  # Linux says so at the end
            more = ""
        if not more:
            assert not message, shown
            break
        shown += more
    return shown


def test_an_interrupt_shows_the_results_so_far(checkout):
    xml = write_ir(checkout / "mine.xml", {"heatmaps": (1, 2, 8, 12)})
    command = [sys.executable, "-m", "posezoo", "benchmark", str(xml)]
    terminal, end = pty.openpty()  # a terminal shows rounds as they end
    child = subprocess.Popen(
        [*command, "--seconds", "1", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=end,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    os.close(end)
    shown_lines = read_until(terminal, "round 2 of 5")
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: also to the measuring processes
    shown_lines += read_until(terminal, "")
    os.close(terminal)
    shown, _ = child.communicate(timeout=HANG_S)
    assert child.returncode == 130
    assert "Traceback" not in shown_lines
    assert "interrupted: these are the results so far" in shown_lines
    answer = json.loads(shown)
    assert answer["interrupted"]
    (found,) = answer["measurements"]
    assert 2 <= found["figures"]["rounds"] < 5


def test_the_whole_pipeline_counts_its_people(blazepose, shared, tmp_path):
    photo = shared / "data" / "photos" / "000000000790.jpg"
    people = cv2.imread(str(photo))
    (found,) = json_of(
        succeeded(
            posezoo(
                *("benchmark", "--pipeline", "blazepose-full", "--input", photo, *SHORT),
                *(
                    "-o",
                    blazepose.output_dir,
                    "--num_infer_requests",
                    "1",
                    "--output",
                    tmp_path / "speed.json",
                    "--format",
                    "json",
                ),
            )
        )
    )["measurements"]
    assert found["settings"]["pipeline"] == "read, found, drawn"
    assert found["settings"]["picture"] == f"{people.shape[1]}x{people.shape[0]}"
    assert found["settings"]["people"] == 2
    assert found["irs"] == digest_irs(blazepose.output_dir.rglob("FP16/*.xml"))


def benchmark_blazepose(blazepose, mirror, people):
    return posezoo(
        *("benchmark", "--pipeline", "blazepose-full", *SHORT, "-o", blazepose.output_dir),
        *("--people", people, "--mirror", mirror, "-q"),
    )


@pytest.mark.usefixtures("measured_in_this_process", "networks_stay_compiled")
def test_a_pipeline_without_an_own_image_uses_the_sample_photos(blazepose, mirror):
    ended = succeeded(benchmark_blazepose(blazepose, mirror, "1"))
    assert "blazepose-full: whole pipeline: 400x512, people shown: 1, found: 1\n" in ended.stdout
    (kept,) = read_measured(kept_speeds("blazepose-full"))
    assert kept.settings["crops"] == 1


@pytest.mark.usefixtures("measured_in_this_process", "networks_stay_compiled")
def test_a_pipeline_that_misses_people_is_not_measured(blazepose, mirror):
    """Its time would be that of other work than its record says."""
    ended = benchmark_blazepose(blazepose, mirror, "4")
    assert (ended.returncode, ended.stdout) == (1, "")
    problem, hint = ended.stderr.splitlines()
    assert problem == "error: blazepose-full: computed 2 crops, and the picture shows 4 people"
    assert hint == "  hint: --people 1 shows one person; --input names a picture of your own"


@pytest.mark.parametrize("detector", ["picodet-s-192-pedestrian", "yolox-nano-coco"])
def test_detectors_see_as_many_people_as_the_scene_has(detector, mirror, tmp_path):
    for people in ("1", "4"):
        ended = succeeded(
            posezoo(
                *("benchmark", "--pipeline", detector, "--people", people, *SHORT, "-q"),
                *("--mirror", mirror, "-o", tmp_path / "models"),
            )
        )
        assert f"people shown: {people}, found: {people}\n" in ended.stdout


def test_a_network_without_available_weights_is_measured_on_generated_ones(checkout):
    pytest.importorskip("torch", reason="needs torch")
    name = "mobile_pose_mobilenetv3_small"
    folder = checkout / "models" / "public" / name
    folder.mkdir()
    shutil.copy(builtin_models_dir() / "public" / name / "model.yml", folder)
    speed = checkout / "speed.json"
    ended = succeeded(benchmark(checkout, name, "--generated", "--output", speed, "-q"))
    assert f"{name}: generated weights" in ended.stdout
    ((_, found),) = read_measurement_file(speed)
    assert (found.weights, found.kind) == ("generated", "speed")


@pytest.mark.usefixtures("measured_in_this_process")
def test_a_part_is_measured_alone_and_a_composite_part_by_part(checkout):
    write_composite(checkout / "models", "whole", ["part"])
    source = (checkout / "models" / "public" / "small" / "model.yml").read_text()
    write_model(checkout / "models", "whole/part", source)
    ended = succeeded(benchmark(checkout, "whole", "-q"))
    assert ended.stdout.splitlines()[1].startswith("part ")


def test_no_process_continues_when_the_command_is_killed(checkout):
    xml = write_ir(checkout / "mine.xml", {"heatmaps": (1, 2, 8, 12)})
    command = [sys.executable, "-m", "posezoo", "benchmark", str(xml), "--seconds", "1"]
    terminal, end = pty.openpty()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=end, text=True)
    os.close(end)
    read_until(terminal, "round 1 of 5")
    measuring = (
        Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text(encoding="utf-8").split()
    )
    assert measuring
    child.kill()
    child.wait()
    os.close(terminal)
    wait_until(lambda: not any(is_running(each) for each in measuring))
