"""posezoo recommend: models within limits, the best first, with reasons and the command."""

from __future__ import annotations

import json

import pytest

from fakes.command import posezoo
from fakes.zoo import model_yml, write_model
from posezoo.measured import Measurement, update_measured_yml
from posezoo.spec.model import Precision


@pytest.fixture
def zoo(tmp_path):
    for name, ap, latency in (("fast", 0.6, 4.0), ("slow", 0.8, 40.0), ("new", 0.9, None)):
        accuracy = [{"metric": "AP", "value": ap, "dataset": "COCO val2017"}]
        published = {"accuracy": accuracy, "gflops": 1.5}
        yml = model_yml(published=published, skeleton="coco-17", decoder={"name": "simcc"})
        path = write_model(tmp_path / "models", name, yml)
        if latency:
            figures = {"latency_p50_ms": latency, "throughput_fps": 1000 / latency}
            speed = Measurement(
                "speed", Precision.FP16, figures, machine="A processor", settings={"batch": 1}
            )
            update_measured_yml(path.with_name("measured.yml"), [speed])
    return tmp_path


def recommend(zoo, *words):
    return posezoo("recommend", *words, "--models_dir", "models", cwd=zoo)


def test_the_best_models_are_shown_with_their_reasons_and_the_command(zoo):
    ended = recommend(zoo, "--min_ap", ".5", "--max_latency", "0.05s", "--license", "permissive")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "1. slow",
        "   AP 0.800 (declared: COCO val2017), 40 ms (measured), 1.5 GFLOPs, Apache-2.0, people from"
        " nanodet-g",
        "   posezoo run slow --input photo.jpg",
        "2. fast",
        "   AP 0.600 (declared: COCO val2017), 4 ms (measured), 1.5 GFLOPs, Apache-2.0, people from"
        " nanodet-g",
        "   posezoo run fast --input photo.jpg",
        "ranked by AP",
        "a network that needs another model to find the people runs once for each of them",
        "latency of the network alone: A processor; batch 1",
        "not known: new (latency)",
        "measure them: posezoo benchmark NAME --output speed.json, then --figures speed.json",
        "in a gallery: index.html#y=published_AP&x=network_p50_ms&sort=-published_AP"
        "&accuracy_min=50&license=Apache-2.0",
    ]


def test_json_has_numbers_and_where_they_are_from(zoo):
    answer = json.loads(recommend(zoo, "--format", "json").stdout)
    assert [model["name"] for model in answer["models"]] == ["fast", "new", "slow"]
    assert answer["ranked_by"] == "GFLOPs, since not all models were measured on one machine"
    assert answer["models"][0]["latency_ms"] == {"number": 4.0, "origin": "measured", "how": ""}
    assert answer["models"][1]["latency_ms"] is None


def test_no_model_within_the_limits_ends_with_1(zoo):
    ended = recommend(zoo, "--min_ap", "0.99")
    assert ended.returncode == 1
    assert ended.stdout.startswith("no model is known to meet these limits\n")


@pytest.mark.parametrize(
    "words, problem",
    [
        (["--min_ap", "60"], "argument --min_ap: expected a number from 0 to 1"),
        (["--min_ap", "nan"], "argument --min_ap: expected a number from 0 to 1"),
        (["--min_ap", "abc"], "argument --min_ap: expected a number from 0 to 1"),
        (["--keypoints", "many"], "argument --keypoints: invalid int value: 'many'"),
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
    assert "whole" not in recommend(zoo).stdout
    answer = json.loads(recommend(zoo, "--keypoints", "133", "--format", "json").stdout)
    assert [model["name"] for model in answer["models"]] == ["whole"]
    assert recommend(zoo, "--license", "apache-2.0").returncode == 0
