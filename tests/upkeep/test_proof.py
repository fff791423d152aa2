"""posezoo prove, in a world in which the publishers' names lead to a server of this machine."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from conftest import by_digest
from fakes.checkout import ROOT
from fakes.coco import annotations, person, written
from fakes.command import json_of, read_json, refusal, succeeded
from fakes.founding import assert_ir_is_as_the_original, assert_peaks_are_the_same
from fakes.generated_models import generate
from fakes.own_registry import own_registry
from fakes.publishers import host_of, publishers_of
from fakes.small_coco import HOST, write_archives
from fakes.soak import soak_repeated
from fakes.weights import conditioned
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.declarations.routes import Route, select_route
from posezoo.core.errors import InferenceError
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import builtin_models_dir, open_registry
from posezoo.figures.measured import load_measurements, read_measured

MODELS = own_registry().select(None).models
GLUON = "mobile_pose_mobilenetv3_small"
#: To convert them takes a tenth of the time, in tests of what is the same for all models.
NANO, YOLOX = "rtmdet-nano", "yolox-nano-coco"

BY_NAME = {spec.full_name: spec for spec in MODELS}
#: Without the models that only their authors' code converts, which no test installs.
SMALLEST_FIRST = sorted(
    (spec for spec in MODELS if select_route(spec)[0] is not Route.UPSTREAM_CODE),
    key=lambda spec: sum(file.size or file.max_size or 0 for file in spec.files),
)


def way_of(name):
    """The models of one way have the same kinds of files, and go through the same code."""
    spec = BY_NAME[name]
    sources = {type(source) for file in spec.files for source in file.sources}
    network = spec.network.name.partition("_")[0] if spec.network else ""
    decoder = spec.decoder.name if spec.decoder else ""
    steps = tuple(type(step) for step in spec.postprocessing)
    return spec.framework, network, decoder, steps, frozenset(sources)


#: Their generated weights do not behave as trained ones: half precision changes much.
UNCONDITIONED = {"hrnet", "vitpose"}


@pytest.fixture
def world(tmp_path, monkeypatch):
    hosts = {host_of(source) for spec in MODELS for file in spec.files for source in file.sources}
    with publishers_of(tmp_path, {*hosts, HOST}, monkeypatch) as world:
        yield world
    shutil.rmtree(tmp_path)  # a gigabyte, of the largest


def publish(world, name, mirror=None):
    """Publish a model, and the other parts of its composite."""
    registry = open_registry()
    spec = registry.find(name)
    for part in registry.parts(registry.composite_of(spec)):
        world.publish(part, generate(part, world.folder, mirror))
    return spec


#: A second source of a file.
COPY = f"""
      - $type: huggingface
        repository: somebody/yolox
        file: yolox_nano.onnx
        revision: {"c" * 40}
"""


def test_models_are_proven_from_their_publishers_and_completed(world):
    shipped = publish(world, GLUON)
    path = world.models / publish(world, YOLOX).path.relative_to(builtin_models_dir())
    text = path.read_text("utf-8")
    (source,) = re.findall("source: (.*)\n", text)
    path.write_text(text.replace(f" {source}\n", f"\n      - {source}{COPY}"), "utf-8")
    world.tunnel.dead = {"huggingface.co"}
    ended = world.prove("--all", "--format", "json")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "sources failed: the same command asks only these again" in ended.stderr
    reports = {model["name"]: model for model in json_of(ended)["models"]}
    assert set(reports) == {GLUON, YOLOX}
    assert reports[GLUON]["bad_sources"] == [] and reports[GLUON]["irs"] == ["FP32", "FP16"]
    assert "huggingface.co" in reports[YOLOX]["bad_sources"][0]
    assert f"| {YOLOX} | 1 of 2 | 0 | FP32, FP16 |" in world.page()
    assert (world.proof / f"{GLUON}.jpg").stat().st_size > 5000

    spec = open_registry((world.models,)).find(GLUON)
    assert reports[GLUON]["completed"] == [spec.files[0].name]
    (archive,) = (each.body for path, each in world.server.answers.items() if GLUON in path)
    assert spec.files[0].size == len(archive)
    assert spec.files[0].checksum.value == hashlib.sha384(archive).hexdigest()
    counted = read_measured(spec.path.with_name("measured.yml"))
    assert counted[0].figures == load_measurements(shipped)[0].figures
    # A stranger needs no trust any more.
    succeeded(world.run("download", GLUON, "--weights_dir", world.folder / "elsewhere"))


def test_the_ap_of_annotated_images_is_recorded(world, mirror, shared):
    movenet = "movenet-singlepose-lightning-int8"
    folder = world.models / "public" / movenet
    shutil.copytree(builtin_models_dir() / "public" / movenet, folder)
    measured = folder / "measured.yml"
    expected = read_measured(measured)
    measured.unlink()
    photos = shared / "data/photos"
    images = ("--annotations", photos / "person_keypoints.json", "--images", photos)
    ended = world.prove(movenet, "--mirror", mirror, *images, "--format", "json")
    assert ended.returncode == 1, ended.stderr  # its publisher is not in this world
    (report,) = json_of(ended)["models"]
    (stated,) = (
        each
        for each in expected
        if each.kind == "accuracy"
        and each.precision is Precision.FP16
        and each.settings["people_from"] == "the whole image"
    )
    assert report["AP"] == pytest.approx(stated.figures["AP"], abs=0.02)
    assert report["found"] == [1, 1]
    recorded = {each.kind for each in read_measured(measured)}
    assert recorded == {"complexity", "accuracy"}


#: Real files, whose figures mean something; the second finds people for other models.
POSE, DETECTOR = "movenet-singlepose-lightning-int8", "picodet-s-320-pedestrian"
#: The host has no such file; it has another file; the file is no network.
LOST, CHANGED, BROKEN = GLUON, YOLOX, NANO


def publish_five(world, mirror, of_coco):
    """Publish COCO, two models with their real files, and three that fail; the addresses of the former."""
    registry = open_registry()
    for name in (POSE, DETECTOR):
        spec = registry.find(name)
        files = {
            file.name: by_digest(mirror, file.checksum.value).read_bytes() for file in spec.files
        }
        world.publish(spec, files)
        (world.models / "public" / name / "measured.yml").unlink()
    for name, body in of_coco.items():
        world.server.serve(f"coco/{name}", body)
    good = set(world.server.answers)
    publish(world, LOST)
    world.server.answers = {path: world.server.answers[path] for path in good}
    publish(world, CHANGED)
    for path in world.server.answers.keys() - good:
        world.server.answers[path].body = bytes(len(world.server.answers[path].body))
    spec = registry.find(BROKEN)
    world.publish(spec, {file.name: b"no network" * 1000 for file in spec.files})
    return good


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_one_command_proves_a_zoo_whose_hosts_partly_fail_also_after_kill_9(world, mirror, shared):
    """The rehearsal of `make prove`: three of five models fail, each in its own way."""
    of_coco = write_archives(world.folder, shared / "data/photos", 2)
    good = publish_five(world, mirror, of_coco)
    log = world.folder / "log.jsonl"
    command = [sys.executable, "-m", "fakes.small_coco", world.folder, "prove", "--all"]
    command += ["--models_dir", "models", "--accept_terms", "--coco_home", "coco", "--attempts"]
    command += ["1", "--trust_on_first_use", "--detector", "none", "--log", log]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}

    def prove(killed_at=""):
        """Kill the run when its log has a text; its exit code, what it said, what it asked."""
        before = len(world.server.requests)
        said = world.folder / "said.txt"
        with said.open("w") as file:
            run = subprocess.Popen(
                list(map(str, command)), cwd=world.folder, env=environ, stdout=file, stderr=file
            )
            while killed_at and run.poll() is None:
                if log.exists() and killed_at in log.read_text("utf-8"):
                    run.kill()
                time.sleep(0.02)
            code = run.wait()
        asked = {request.path for request in world.server.requests[before:]}
        return code, said.read_text("utf-8"), asked

    # In the order of their names, the pose model is proven, and the download of the detector has begun.
    code, said, asked = prove(killed_at=f'"model_file_download_begin", "model": "{DETECTOR}"')
    assert code == -signal.SIGKILL, said
    assert "the terms of COCO" in said
    assert asked >= {f"/coco/{name}" for name in of_coco}
    assert "AP" in read_json(world.proof / f"{POSE}.json")
    assert not (world.proof / f"{DETECTOR}.json").exists()

    code, said, asked = prove()
    assert code == 1 and "4 of 5 models to prove" in said, said
    of_pose = {path for path in good if POSE.replace("-", "") in path.replace("-", "")}
    assert not asked & {*of_pose, *(f"/coco/{name}" for name in of_coco)}
    page = world.page()
    assert f"| {POSE} | 1 of 1 |" in page and f"| {DETECTOR} | 2 of 2 |" in page
    for name in (LOST, CHANGED, BROKEN):
        assert f"**{name}** failed: " in page
    assert "HTTP 404 Not Found" in page and "is declared" in page

    events = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert {each["model"] for each in events if each["event"] == "model_work_end"} >= set(
        BY_NAME
    ) & {*(POSE, DETECTOR, LOST, CHANGED, BROKEN)}
    recorded = read_measured(world.models / "public" / POSE / "measured.yml")
    assert {each.kind for each in recorded} == {"complexity", "accuracy"}

    # The disk has what failed, and the detector, which the models that are left may need.
    left = [str(path) for path in (world.proof / "weights").rglob("*") if path.is_file()]
    assert not [path for path in left if POSE in path]
    assert [path for path in left if DETECTOR in path]
    code, said, asked = prove()
    assert code == 1 and "3 of 5 models to prove" in said
    assert not asked & good


def test_the_page_has_no_ap_of_other_annotated_images(world):
    publish(world, NANO)
    (address,) = world.server.answers
    publish(world, YOLOX)
    world.server.answers = {address: world.server.answers[address]}
    path = written(world.folder, annotations(1, [person(1, 1, np.full((17, 3), 2))]))
    images = ("--annotations", path, "--images", world.folder)
    succeeded(world.prove(NANO, *images))
    report = read_json(world.proof / f"{NANO}.json")
    (world.proof / f"{NANO}.json").write_text(json.dumps({**report, "AP": 0.5}))
    refusal(world.prove(YOLOX, *images))
    stated = f"| {NANO} | 1 of 1 | 1 | FP32, FP16 |  | 0.500 |"
    assert stated in world.page()
    refusal(world.prove(YOLOX))
    assert stated in world.page()  # this run names no images
    written(world.folder, annotations(2, [person(1, 1, np.full((17, 3), 2))]))
    refusal(world.prove(YOLOX, *images))
    assert f"| {NANO} | 1 of 1 | 1 | FP32, FP16 |  |  |" in world.page()


def test_the_files_of_proven_models_are_removed_unless_a_folder_is_named_for_them(world):
    publish(world, NANO)
    weights = world.proof / "weights"
    words = ("prove", NANO, "--output", world.proof, "--trust_on_first_use", "--detector", "none")
    succeeded(world.run(*words))
    assert not any(path.is_file() for path in weights.rglob("*"))
    mine = weights / "public" / NANO / "mine.txt"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("my own text")
    succeeded(world.run(*words))
    assert mine.exists()
    succeeded(world.run(*words, "--force", "--weights_dir", "kept"))
    assert [*(world.folder / "kept").rglob("*.xml")]


def test_a_dry_run_only_asks_the_sources_and_an_installed_registry_is_refused(world, monkeypatch):
    publish(world, GLUON)
    ended = world.prove(GLUON, "--dry_run")
    assert "to prove: at most" in ended.stderr
    assert not world.proof.exists() and not (world.folder / "out").exists()
    world.server.requests.clear()
    from posezoo.measure import complexity_count

    monkeypatch.setattr(complexity_count, "_PACKAGE_FOLDER", world.folder)
    assert "part of an installed package" in refusal(world.prove(GLUON))
    assert world.server.requests == []


def test_the_page_has_the_models_of_all_runs_and_no_report_of_another_model_yml(world):
    publish(world, YOLOX)
    publish(world, NANO)
    assert "sources failed" not in succeeded(world.prove(YOLOX)).stderr
    assert f"| {YOLOX} |" in world.page() and NANO not in world.page()
    succeeded(world.prove(NANO))
    assert f"| {YOLOX} |" in world.page() and f"| {NANO} |" in world.page()

    declared = open_registry((world.models,)).find(YOLOX).path
    declared.write_text(declared.read_text("utf-8") + "# changed\n", "utf-8")
    (world.proof / "notes.json").write_text("{}")
    world.server.answers.clear()
    shutil.rmtree(world.folder / "out")
    refusal(world.prove(YOLOX, "--cache_dir", world.folder / "empty"))
    assert f"**{YOLOX}** failed" in world.page() and f"| {YOLOX} |" not in world.page()
    assert f"| {NANO} |" in world.page()
    succeeded(world.prove(NANO))
    assert YOLOX not in world.page()


def test_the_speed_of_a_network_is_that_of_one_image_at_a_time(world, monkeypatch):
    cases = []

    def run_rounds(measured, *_, **__):
        cases.append(measured)
        raise InferenceError("other work disturbs it")

    monkeypatch.setattr("posezoo.upkeep.proof.run_rounds", run_rounds)
    publish(world, NANO)
    assert "other work disturbs it" in succeeded(world.prove(NANO, "--record")).stderr
    assert {case.workload.batch for case in cases} == {1}


def test_a_model_is_proven_again_if_the_annotated_images_are_others(world):
    publish(world, NANO)

    def prove(people, images):
        """The number of requests."""
        before = len(world.server.requests)
        path = written(world.folder, annotations(1, people))
        succeeded(world.prove(NANO, "--annotations", path, "--images", world.folder / images))
        return len(world.server.requests) - before

    one = [person(1, 1, np.full((17, 3), 2))]
    assert prove(one, "photos") > 0
    assert prove(one, "photos") == 0
    assert prove([*one, person(2, 1, np.full((17, 3), 2))], "photos") > 0
    assert prove(one, "others") > 0


def test_a_network_that_only_its_authors_code_builds_is_named_with_the_way_out(world):
    """The page of a run says what is missing."""
    checkpoint = world.folder / "theirs.pth"
    checkpoint.write_bytes(b"a checkpoint")
    decoder = {"name": "heatmap", "convention": "argmax"}
    files = [declared_file(checkpoint)]
    content = model_yml(framework="pytorch", files=files, decoder=decoder, skeleton="coco-17")
    write_model(world.models, "theirs", content)
    said = refusal(world.prove("theirs"))
    assert "its network is defined by its authors' Python code" in said
    assert "posezoo convert FILE.onnx --as theirs" in said
    assert "**theirs** failed" in world.page()


def test_sizes_that_model_yml_leaves_open_are_a_warning(world, npm_mirror):
    spec = publish(world, "tf-pose-mobilenet-v2-small", npm_mirror)
    declared = world.models / "public" / spec.name / "model.yml"
    text = declared.read_text("utf-8")
    without = re.sub(r"\n *usual_size: .*|, usual_size: \[[^]]*\]", "", text)
    assert without != text
    declared.write_text(without, "utf-8")
    ended = succeeded(world.prove(spec.name))
    assert "tf-pose-mobilenet-v2-small: not counted: " in ended.stderr
    assert "its sizes are dynamic" in ended.stderr
    assert f"| {spec.name} | 2 of 2 |" in world.page()


@pytest.mark.parametrize(
    "name",
    soak_repeated([pytest.param(spec.full_name) for spec in SMALLEST_FIRST], way_of),
)
def test_a_model_is_proven_from_all_its_sources(world, name, npm_mirror):
    spec = publish(world, name, npm_mirror)
    (report,) = json_of(succeeded(world.prove(name, "--format", "json")))["models"]
    assert report["sources"] == sum(len(file.sources) for file in spec.files)
    assert report["bad_sources"] == []
    assert report["irs"] == [precision.value for precision in spec.precisions]
    lacking = [file.name for file in spec.files if file.size is None or file.is_weakly_pinned]
    assert report["completed"] == lacking
    completed = open_registry((world.models,)).find(name)
    assert all(file.size and not file.is_weakly_pinned for file in completed.files)
    assert f"| {name}" in world.page()
    if "found" in report:
        assert (world.proof / f"{report['model']}.jpg").stat().st_size > 5000
    if spec.network is not None and spec.network.name not in UNCONDITIONED:
        assert_it_computes_what_its_network_does(spec, world)


def assert_it_computes_what_its_network_does(spec, world):
    out = world.folder / "out"
    assert_ir_is_as_the_original(spec, out)
    if spec.self_check.measure != "max":
        xml = ModelLayout(out, out).ir_path(spec, Precision.FP32)
        assert_peaks_are_the_same(conditioned(spec.network.name), spec, xml)
