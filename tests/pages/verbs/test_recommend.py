"""posezoo recommend: models within limits, the best first, with reasons and the command."""

import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fakes.command import json_of, posezoo, refusal, succeeded
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.registry import open_registry
from posezoo.figures.measured import (
    Measurement,
    measurement_to_json,
    update_measured_yml,
)
from posezoo.figures.own_measurements import keep_measurements
from posezoo.run.machine import Machine


@pytest.fixture
def zoo(tmp_path):
    for name, ap, latency in (("fast", 0.3, 4.0), ("slow", 0.4, 40.0), ("new", 0.9, None)):
        accuracy = [{"metric": "AP", "value": 2 * ap if latency else ap, "dataset": "COCO val2017"}]
        accuracy[0]["boxes"] = "annotated" if latency else "nanodet-g"
        published = {"accuracy": accuracy, "gflops": 1.5}
        yml = model_yml(published=published, skeleton="coco-17", decoder={"name": "simcc"})
        path = write_model(tmp_path / "models", name, yml)
        if latency is None:
            continue
        settings = {"people_from": "nanodet-g"}
        measured = [
            Measurement("accuracy", Precision.FP16, {"AP": ap}, settings=settings),
            *(speed(latency * factor, **settings, **more) for factor, more in SPEEDS),
        ]
        update_measured_yml(path.with_name("measured.yml"), measured)
    return tmp_path


PIPELINE = {"pipeline": "read, found, drawn"}
SPEEDS = (
    (1, {"shown": 1, "people": 1, **PIPELINE}),
    (3, {"shown": 4, "crops": 4, "people": 4, **PIPELINE}),
)


def speed(latency, **settings):
    figures = {"latency_p50_ms": latency, "throughput_fps": 1000 / latency}
    return Measurement(
        "speed", Precision.FP16, figures, machine="A processor", settings={"batch": 1, **settings}
    )


def recommend(zoo, *words):
    return posezoo("recommend", *words, "--models_dir", "models", cwd=zoo)


def answer_of(zoo, *words):
    return json_of(recommend(zoo, *words, "--format", "json"))


def names_of(answer):
    return [model["name"] for model in answer["models"]]


def latencies_of(answer):
    return {row["name"]: row["latency_ms"] for row in answer["models"]}


LIMITS = ("--min_ap", ".3", "--max_latency", "0.05s", "--license", "permissive")


def test_the_first_commands_are_shown_with_ap_time_and_the_host_that_they_need(zoo):
    ended = recommend(zoo, *LIMITS)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "1. posezoo run slow --input photo.jpg",
        "   AP 0.400 of photos, measured by us; 40 ms for 1 person on A processor; 0 MB from models.invalid",
        "2. posezoo run fast --input photo.jpg",
        "   AP 0.300 of photos, measured by us; 4 ms for 1 person on A processor; 0 MB from models.invalid",
        "some may meet the limits, or were left out: --all names them",
    ]
    first, about, *_ = recommend(zoo).stdout.splitlines()
    assert first == "1. posezoo run new --input photo.jpg"
    assert about == (
        "   AP 0.900 as published: COCO val2017, boxes of nanodet-g; time for 1 person not measured;"
        " 0 MB from models.invalid"
    )


def test_all_models_are_a_table_with_footnotes(zoo):
    ended = recommend(zoo, *LIMITS, "--all")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "the highest AP first: of the pipeline as published, then by us, then of other boxes; ? is not known:",
        "   AP BY US  OTHER BOXES  1 SHOWN MS  4 SHOWN MS  DOWNLOAD MB  FROM            LICENSE",
        "1. posezoo run slow --input photo.jpg",
        "      0.400    0.800 [1]      40 [2]     120 [2]          0.0  models.invalid  Apache-2.0",
        "2. posezoo run fast --input photo.jpg",
        "      0.300    0.600 [1]       4 [2]      12 [2]          0.0  models.invalid  Apache-2.0",
        "[1] as published: COCO val2017, annotated boxes",
        "[2] A processor",
        "MS: the median from an image file to drawn poses, one image at a time",
        "may meet the limits, but values are not known: new (no latency)",
        "measure them: posezoo benchmark --pipeline NAME --people 1",
    ]


def test_what_a_mirror_has_comes_first_and_no_host_is_asked(zoo):
    """Without it, the model with the highest AP does."""
    yml = zoo / "models" / "public" / "fast" / "model.yml"
    body = b"the network"
    checksum = hashlib.sha384(body).hexdigest()
    file = {"name": "net.tflite", "size": len(body), "checksum": checksum}
    file["source"] = "https://example.org/net.tflite"
    declared = yaml.safe_load(yml.read_text("utf-8")) | {"files": [file]}
    yml.write_text(yaml.safe_dump(declared), "utf-8")
    assert "1. posezoo run new " in recommend(zoo).stdout
    kept = zoo / "mirror" / "1" / checksum[:2] / checksum[2:]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(body)
    first, about, second, *_ = posezoo(
        "recommend", "--models_dir", "models", cwd=zoo, POSEZOO_MIRROR="mirror"
    ).stdout.splitlines()
    assert first == "1. posezoo run fast --input photo.jpg" and about.endswith(
        "files in the mirror"
    )
    assert second == "2. posezoo run new --input photo.jpg"


def test_of_our_zoo_an_index_comes_before_a_host_which_the_last_line_names():
    lines = posezoo("recommend").stdout.splitlines()
    commands = [line for line in lines if re.match(r"\d\. posezoo run ", line)]
    about = [line for line in lines if line.startswith("   AP ")]
    assert len(commands) == len(about) == 3
    assert all(
        line.endswith((" from npm's registry", " from Python's package index")) for line in about
    )
    assert re.search(r"^\d+ more, such as rtmpose-l from download.openmmlab.com: ", lines[6])


def test_times_of_several_requests_in_a_file_are_not_used_and_a_warning_says_so(zoo):
    of_four = speed(9.0, people_from="nanodet-g", requests=4, **SPEEDS[0][1])
    (zoo / "mine.json").write_text(json.dumps([measurement_to_json("fast", of_four)]))
    ended = recommend(zoo, "--figures", "mine.json", "--format", "json")
    latencies = latencies_of(json_of(ended))
    assert latencies["fast"]["number"] == 4.0
    assert "warning: mine.json: the times are of several requests at once" in ended.stderr


def test_no_pipeline_is_recommended_for_four_people_if_it_cannot_be_measured_with_them():
    """Of the zoo itself, where BlazePose misses two of the four people."""
    for words in ((), ("--max_latency", "1s")):
        ended = succeeded(posezoo("recommend", "--people", "4", "--all", *words))
        assert "posezoo run blazepose" not in ended.stdout
        unknown = re.search(r"^may meet the limits, but .*", ended.stdout, re.MULTILINE)
        assert "blazepose-full (no latency)" in unknown[0]
    for_one = posezoo("recommend", "--max_latency", "1s", "--all").stdout
    assert "posezoo run blazepose-full" in for_one
    assert "left out" not in for_one


def test_a_limit_of_time_names_pipelines_whose_weights_we_do_not_have():
    words = ("--max_latency", "200ms", "--people", "4", "--license", "permissive")
    lines = posezoo("recommend", *words, "--all").stdout.splitlines()
    assert any(line.endswith(" posezoo run rtmpose-s --input photo.jpg") for line in lines)
    assert any(line.endswith("measured on generated weights") for line in lines)
    assert any(line.endswith("estimated from the times of its networks") for line in lines)


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["--keypoints", "21"], "hand-landmark-full"),
        (["--keypoints", "26"], "rtmpose-m-halpe26"),
        (["--keypoints", "133"], "rtmw-l-384x288"),
        (["--3d"], "blazepose-heavy"),
        (["--3d", "--keypoints", "21"], "hand-landmark-full"),
        (["--3d", "--keypoints", "133"], "rtmw3d-x"),
    ],
)
def test_hands_feet_whole_bodies_and_depth_are_answered(words, first):
    answer = json_of(posezoo("recommend", *words, "--format", "json"))
    assert answer["models"][0]["name"] == first


def test_json_has_numbers_and_where_they_are_from(zoo):
    answer = answer_of(zoo)
    assert names_of(answer) == ["new", "slow", "fast"]
    assert [model["weights_opened"] for model in answer["models"]] == [False, True, True]
    assert answer["ranked_by"] == "AP"
    assert answer["models"][2]["latency_ms"] == {
        "number": 4.0,
        "origin": "measured",
        "how": "",
        "machine": "A processor",
        "record": "the registry",
    }
    assert answer["models"][0]["latency_ms"] is None


def test_no_model_within_the_limits_ends_with_1(zoo):
    ended = recommend(zoo, "--min_ap", "0.99")
    assert ended.returncode == 1
    assert ended.stdout == "no model is known to meet these limits\n"


@pytest.mark.parametrize(
    ("words", "explained"),
    [
        (("--license", "GPL-*"), "licenses here: Apache-2.0"),
        (("--keypoints", "5"), "no model here is of this kind; those here find 17 keypoints"),
    ],
)
def test_a_limit_that_no_model_can_meet_is_explained(zoo, words, explained):
    ended = recommend(zoo, *words)
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[1].startswith(explained)


@pytest.mark.parametrize(
    "words, problem",
    [
        (["--min_ap", "60"], "argument --min_ap: expected a number from 0 to 1"),
        (["--keypoints", "0"], "argument --keypoints: expected a whole number"),
        (["--max_latency", "30"], "expected a time such as 30ms, got '30'"),
    ],
)
def test_a_wrong_limit_is_explained(zoo, words, problem):
    ended = recommend(zoo, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert problem in ended.stderr


def test_whole_bodies_are_ranked_only_if_they_are_asked_for(zoo):
    accuracy = [{"metric": "AP", "value": 0.99, "dataset": "COCO-WholeBody"}]
    changes = {"skeleton": "coco-wholebody-133", "decoder": {"name": "simcc"}}
    write_model(zoo / "models", "whole", model_yml(published={"accuracy": accuracy}, **changes))
    ended = succeeded(recommend(zoo))
    assert "posezoo run whole " not in ended.stdout
    answer = answer_of(zoo, "--keypoints", "133")
    assert names_of(answer) == ["whole"]
    succeeded(recommend(zoo, "--license", "apache-2.0"))


def test_detectors_are_ranked_by_the_ap_of_their_boxes_if_they_are_asked_for(zoo):
    for name, ap in (("good", 0.4), ("better", 0.5)):
        path = write_model(zoo / "models", name, model_yml(task_type="detection"))
        measured = [Measurement("accuracy", Precision.FP16, {"AP": ap}, settings={"of": "boxes"})]
        update_measured_yml(path.with_name("measured.yml"), measured)
    ended = succeeded(recommend(zoo))
    assert "posezoo run good " not in ended.stdout
    answer = answer_of(zoo, "--task", "detection")
    assert names_of(answer) == ["better", "good"]
    assert "--keypoints requires --task human_pose_estimation" in refusal(
        recommend(zoo, "--task", "detection", "--keypoints", "17"), code=2
    )


def test_the_command_of_a_model_without_a_checksum_trusts_its_first_use():
    """Of the zoo itself, where some publishers state no checksum."""
    answer = json_of(posezoo("recommend", "--format", "json"))
    commands = {model["name"]: model["command"] for model in answer["models"]}
    registry = open_registry()
    parts = {name: registry.parts(registry.find(name)) for name in commands}
    unpinned = {
        name
        for name, specs in parts.items()
        if not all(file.is_pinned for spec in specs for file in spec.files)
    }
    assert "rtmo-m" in unpinned < commands.keys()
    flag = " --trust_on_first_use "
    assert {name for name, command in commands.items() if flag in command} == unpinned


def test_each_size_that_was_measured_is_a_row_with_its_command(zoo):
    path = zoo / "models" / "public" / "slow" / "measured.yml"
    assert path.is_file()
    larger = {"people_from": "nanodet-g", "target_size": 480}
    update_measured_yml(
        path,
        [
            Measurement("accuracy", Precision.FP16, {"AP": 0.45}, settings=larger),
            speed(70.0, **larger, **SPEEDS[0][1]),
        ],
    )
    ended = recommend(zoo, "--min_ap", ".4", "--max_latency", "1s", "--all")
    lines = ended.stdout.splitlines()
    first = lines.index("1. posezoo run slow --height 480 --input photo.jpg")
    assert lines[first + 1].split()[:4] == ["0.450", "?", "70", "[1]"]
    assert "2. posezoo run slow --input photo.jpg" in lines

    fast = recommend(zoo, "--min_ap", ".4", "--max_latency", "50ms").stdout
    assert "--height" not in fast
    assert "1. posezoo run slow " in fast


def test_each_precision_that_was_measured_and_is_available_is_a_row(zoo):
    yml = model_yml(skeleton="coco-17", decoder={"name": "simcc"})
    path = write_model(zoo / "models", "both", yml | {"quantizable": True})
    measured = [
        Measurement("accuracy", precision, {"AP": ap}, settings={"people_from": "nanodet-g"})
        for precision, ap in (
            (Precision.FP32, 0.5),
            (Precision.FP16, 0.5),
            (Precision.FP16_INT8, 0.49),
        )
    ]
    update_measured_yml(path.with_name("measured.yml"), measured)
    answer = answer_of(zoo)
    rows = [(row["name"], row["precision"]) for row in answer["models"]]
    assert rows[1:3] == [("both", "FP16"), ("slow", "FP16")]  # nobody gets its INT8 without photos


def test_the_first_three_rows_are_shown_and_the_others_are_counted(zoo):
    for number in range(7):
        yml = model_yml(skeleton="coco-17", decoder={"name": "simcc"})
        path = write_model(zoo / "models", f"more{number}", yml)
        settings = {"people_from": "nanodet-g"}
        measured = [
            Measurement("accuracy", Precision.FP16, {"AP": 0.1 * number}, settings=settings)
        ]
        update_measured_yml(path.with_name("measured.yml"), measured)
    lines = recommend(zoo).stdout.splitlines()
    shown = [line.split()[:2] for line in lines if " posezoo run " in line]
    assert shown == [[f"{place}.", "posezoo"] for place in range(1, 4)]
    assert "7 more: --all shows a table of all" in lines
    assert len(answer_of(zoo)["models"]) == 10
    everything = recommend(zoo, "--all").stdout
    assert everything.count(" posezoo run ") == 10
    assert " more: --all" not in everything


def keep_speed(zoo, name, latency, machine=""):
    """Keep a speed of a model as ``posezoo benchmark`` keeps it, of this machine or another one."""
    pytest.importorskip("openvino", reason="needs openvino")
    model = open_registry([zoo / "models"]).find(name)
    measured = speed(latency, people_from="nanodet-g", **SPEEDS[0][1])
    keep_measurements(model, [replace(measured, machine=machine or Machine.here().describe())])


def test_a_speed_of_this_machine_is_preferred_and_the_others_name_their_machine(zoo):
    keep_speed(zoo, "slow", 11.0)
    limit = ("--max_latency", "20ms")
    assert "; 11 ms for 1 person on this machine; " in recommend(zoo, *limit).stdout
    lines = recommend(zoo, *limit, "--all").stdout.splitlines()
    assert lines[0].startswith("your own figures first, then the highest AP first")
    assert lines[2] == "1. posezoo run slow --input photo.jpg"
    assert lines[3].split()[3:5] == ["11", "[2]"]
    assert lines[4] == "2. posezoo run fast --input photo.jpg"
    assert lines[5].split()[3:5] == ["4", "[3]"]
    assert "[2] this machine" in lines
    assert "[3] A processor" in lines

    answer = answer_of(zoo)
    machines = latencies_of(answer)
    assert machines["slow"]["machine"] == "this machine"
    assert machines["fast"]["machine"] == "A processor"
    assert [machines[name]["record"] for name in ("slow", "fast")] == [
        "this machine",
        "the registry",
    ]


def test_a_record_of_the_registry_is_not_of_this_machine_though_the_processors_are_alike(zoo):
    here = Machine.here().describe()
    path = zoo / "models" / "public" / "fast" / "measured.yml"
    path.write_text(path.read_text("utf-8").replace("A processor", here), "utf-8")
    keep_speed(zoo, "slow", 11.0)
    answer = answer_of(zoo)
    latencies = latencies_of(answer)
    assert latencies["slow"]["machine"] == "this machine"
    assert latencies["fast"]["machine"] == here


def test_kept_speeds_of_another_machine_are_not_of_this_one(zoo):
    keep_speed(zoo, "slow", 1.0, "Another processor")
    ended = succeeded(recommend(zoo))
    assert "this machine" not in ended.stdout


def test_the_figures_of_a_file_are_used_in_place_of_those_of_this_machine(zoo):
    keep_speed(zoo, "slow", 11.0)
    other = speed(7.0, people_from="nanodet-g", **SPEEDS[0][1])
    figures = zoo / "speed.json"
    figures.write_text(json.dumps([measurement_to_json("slow", other)]), encoding="utf-8")
    ended = recommend(zoo, "--figures", "speed.json", "--all")
    assert "1. posezoo run slow " in ended.stdout
    assert " 0.400    0.800 [1]       7 [2]" in ended.stdout
    assert "2. posezoo run new " in ended.stdout
    assert "this machine" not in ended.stdout


@pytest.mark.parametrize(
    "spoilt",
    [
        b"speed: [{",
        b"\x00\xff",
        b"speed:\n  - {precision: FP16}\n",
        b"- a\n",
        b"a: " + b"b" * (2 << 20),
    ],
)
def test_kept_speeds_that_cannot_be_read_are_left_out_with_one_clear_line(zoo, spoilt):
    kept = Path(os.environ["HOME"]) / ".local/share/posezoo/measured/slow/measured.yml"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(spoilt)
    ended = succeeded(recommend(zoo))
    assert "posezoo run" in ended.stdout  # the other models are recommended
    (warning,) = ended.stderr.splitlines()
    assert warning.startswith(f"warning: {kept}")
    assert warning.endswith("remove that file, and measure again: posezoo benchmark")
    assert kept.read_bytes() == spoilt


def test_values_of_other_boxes_stand_after_those_of_the_pipeline_that_the_command_runs():
    """alpha_pose has 0.742 with annotated boxes, rtmpose-m 0.732 with those of its detector."""
    answer = json_of(posezoo("recommend", "--max_latency", "200ms", "--format", "json"))
    names = names_of(answer)
    assert names.index("rtmpose-m") < names.index("alpha_pose_resnet101_v1b_coco")
    rows = {row["name"]: row for row in answer["models"] if row["precision"] == "FP16"}
    assert rows["rtmpose-m"]["pipeline_AP"]["number"] == 0.732
    assert rows["alpha_pose_resnet101_v1b_coco"]["pipeline_AP"] is None
    on_an_index = {"npm index", "pip index", "cache"}
    kinds = [
        ("pipeline_AP", "AP", "published_AP").index(
            next(key for key in ("pipeline_AP", "AP", "published_AP") if row[key])
        )
        for row in answer["models"]
        if row["any_AP"] and not row["needs"] and not on_an_index.issuperset(row["weights_from"])
    ]
    assert kinds == sorted(kinds) and len({*kinds}) > 1


def test_processors_of_one_name_differ_by_their_last_instruction_set(zoo):
    path = zoo / "models" / "public" / "fast" / "measured.yml"
    full = "AMD EPYC (family 25, avx2, avx512f, avx512_bf16), 2 cores, Linux"
    path.write_text(path.read_text("utf-8").replace("A processor", full), "utf-8")
    said = succeeded(recommend(zoo)).stdout
    assert "4 ms for 1 person on AMD EPYC with avx512_bf16; " in said
