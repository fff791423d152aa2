"""posezoo prove, in a world in which the publishers' names lead to a server of this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import ssl
from pathlib import Path

import pytest

from fakes.command import posezoo
from fakes.founding import checkpoint_of, serve
from fakes.rtmpose import openmmlab_archive, rtmpose_onnx
from fakes.server import Server
from fakes.tunnel import Tunnel
from fakes.weights import conditioned
from posezoo.measured import load_measurements, read_measured
from posezoo.registry import builtin_models_dir, open_registry
from posezoo.spec.model import ModelSpec, Precision
from posezoo.spec.sources import HttpSource

HOSTS = ("apache-mxnet.s3-accelerate.dualstack.amazonaws.com", "download.01.org",
         "download.openmmlab.com", "huggingface.co", "storage.openvinotoolkit.org")  # fmt: skip
GLUON = "mobile_pose_mobilenetv3_small"
# A model of each published form: with a second source elsewhere, with two on this server, without a checksum.
FORMS = ("higher-hrnet-w32-human-pose-estimation", "single-human-pose-estimation-0001",
         "lightweight-openpose-mobilenet-v1")  # fmt: skip


class World:
    """Publishers behind a proxy, and a checkout whose models are pinned to what they have."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.models = folder / "models"
        self.proof = folder / "proof"

    def publish(self, spec: ModelSpec) -> None:
        checkpoint = checkpoint_of(spec.name, conditioned(spec.network.name))
        serve(spec, checkpoint, self.server, self.models, keeps_hosts=True)

    def publish_rtmpose(self) -> None:
        spec = open_registry().find("rtmpose-t")
        (file,) = spec.files
        onnx = rtmpose_onnx(self.folder, "t", 17, 256, 192)
        archive = openmmlab_archive(spec.checkpoint, onnx)
        path = self.models / "public/rtmpose-t/model.yml"
        path.parent.mkdir(parents=True)
        text = spec.path.read_text("utf-8").replace(f"size: {file.size}", f"size: {len(archive)}")
        text = text.replace(file.checksum.value, hashlib.sha256(archive).hexdigest())
        for digest in file.contains.values():
            text = text.replace(digest.value, hashlib.sha256(onnx).hexdigest())
        path.write_text(text, "utf-8")
        self.server.serve(file.sources[0].url.split("/", 3)[3], archive)

    def run(self, verb: str, *args: object):
        return posezoo(verb, *args, "--models_dir", self.models, "--attempts", 1)

    def prove(self, *args: object):
        return self.run("prove", *args, "--output", self.proof, "--weights_dir",
                        self.folder / "out", "--trust_on_first_use", "--detector", "none",
                        "--lock", self.folder / "posezoo.lock")  # fmt: skip

    def page(self) -> str:
        return (self.proof / "README.md").read_text("utf-8")


@pytest.fixture
def world(tmp_path, monkeypatch):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*HOSTS).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    shutil.copytree(builtin_models_dir().parent / "licenses", tmp_path / "licenses")
    with Server(context) as server, Tunnel(int(server.url().rsplit(":")[-1].strip("/"))) as tunnel:
        monkeypatch.setenv("https_proxy", tunnel.url)
        yield World(tmp_path, server)
    shutil.rmtree(tmp_path)  # a gigabyte, of the largest


def test_models_are_proven_from_their_publishers_and_completed(world):
    shipped = open_registry().find(GLUON)
    world.publish(shipped)
    world.publish_rtmpose()
    ended = world.prove("--all", "--format", "json")
    assert ended.returncode == 1, ended.stdout + ended.stderr  # Hugging Face has no copy
    reports = {model["name"]: model for model in json.loads(ended.stdout)["models"]}
    assert set(reports) == {GLUON, "rtmpose-t"}
    assert reports[GLUON]["bad_sources"] == [] and reports[GLUON]["irs"] == ["FP32", "FP16"]
    assert "huggingface.co" in reports["rtmpose-t"]["bad_sources"][0]
    assert "| rtmpose-t | 1 of 2 | 0 | FP32, FP16 |" in world.page()
    assert (world.proof / f"{GLUON}.jpg").stat().st_size > 5000

    spec = open_registry((world.models,)).find(GLUON)
    assert reports[GLUON]["completed"] == [spec.files[0].name]
    (archive,) = (each.body for path, each in world.server.answers.items() if GLUON in path)
    assert spec.files[0].size == len(archive)
    assert spec.files[0].checksum.value == hashlib.sha384(archive).hexdigest()
    counted = read_measured(spec.path.with_name("measured.yml"))
    assert counted[0].figures == load_measurements(shipped)[0].figures
    # A stranger needs no trust any more.
    ended = world.run("get", GLUON, "--weights_dir", world.folder / "elsewhere")
    assert ended.returncode == 0, ended.stderr


def test_a_run_continues_where_an_earlier_one_failed_and_asks_nobody_twice(world):
    other = open_registry().find("mobile_pose_mobilenet1.0")
    world.publish(open_registry().find(GLUON))
    world.publish(other)
    address = next(path for path in world.server.answers if other.name in path)
    answer = world.server.answers.pop(address)
    ended = world.prove("--all")
    assert ended.returncode == 1
    assert f"**{other.name}** failed: " in world.page() and f"| {GLUON} |" in world.page()
    world.server.answers[address] = answer
    before = len(world.server.requests)
    ended = world.prove("--all")
    assert ended.returncode == 0, ended.stderr
    assert {request.path for request in world.server.requests[before:]} == {address}
    assert "failed" not in world.page() and f"| {other.name} | 1 of 1 | 1 |" in world.page()
    before = len(world.server.requests)
    assert world.prove("--all").returncode == 0
    assert len(world.server.requests) == before
    assert world.prove(GLUON, "--fresh").returncode == 0
    assert len(world.server.requests) > before


def test_the_ap_of_annotated_images_is_recorded(world, mirror, shared):
    shutil.copytree(
        builtin_models_dir() / "public/tf-pose-mobilenet-v2-small",
        world.models / "public/tf-pose-mobilenet-v2-small",
    )
    measured = world.models / "public/tf-pose-mobilenet-v2-small/measured.yml"
    expected = read_measured(measured)
    measured.unlink()
    photos = shared / "data/photos"
    images = ("--annotations", photos / "person_keypoints.json", "--images", photos)
    ended = world.prove(
        "tf-pose-mobilenet-v2-small", "--mirror", mirror, *images, "--format", "json"
    )
    assert ended.returncode == 1, ended.stderr  # its publisher is not in this world
    (report,) = json.loads(ended.stdout)["models"]
    (stated,) = (
        each for each in expected if each.kind == "accuracy" and each.precision is Precision.FP16
    )
    assert report["AP"] == pytest.approx(stated.figures["AP"], abs=0.02)
    assert report["found"] == [1, 1]
    recorded = {each.kind for each in read_measured(measured)}
    assert recorded == {"complexity", "accuracy"}


def test_a_dry_run_asks_nobody_and_an_installed_registry_is_refused(world, monkeypatch):
    world.publish(open_registry().find(GLUON))
    ended = world.prove("--all", "--dry_run")
    assert ended.returncode == 0 and "would download" in ended.stdout
    assert world.server.requests == [] and not world.proof.exists()
    from posezoo.pipeline import complexity_count

    monkeypatch.setattr(complexity_count, "_PACKAGE_FOLDER", world.folder)
    ended = world.prove(GLUON)
    assert ended.returncode == 1 and "part of an installed package" in ended.stderr
    assert world.server.requests == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_each_form_of_published_files_is_proven(world, name):
    spec = open_registry().find(name)
    world.publish(spec)
    ended = world.prove(spec.full_name)
    has_other_source = not all(isinstance(each, HttpSource) for each in spec.files[0].sources)
    assert ended.returncode == int(has_other_source), ended.stdout + ended.stderr
    assert ("a source fails" in ended.stderr) == has_other_source
    assert f"| {spec.full_name} | " in world.page()
    completed = open_registry((world.models,)).find(spec.full_name).files[0]
    assert completed.size and not completed.is_weakly_pinned
