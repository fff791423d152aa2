"""posezoo new: from an address to a model that is converted, by the commands of CONTRIBUTING."""

import hashlib
import json
import os
import random
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from fakes.command import json_of, posezoo, refusal, succeeded
from fakes.exports import write_network
from fakes.graph_models import constant, graph_model, node, placeholder, weight
from fakes.network import HEIGHT, WIDTH, network
from fakes.npm import PACKAGE, VERSION, integrity, make_split_tarball, make_tarball, serve_registry
from fakes.server import Server
from fakes.zoo import model_yml, write_model

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def zoo(tmp_path):
    """A registry with one model."""
    write_model(tmp_path / "models", "old-pose", model_yml())
    return tmp_path


def run(zoo, *words, **environ):
    places = ("--models_dir", zoo / "models", "-o", zoo / "out", "--cache_dir", zoo / "cache")
    return posezoo(*words, *places, cwd=zoo, **environ)


def new(zoo, *words, **environ):
    return run(zoo, "new", *words, **environ)


def draft(zoo, *addresses, name="my-pose", **environ):
    """A draft of a model with MIT's license."""
    return succeeded(new(zoo, name, "--from", *addresses, "--license", "MIT", **environ))


def model_of(zoo, name="my-pose", family="public"):
    return zoo / "models" / family / name / "model.yml"


@pytest.mark.parametrize("kind", ["onnx", "tflite", "pb"])
def test_size_digest_inputs_and_outputs_come_from_the_file(zoo, server, kind):
    content = network(kind)
    address = server.serve(f"weights/my-pose.{kind}", content)
    ended = draft(zoo, address)
    assert ended.stdout.splitlines()[0] == str(model_of(zoo))
    written = yaml.safe_load(model_of(zoo).read_text())
    (file,) = written["files"]
    assert (file["size"], file["source"]) == (len(content), address)
    assert file["checksum"] == hashlib.sha384(content).hexdigest()
    (image,) = written["inputs"]
    assert sorted(image["shape"]) == sorted([1, 3, HEIGHT, WIDTH])
    assert image["layout"] == ("NCHW" if kind == "onnx" else "NHWC")
    assert {each["name"] for each in written["outputs"]} == {"heatmaps", "pafs"}
    assert written["framework"] == {"onnx": "onnx", "tflite": "tflite", "pb": "tf"}[kind]
    assert "# color: RGB" in model_of(zoo).read_text()


@pytest.fixture
def twelve(tmp_path):
    """Weights of one of posezoo's networks, trained for twelve keypoints."""
    torch = pytest.importorskip("torch", reason="needs torch")
    from posezoo.networks import build_network

    path = tmp_path / "twelve.pth"
    torch.save(build_network("mobile_pose_mobilenetv3_small", keypoints=12).state_dict(), path)
    return path


def test_a_draft_of_a_checkpoint_has_all_that_run_finds_in_it(zoo, twelve):
    ended = draft(zoo, twelve, name="mine")
    written = yaml.safe_load(model_of(zoo, "mine").read_text())
    content = twelve.read_bytes()
    (file,) = written["files"]
    assert file["size"] == len(content)
    assert file["checksum"] == hashlib.sha384(content).hexdigest()
    assert written["network"] == {"name": "mobile_pose_mobilenetv3_small", "keypoints": 12}
    assert written["checkpoint"] == "twelve.pth"
    (image,) = written["inputs"]
    assert (image["shape"], image["layout"], image["color"]) == ([1, 3, 256, 192], "NCHW", "RGB")
    (heatmaps,) = written["outputs"]
    assert heatmaps == {"name": "heatmaps", "shape": [1, 12, 64, 48], "role": "heatmaps"}
    assert written["decoder"] == {"name": "heatmap", "convention": "gluoncv_validation"}
    assert written["skeleton"] == "keypoints-12"
    assert "network and checkpoint" not in ended.stdout
    assert "skeleton: what its 12 keypoints are" in ended.stdout


def test_a_draft_of_a_checkpoint_is_converted(zoo, twelve):
    draft(zoo, twelve, name="mine")
    converted = succeeded(run(zoo, "get", "mine", "--precisions", "FP32"))
    assert "converted, checked" in converted.stderr


def test_a_draft_of_a_foreign_checkpoint_says_that_no_network_reads_it(zoo, tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch")
    torch.save(torch.nn.Linear(3, 3).state_dict(), tmp_path / "line.ckpt")
    ended = draft(zoo, tmp_path / "line.ckpt", name="mine")
    assert "no network of the zoo reads it" in ended.stderr
    assert "network and checkpoint: which of posezoo's networks" in ended.stdout
    assert "# network: {name: ...}" in model_of(zoo, "mine").read_text()


def test_a_member_of_an_npm_package_is_drafted_with_the_digest_of_its_tarball(
    zoo, server, monkeypatch
):
    tarball = make_tarball({"models/net.onnx": network("onnx")})
    monkeypatch.setenv("npm_config_registry", serve_registry(server, tarball))
    address = f"npm:{PACKAGE}@{VERSION}/package/models/net.onnx"
    draft(zoo, address)
    (file,) = yaml.safe_load(model_of(zoo).read_text())["files"]
    assert (file["name"], file["size"]) == ("net.onnx", len(network("onnx")))
    assert file["source"] == {
        "$type": "npm_package",
        "package": PACKAGE,
        "version": VERSION,
        "integrity": integrity(tarball),
        "member": "package/models/net.onnx",
    }
    succeeded(run(zoo, "get", "my-pose", "--precisions", "FP16"))
    assert f"no version 9.9.9 of {PACKAGE}" in refusal(
        new(zoo, "other", "--from", f"npm:{PACKAGE}@9.9.9/package/a.onnx", "--license", "MIT")
    )


def test_a_draft_from_npm_says_where_its_part_of_the_tarball_is(zoo, server, monkeypatch):
    pytest.importorskip("indexed_gzip")
    dice = random.Random(7)
    others = {f"{place}.bin": dice.randbytes(900_000) for place in ("before", "after")}
    members = {"before.bin": others["before.bin"], "net.onnx": network("onnx"), **others}
    tarball, _ = make_split_tarball(members)
    monkeypatch.setenv("npm_config_registry", serve_registry(server, tarball))
    address = f"npm:{PACKAGE}@{VERSION}/package/net.onnx"
    assert "tarball" not in draft(zoo, address).stderr

    server.requests.clear()
    shutil.rmtree(zoo / "cache")
    shutil.rmtree(zoo / "out")
    succeeded(run(zoo, "download", "my-pose"))
    (asked,) = (each for each in server.requests if each.path.endswith(".tgz"))
    first, last = map(int, asked.headers["Range"].removeprefix("bytes=").split("-"))
    assert last - first < 200_000

    monkeypatch.setitem(sys.modules, "indexed_gzip", None)
    other = draft(zoo, address, name="other")
    assert "other: users will download its whole npm tarball" in other.stderr


def test_a_graph_model_of_tensorflow_js_is_drafted_and_converted(zoo, server):
    """Its weights may be named first; the IR has the names of its signature."""
    halves = weight("slope", np.float16([0.25, -2, 1]))
    nodes = [
        placeholder(-1, HEIGHT, WIDTH, 3),
        constant("slope"),
        node("out", "Prelu", "image", "slope"),
    ]
    model, shards = graph_model(nodes, [halves], {"heatmaps": "out:0"})
    ((shard, content),) = shards.items()
    addresses = [
        server.serve(shard, content),
        server.serve("model.json", json.dumps(model).encode()),
    ]
    draft(zoo, *addresses)
    written = yaml.safe_load(model_of(zoo).read_text())
    assert [file["name"] for file in written["files"]] == ["model.json", shard]
    assert (written["framework"], written["inputs"][0]["shape"]) == ("tf", [-1, HEIGHT, WIDTH, 3])
    assert [(each["name"], each["shape"]) for each in written["outputs"]] == [
        ("out", [-1, HEIGHT, WIDTH, 3])
    ]
    got = succeeded(run(zoo, "get", "my-pose", "--precisions", "FP16"))
    assert Path(got.stdout.strip()).stat().st_size > 0


def test_the_commands_of_contributing_lead_from_an_address_to_an_ir(zoo, server):
    """CONTRIBUTING's commands unchanged, with edits of model.yml between them."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    draft, verify, get, record, docs = page.split("```sh\n")[1].split("```")[0].splitlines()
    assert docs == "make docs"
    address = server.serve("my-pose.onnx", network("onnx"))
    drafted = succeeded(as_written(zoo, draft.replace("https://host/my-pose.onnx", address)))
    assert "left to fill in:" in drafted.stdout
    unfinished = as_written(zoo, f"{verify} --format json")
    rules = {finding["rule"] for finding in json_of(unfinished)["findings"]}
    assert rules == {"placeholder", "license-text", "safe-sources"}

    path = model_of(zoo)
    text = path.read_text()
    todo = "TODO: what it does, in a sentence or two; cards show it as it is."
    text = text.replace(todo, "Finds two keypoints.")
    for key in ("color", "reverse_input_channels", "mean", "scale"):
        text = text.replace(f"# {key}:", f"{key}:")
    path.write_text(text)
    (zoo / "licenses" / "MIT-my-pose.txt").write_text(
        "Copyright (c) 2026 Me\n\nPermission is granted.\n"
    )
    findings = json_of(as_written(zoo, f"{verify} --format json"))["findings"]
    # This test's server has no certificate.
    assert [finding["rule"] for finding in findings] == ["safe-sources"]

    got = succeeded(as_written(zoo, get))
    assert Path(got.stdout.split()[0]).is_file()
    # The file that was downloaded for the draft is used again.
    assert server.asked("my-pose.onnx") == 1
    succeeded(as_written(zoo, record))
    assert "gflops" in path.with_name("measured.yml").read_text()


def as_written(zoo, line):
    """Run a command of a page with this registry."""
    places = {"MODELS_DIR": zoo / "models", "OUTPUT_DIR": zoo / "out", "CACHE_DIR": zoo / "cache"}
    environ = {f"POSEZOO_{name}": str(value) for name, value in places.items()}
    command, *words = shlex.split(line)
    assert command == "posezoo"
    return posezoo(*words, cwd=zoo, **environ)


@pytest.mark.parametrize("stem", ["my-ir", "published_v2"])
def test_the_files_of_an_ir_are_named_below_their_precision_by_the_model(zoo, server, stem):
    from fakes.irs import write_ir

    xml = write_ir(zoo / "FP16" / f"{stem}.xml", {"maps": (1, 5, 8, 12)})
    for suffix in (".xml", ".bin"):
        server.serve(f"FP16/{stem}{suffix}", xml.with_suffix(suffix).read_bytes())
    addresses = [server.url(f"FP16/{stem}{suffix}") for suffix in (".xml", ".bin")]
    succeeded(new(zoo, "my-ir", "--from", *addresses, "--license", "Apache-2.0"))
    written = yaml.safe_load(model_of(zoo, "my-ir").read_text())
    assert [each["name"] for each in written["files"]] == ["FP16/my-ir.xml", "FP16/my-ir.bin"]
    assert written["outputs"] == [{"name": "maps", "shape": [1, 5, 8, 12]}]
    assert written["framework"] == "dldt"


def test_a_license_text_is_copied_and_not_left_to_fill_in(zoo, server):
    terms = zoo / "LICENSE"
    terms.write_text("Copyright (c) 2026 Me\n\nThe terms.\n")
    address = server.serve("my-pose.onnx", network("onnx"))
    words = ("--license", "MIT", "--license_text", terms, "--format", "json")
    ended = new(zoo, "my-pose", "--from", address, *words)
    copied = zoo / "models" / "licenses" / "MIT-my-pose.txt"
    assert copied.read_text() == terms.read_text()
    assert not any("license text" in line for line in json_of(ended)["left_to_fill_in"])


def test_a_draft_of_heat_maps_has_their_role_and_passes_once_it_is_filled_in(zoo):
    weights = np.zeros((17, 3, 4, 4), np.float32)
    write_network(zoo / "net.onnx", weights)
    (zoo / "LICENSE").write_text("Copyright 2026 The tests\n\nMIT License\n")
    words = ("--from", "net.onnx", "--license", "MIT", "--license_text", "LICENSE")
    succeeded(new(zoo, "my-pose", *words))
    draft = model_of(zoo).read_text("utf-8")
    assert "    role: heatmaps\ndecoder: {name: heatmap}" in draft
    filled = draft.replace(
        "TODO: what it does, in a sentence or two; cards show it as it is.", "A net."
    )
    model_of(zoo).write_text(f"{filled}people: {{photo: whole_image}}\n", "utf-8")
    judged = posezoo("lint", "my-pose", "--models_dir", zoo / "models", cwd=zoo)
    assert "known-model" not in judged.stdout and "role" not in judged.stdout, judged.stdout


def test_posezoos_own_registry_is_not_written_from_elsewhere(zoo):
    assert "is posezoo's own registry\n  hint: name a registry of your own: --models_dir" in (
        refusal(posezoo("new", "my-pose", "--from", "net.onnx", "--license", "MIT", cwd=zoo))
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("old-pose --from {net} --license MIT", "old-pose exists already"),
        ("OLD-pose --from {net} --license MIT", "old-pose exists already"),
        ("../x --from {net} --license MIT", "cannot be the name of a model"),
        ("x --from {net} --license 'MIT License!'", "expected an SPDX identifier"),
        ("x --from {net} --license apache2", "got 'apache2'\n  hint: did you mean Apache-2.0? "),
        ("x --from {net} --license Nonsense", "LicenseRef-NAME stands for terms that SPDX does not"),
        ("x --from {net} --license MIT --task flying", "there is no task_type 'flying'"),
        ("x --from https://host.invalid/ --license MIT", "its suffix is not that of a known model format"),
        ("x --from {net} {net} --license MIT", "two files are called net.onnx"),
        ("x --from {gone} --license MIT", "HTTP 404 Not Found"),
        ("x --from {net} --license MIT --license_text nowhere", "nowhere: no such file"),
        ("x --from {net} --license MIT --license_text {apache}", "is the text of Apache-2.0, not of MIT"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_and_nothing_is_written(zoo, server, words, problem):
    places = {
        "net": server.serve("net.onnx", network("onnx")),
        "gone": server.url("gone.onnx"),
        "apache": shlex.quote(str(ROOT / "licenses" / "Apache-2.0-Intel.txt")),
    }
    said = refusal(new(zoo, *shlex.split(words.format(**places)), "--attempts", "1"))
    assert problem in said
    assert "Traceback" not in said
    assert [path.parent.name for path in (zoo / "models").rglob("model.yml")] == ["old-pose"]


def test_a_missing_registry_is_created(zoo, server):
    address = server.serve("net.onnx", network("onnx"))
    words = ("new", "my-pose", "--from", address, "--license", "MIT", "--models_dir", "mine/zoo")
    ended = posezoo(*words, "-o", zoo / "out", "--dry_run", cwd=zoo)
    assert (ended.returncode, (zoo / "mine").exists()) == (0, False)
    succeeded(posezoo(*words, "-o", zoo / "out", cwd=zoo))
    assert (zoo / "mine" / "zoo" / "public" / "my-pose" / "model.yml").is_file()


def test_a_file_on_this_machine_needs_an_address_for_others(zoo):
    (zoo / "my-pose.onnx").write_bytes(network("onnx"))
    ended = draft(zoo, zoo / "my-pose.onnx")
    assert (
        "  files: my-pose.onnx is on this machine: commit what is small, and give an address for"
        " the others\n" in ended.stdout
    )


@pytest.mark.parametrize("more", [(), ("--dry_run",)])
def test_a_file_at_the_place_of_its_download_is_refused_and_kept(zoo, more):
    source = zoo / "out" / "public" / "my-pose" / "net.onnx"
    source.parent.mkdir(parents=True)
    source.write_bytes(network("onnx"))
    assert f"--from: {source}: is where the download of my-pose would be written" in refusal(
        new(zoo, "my-pose", "--from", source, "--license", "MIT", *more)
    )
    assert source.read_bytes() == network("onnx")
    assert not model_of(zoo).exists()


@pytest.mark.parametrize("place", ["file", "address"])
def test_a_model_that_was_trained_again_gets_digests_and_a_revision_and_keeps_the_rest(
    zoo, server, place
):
    first, second = network("onnx"), network("onnx") + b"\x12\x01x"  # another producer
    (zoo / "one.onnx").write_bytes(first)
    (zoo / "two.onnx").write_bytes(second)
    addresses = (zoo / "one.onnx", zoo / "two.onnx")
    if place == "address":
        addresses = (server.serve("one.onnx", first), server.serve("two.onnx", second))
    draft(zoo, addresses[0])
    before = yaml.safe_load(model_of(zoo).read_text())
    (zoo / ".git").mkdir()
    replaced = succeeded(new(zoo, "my-pose", "--from", addresses[1], "--replace"))
    assert ".gitattributes" in replaced.stdout
    assert (zoo / ".gitattributes").read_text() == "posezoo.lock merge=union\n"
    after = yaml.safe_load(model_of(zoo).read_text())
    (file,) = after["files"]
    source = {"$type": "file", "path": "../../../two.onnx"} if place == "file" else addresses[1]
    assert file == {
        "name": "one.onnx",
        "size": len(second),
        "checksum": hashlib.sha384(second).hexdigest(),
        "source": source,
    }
    assert after == {**before, "revision": 2, "files": [file]}
    assert "# color: RGB" in model_of(zoo).read_text()
    succeeded(run(zoo, "download", "my-pose"))


def test_a_file_stays_if_the_source_of_its_replacement_is_of_another_kind(zoo, server):
    (zoo / "one.onnx").write_bytes(network("onnx"))
    draft(zoo, zoo / "one.onnx")
    before = model_of(zoo).read_text()
    downloaded = zoo / "out" / "public" / "my-pose" / "one.onnx"
    kept = downloaded.read_bytes()
    address = server.serve("two.onnx", network("onnx") + b"\x12\x01x")
    for words in ([], ["--dry_run"]):
        refused = refusal(new(zoo, "my-pose", "--from", address, "--replace", *words))
        assert "files[0].source: the source is of another kind than the address" in refused
        assert downloaded.read_bytes() == kept
    assert server.requests == []
    assert model_of(zoo).read_text() == before


def test_an_ir_with_halves_is_filed_as_fp16(zoo):
    from fakes.irs import write_ir

    xml = write_ir(zoo / "own.xml", {"maps": (1, 5, 8, 12)})
    for precision in ("FP32", "FP16"):
        planned = new(
            zoo, "own", "--from", xml, xml.with_suffix(".bin"), "--license", "MIT", "--dry_run"
        )
        assert f"{precision}/own.bin\n" in planned.stdout
        xml.write_text(xml.read_text().replace('element_type="f32"', 'element_type="f16"'))


def test_a_draft_in_a_repository_says_what_git_should_know(zoo):
    (zoo / ".git").mkdir()
    (zoo / ".gitignore").write_text("models.bak")
    (zoo / "net.onnx").write_bytes(network("onnx"))
    for name in ("my-pose", "other-pose"):
        ended = draft(zoo, zoo / "net.onnx", name=name)
    assert (zoo / ".gitattributes").read_text() == "posezoo.lock merge=union\n"
    assert (zoo / ".gitignore").read_text() == "models.bak\n.posezoo\n"
    assert "git add models/public/other-pose/model.yml net.onnx" in ended.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_if_a_file_of_git_cannot_be_read_nothing_is_written(zoo, kind):
    (zoo / ".git").mkdir()
    ignored = zoo / ".gitignore"
    plant = {"pipe": os.mkfifo, "folder": os.mkdir, "link": ignored.symlink_to}[kind]
    plant(ignored)
    (zoo / "net.onnx").write_bytes(network("onnx"))
    before = sorted(zoo.rglob("*"))
    failed = new(zoo, "my-pose", "--from", zoo / "net.onnx", "--license", "MIT")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: .gitignore: ")
    assert sorted(zoo.rglob("*")) == before
