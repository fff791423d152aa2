"""Custom weights, for example from a training, are converted to IR."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from fakes.command import (
    assert_quiet_success,
    assert_success,
    misuse,
    omz_tool,
    posezoo,
    printed,
    printed_alone,
    refusal,
    refusal_alone,
)
from fakes.when_used import import_when_used
from fakes.zoo import declared_file, model_yml, write_model

import_when_used("torch")
pytestmark = pytest.mark.usefixtures("pytorch_here")

NETWORK = "mobile_pose_mobilenetv3_small"
FP32 = ("--precisions", "FP32", "-q")


@pytest.fixture(scope="module")
def checkpoint(shared):
    return shared / "data" / "checkpoints" / f"{NETWORK}.params"


@pytest.fixture(scope="module")
def converted(checkpoint, tmp_path_factory):
    """A folder with the IR of a checkpoint under the network's name, and the output of the command."""
    folder = tmp_path_factory.mktemp("own")
    return folder, posezoo(
        "convert",
        "--network",
        NETWORK,
        "--checkpoint",
        checkpoint,
        "-o",
        folder,
        *FP32,
    )


@pytest.fixture
def other(tmp_path):
    """Another checkpoint of the same network."""
    import torch

    from posezoo import networks

    torch.save(networks.build_network(NETWORK).state_dict(), tmp_path / "other.pth")
    return tmp_path / "other.pth"


def test_a_network_and_a_checkpoint_are_converted(converted):
    folder, ended = converted
    place = folder / "public" / NETWORK
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        0,
        f"{place}/FP32/{NETWORK}.xml\n",
        "",
    )
    names = ["FP32", "README.md", "card.json", "provenance.json"]
    assert sorted(path.name for path in place.iterdir()) == names
    card = (place / "README.md").read_text("utf-8")
    assert "posezoo download" not in card
    assert "PyTorch" in card
    (made,) = json.loads((place / "card.json").read_text("utf-8"))["made"]
    assert made["mparams"] == pytest.approx(numbers_of_the_network() / 1e6, rel=1e-3)


def numbers_of_the_network():
    """Weights and biases; of a normalization, which disappears in the convolution before it, the bias."""
    from posezoo import networks

    state = networks.build_network(NETWORK).state_dict()
    means = {key.removesuffix("running_mean") for key in state if key.endswith("running_mean")}
    folded = {
        f"{mean}{word}"
        for mean in means
        for word in ("weight", "running_mean", "running_var", "num_batches_tracked")
    }
    return sum(tensor.numel() for key, tensor in state.items() if key not in folded)


def test_the_self_check_of_own_weights_can_be_strict_or_off(checkpoint, tmp_path):
    ours = ("--network", NETWORK, "--checkpoint", checkpoint, "-o", tmp_path, *FP32)
    record = tmp_path / "public" / NETWORK / "FP32" / "provenance.json"
    unchecked = "cannot be compared with its original, because --self_check off was given"
    for proof, flags, warning in (
        ("cannot be compared", ("--self_check", "off"), f"warning: {NETWORK}: {unchecked}\n"),
        ("equal", ("--require_proof",), ""),
    ):
        ended = posezoo("convert", *ours, "--force", *flags)
        assert (ended.returncode, ended.stderr) == (0, warning)
        assert json.loads(record.read_text())["self_check"]["proof"] == proof


def test_the_ir_of_other_weights_is_replaced_only_with_force(converted, other):
    folder, _ = converted
    ours = ("convert", "--network", NETWORK, "--checkpoint", other, "-o", folder, *FP32)
    refused = refusal_alone(posezoo(*ours))
    assert f"{NETWORK}.xml: is the IR of another checkpoint" in refused
    assert "--model_name" in refused
    planned = posezoo(*ours, "--model_name", "mine", "--dry_run")
    path = f"{folder}/public/mine/FP32/mine.xml"
    last = planned.stdout.splitlines()[-1]
    assert last == f"mine: would convert to FP32, since it does not exist yet: {path}"
    planned = posezoo(*ours, "--force", "--dry_run")
    assert "would convert to FP32, since it was requested" in planned.stdout


@pytest.mark.parametrize("verb", ["get", "convert"])
def test_published_weights_replace_custom_ones_only_with_force(converted, verb):
    folder, _ = converted
    xml = folder / "public" / NETWORK / "FP32" / f"{NETWORK}.xml"
    before = xml.read_bytes()
    for dry in ((), ("--dry_run",)):
        refused = refusal_alone(posezoo(verb, NETWORK, "-o", folder, *FP32, *dry))
        assert f"error: {xml}: is the IR of another checkpoint\n" in refused
        assert "--force replaces it" in refused
    assert xml.read_bytes() == before
    forced = posezoo(verb, NETWORK, "-o", folder, *FP32, "--force", "--dry_run")
    if verb == "get":
        assert f"{NETWORK}: would convert to FP32, since it was requested: {xml}" in forced.stdout
    else:
        assert "does not exist\n  hint: posezoo download" in forced.stderr


@pytest.fixture
def zoo(tmp_path, checkpoint):
    """A registry with one model, whose published file is the checkpoint; it was not downloaded."""
    write_model(
        tmp_path / "models",
        "small",
        model_yml(
            framework="pytorch",
            files=[declared_file(checkpoint)],
            network={"name": NETWORK},
            checkpoint=checkpoint.name,
            inputs=[
                {
                    "name": "data",
                    "shape": [1, 3, 256, 192],
                    "layout": "NCHW",
                    "color": "RGB",
                    "reverse_input_channels": True,
                    "mean": [123.675, 116.28, 103.53],
                    "scale": [58.395, 57.12, 57.375],
                }
            ],
            outputs=[{"name": "heatmaps", "shape": [1, 17, 64, 48]}],
            decoder={"name": "heatmap"},
            skeleton="coco-17",
        ),
    )
    return tmp_path / "models"


def test_a_model_takes_custom_weights_and_a_skeleton_in_both_commands(zoo, checkpoint, tmp_path):
    said = ("--models_dir", zoo, "-o", tmp_path / "ir", "--skeleton", "coco-17", "--dry_run")
    own = ("--checkpoint", checkpoint)
    planned = posezoo("convert", "small", *said, *own)
    assert planned.stdout.endswith(f"{tmp_path}/ir/public/small/FP16/small.xml\n")
    output = printed_alone(omz_tool("converter", "--name", "small", *said, *own))
    assert f"{tmp_path}/ir/public/small/FP32/small.xml" in output

    ended = posezoo("convert", "small", *said)
    assert "--skeleton: only for an .xml or .onnx or weights of your own" in misuse(ended)
    ended = omz_tool("converter", "--name", "small", *said)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
        2,
        "converter.py: error: --skeleton requires --checkpoint",
    )


def test_the_published_model_runs_as_before_after_own_weights_were_evaluated(
    zoo, other, shared, tmp_path
):
    pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")
    photos = shared / "data" / "photos"
    data = ("--annotations", photos / "person_keypoints.json", "--images", photos, "--limit", 1)
    own = ("--models_dir", zoo, "--checkpoint", other, "--boxes", "truth")

    def run_published(cache):
        out = ("-i", photos / "000000000785.jpg", "-o", tmp_path / cache.name / "out")
        ended = posezoo(
            "run",
            "small",
            "--models_dir",
            zoo,
            "--detector",
            "none",
            *out,
            XDG_CACHE_HOME=str(cache),
        )
        assert_success(ended)
        images = json.loads((tmp_path / cache.name / "out" / "poses.json").read_text())["images"]
        return [image["poses"] for image in images]

    cache = tmp_path / "cache"
    for times in (1, 0):  # the second time, the IR is up to date
        ended = posezoo("evaluate", "small", *own, *data, XDG_CACHE_HOME=str(cache))
        assert_success(ended)
        assert ended.stderr.count("small: converted") == times
    apart = Path("checkpoints", hashlib.sha384(other.read_bytes()).hexdigest()[:16])
    assert (cache / "posezoo" / "models" / apart / "public/small/FP16/small.xml").is_file()
    assert (cache / "posezoo" / "evaluations" / apart / "FP16" / "results.json").is_file()
    assert not (cache / "posezoo" / "models" / "public").exists()
    assert run_published(cache) == run_published(tmp_path / "fresh")


def test_open_model_zoos_converter_converts_custom_weights(zoo, checkpoint, tmp_path):
    assert_quiet_success(omz_tool(
        "converter", "--name=small", f"--models_dir={zoo}", f"-o={tmp_path}/ir", "--precisions=FP16",
        f"--checkpoint={checkpoint}", "--dynamic",
    ))  # fmt: skip
    assert (tmp_path / "ir" / "public" / "small" / "FP16" / "small.bin").is_file()
    card = (tmp_path / "ir" / "public" / "small" / "README.md").read_text("utf-8")
    assert "Name: `data`, shape: `1, 3, any, any`" in card
    assert "256, 192" not in card


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--network", NETWORK), "--network requires --checkpoint"),
        (("small", "--model_name", "mine"), "--model_name: only for weights of your own"),
        (("small", "--network", NETWORK, "--checkpoint", "x.pth"), "without a model"),
        (("small", "other", "--checkpoint", "x.pth"), "requires one model"),
        (("--all", "--checkpoint", "x.pth"), "either --all or --checkpoint"),
    ],
)
def test_incompatible_flags_are_wrong_usage(args, said):
    assert said in misuse(posezoo("convert", *args))


def test_onnx_of_other_weights_is_replaced_only_with_force(checkpoint, other, tmp_path):
    ours = ("convert", "--network", NETWORK, "--onnx_only")
    here = ("-o", tmp_path)
    first = posezoo(*ours, "--checkpoint", checkpoint, *here)
    onnx = tmp_path / "public" / NETWORK / f"{NETWORK}.onnx"
    before = onnx.read_bytes()
    assert posezoo(*ours, "--checkpoint", checkpoint, *here).stdout == first.stdout
    refused = refusal_alone(posezoo(*ours, "--checkpoint", other, *here))
    assert f"error: {onnx}: exists already, with other content\n  hint: use --model_name" in refused
    assert onnx.read_bytes() == before
    assert posezoo(*ours, "--checkpoint", other, *here, "--force").stdout == first.stdout
    assert onnx.read_bytes() != before


def test_a_saved_object_is_refused_with_the_line_that_saves_its_weights(tmp_path):
    import torch

    torch.save(torch.nn.Sequential(torch.nn.ReLU()), tmp_path / "net.pth")
    ours = ("convert", "--network", NETWORK, "--checkpoint", tmp_path / "net.pth", *FP32)
    error = refusal_alone(posezoo(*ours, "-o", tmp_path / "out"))
    assert "net.pth: contains no named tensors, but refers to 'torch.nn.modules" in error
    assert (
        "hint: save only the weights where the network is: torch.save(net.state_dict(), FILE)"
        in error
    )


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    """Weights of twelve keypoints, which only one network reads."""
    import torch

    from posezoo import networks

    path = tmp_path_factory.mktemp("twelve") / "twelve.pth"
    torch.save(networks.build_network(NETWORK, keypoints=12).state_dict(), path)
    return path


def test_a_checkpoint_alone_is_converted_for_the_only_network_that_reads_it(twelve, tmp_path):
    named = ("--model_name", "limbs", "-o", tmp_path)
    output = printed(posezoo("convert", twelve, *named, *FP32, "--dry_run"))
    path = f"{tmp_path}/public/limbs/FP32/limbs.xml"
    last = output.splitlines()[-1]
    assert last == f"limbs: would convert to FP32, since it does not exist yet: {path}"
    missing = refusal(posezoo("convert", tmp_path / "none.pth"))
    assert f"error: {tmp_path / 'none.pth'}: no such file" in missing


def test_network_takes_a_model_of_the_zoo(twelve):
    output = printed(
        posezoo("convert", "--network", "hrnet-w32", "--checkpoint", twelve, "--dry_run")
    )
    assert "hrnet-w32: would convert to FP32" in output


def name_of(checkpoint):
    """The name that a checkpoint has as a model."""
    digest = hashlib.sha384(checkpoint.read_bytes()).hexdigest()
    return f"{checkpoint.stem}-{digest[:8]}"


def test_verbs_that_describe_models_take_a_checkpoint(twelve):
    described = printed(posezoo("info", twelve, "--format", "json"))
    (facts,) = json.loads(described)
    assert facts["name"] == name_of(twelve)
    assert facts["network"]["name"] == NETWORK
    assert facts["network"]["arguments"] == {"keypoints": 12}
    assert facts["outputs"][0]["shape"] == [1, 12, 64, 48]
    assert facts["registry"] is None
    for words in (("card", twelve), ("get", twelve, "--dry_run")):
        assert name_of(twelve) in printed(posezoo(*words))


def test_verbs_that_make_and_measure_ir_take_a_checkpoint(twelve, tmp_path):
    place = ("--weights_dir", tmp_path / "models")
    got = posezoo("get", twelve, *place, *FP32)
    assert_success(got)
    xml = tmp_path / "models" / "public" / name_of(twelve) / "FP32" / f"{name_of(twelve)}.xml"
    assert got.stdout == f"{xml}\n"
    assert "12 keypoints are only numbered" in got.stderr
    before = twelve.read_bytes()
    target = ("--to", "folder", tmp_path / "out", "--detector", "none")
    exported = posezoo("export", twelve, *target, *place)
    assert_success(exported)
    assert (tmp_path / "out" / name_of(twelve) / f"{name_of(twelve)}.xml").is_file()
    measured = printed(posezoo("benchmark", twelve, "--seconds", 0.01, *place, "--format", "json"))
    (row,) = json.loads(measured)["measurements"]
    assert row["model"] == name_of(twelve)
    assert twelve.read_bytes() == before


def test_a_checkpoint_that_no_network_reads_is_refused_by_all_verbs(tmp_path):
    import torch

    torch.save(torch.nn.Linear(3, 3).state_dict(), tmp_path / "line.pth")
    for verb in (
        ("info",),
        ("get", "--dry_run"),
        ("get",),
        ("export", "--to", "folder", tmp_path / "out"),
    ):
        error = refusal_alone(posezoo(*verb, tmp_path / "line.pth"))
        assert "line.pth: no network of the zoo reads it" in error


def test_a_number_of_keypoints_of_ones_own_is_asked_for_where_it_belongs(twelve, tmp_path):
    fields = {
        "framework": "pytorch",
        "network": {"name": NETWORK},
        "checkpoint": "twelve.pth",
        "files": [declared_file(twelve)],
        "decoder": {"name": "heatmap", "convention": "gluoncv_validation"},
        "skeleton": "limbs",
        "inputs": [{"name": "data", "shape": [1, 3, 256, 192], "layout": "NCHW", "color": "RGB"}],
        "outputs": [{"name": "heatmaps", "shape": [1, 12, 64, 48], "layout": "NCHW"}],
    }
    registry = tmp_path / "models"
    (tmp_path / "models" / "skeletons").mkdir(parents=True)
    names = ", ".join(f"joint_{number}" for number in range(12))
    (registry / "skeletons" / "limbs.yml").write_text(f"keypoints: [{names}]\n")
    write_model(registry, "mine", model_yml(**fields))
    chosen = ("mine", "--models_dir", registry, "-o", tmp_path / "out")
    refused = refusal(posezoo("get", *chosen, *FP32))
    line = f"network: {{name: {NETWORK}, keypoints: 12}}"
    assert f"hint: if the network finds 12, say so in model.yml: {line}" in refused
    fields["network"] = {"name": NETWORK, "keypoints": 12}
    write_model(registry, "mine", model_yml(**fields))
    for verb in (("download",), ("convert", "--onnx_only")):
        right = posezoo(*verb, *chosen)
        assert_success(right)


def test_a_folder_with_an_ir_in_place_of_a_model_is_answered_with_the_ir(tmp_path):
    for name in ("FP16/net.xml", "FP16/net.bin"):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    for verb in ("run", "info", "get", "benchmark"):
        error = refusal_alone(posezoo(verb, "mine", cwd=tmp_path))
        assert "error: mine: is a folder, not a model" in error
        assert "hint: name an IR in it: mine/FP16/net.xml" in error
    (tmp_path / "mine" / "FP16" / "net.bin").unlink()
    ended = posezoo("info", "mine", cwd=tmp_path)
    assert "no model is called 'mine'" in ended.stderr


@pytest.mark.parametrize("words", [("run", "--quiet"), ("convert",), ("benchmark",)])
def test_a_checkpoint_of_mmpose_leads_to_mmdeploy_also_without_torch(words, tmp_path, monkeypatch):
    import torch

    from fakes.rtmpose import RTMPose

    state = RTMPose("t").state_dict()
    tuned = {"meta": {"mmengine_version": "0.10.7", "epoch": 3}, "state_dict": state}
    torch.save(tuned, tmp_path / "best.pth")
    monkeypatch.setitem(sys.modules, "torch", None)
    error = refusal(posezoo(*words, tmp_path / "best.pth", cwd=tmp_path))
    assert "best.pth: is a checkpoint of MMPose" in error
    assert "tools/deploy.py" in error and "--as rtmpose-m" in error
