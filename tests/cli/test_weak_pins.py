"""Files without a checksum: refused, skipped with --all, accepted with --trust_on_first_use and then compared."""

import json
import sys
from pathlib import Path

import pytest

import posezoo as posezoo_api
from fakes.command import assert_success, posezoo, refusal
from fakes.when_used import needs
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.declarations.model import NetworkChoice
from posezoo.networks.custom_weights import write_random_checkpoint


@pytest.fixture
def zoo(tmp_path):
    """A registry with a model with a checksum and one without, and a working folder."""
    weights = tmp_path / "weights"
    weights.write_bytes(b"weights")
    good = declared_file(weights, name="net.tflite")
    loose = {**good, "size": "unknown", "max_size": 100, "checksum": "unknown"}
    write_model(tmp_path / "models", "able", model_yml(files=[good]))
    write_model(
        tmp_path / "models", "loose", model_yml(files=[loose], license_note="Unclear terms.")
    )
    return tmp_path


def run(zoo, *arguments):
    flags = [
        "--models_dir",
        str(zoo / "models"),
        "-o",
        str(zoo / "out"),
        "--lock",
        str(zoo / "x.lock"),
    ]
    return posezoo(*arguments, *flags)


def test_a_model_without_a_checksum_is_refused_with_a_hint(zoo):
    error = refusal(run(zoo, "download", "loose"))
    assert "error: net.tflite: no checksum" in error
    assert "hint: --trust_on_first_use" in error
    for verb, code in (("download", 0), ("get", 1)):
        planned = run(zoo, verb, "loose", "--dry_run")
        assert planned.returncode == code
        assert "would not download net.tflite: it has no pin" in planned.stdout
    assert_success(run(zoo, "get", "loose", "--dry_run", "--trust_on_first_use"))


def test_the_first_download_is_recorded_and_later_ones_must_match(zoo):
    first = run(zoo, "download", "loose", "--trust_on_first_use")
    assert_success(first)
    assert first.stderr.index("trusted on first use") < first.stderr.index(
        "loose (Apache-2.0, with a note in its card): 1 kB downloaded, verified\n"
    )
    entry = json.loads((zoo / "x.lock").read_text())
    assert (entry["model"], entry["file"], entry["size"], entry["origin"]) == (
        "loose",
        "net.tflite",
        7,
        "first_use",
    )
    assert_success(run(zoo, "download", "--all"))
    checked = run(zoo, "verify", "loose")
    assert "of the first download, weak" in checked.stdout
    forgotten = posezoo(
        "verify", "loose", "--models_dir", str(zoo / "models"), "-o", str(zoo / "out")
    )
    assert forgotten.stdout.endswith(
        f"posezoo download loose --weights_dir {zoo}/out --trust_on_first_use --models_dir {zoo}/models repairs the first\n"
    )
    (zoo / "out" / "public" / "loose" / "net.tflite").unlink()
    (zoo / "weights").write_bytes(b"other!!")
    changed = refusal(posezoo(
        "download", "loose", "--models_dir", str(zoo / "models"), "-o", str(zoo / "out"),
        "--lock", str(zoo / "x.lock"), "--cache_dir", str(zoo / "empty"), "--trust_on_first_use",
    ))  # fmt: skip
    assert "posezoo.lock has SHA-384" in changed


def test_verify_reports_files_without_a_checksum(zoo):
    folder = zoo / "out" / "public" / "loose"
    folder.mkdir(parents=True)
    (folder / "net.tflite").write_bytes(b"weights")
    ended = run(zoo, "verify", "loose")
    assert ended.returncode == 1
    assert ended.stdout.startswith("unknown  loose: net.tflite")


def test_the_lock_is_beside_the_posezoo_cfg_in_use(zoo, monkeypatch):
    from posezoo.core.settings import read_settings

    environ = {"HOME": str(zoo / "home")}
    monkeypatch.chdir(zoo)
    assert read_settings({}, environ)["lock"].value == Path("posezoo.lock")
    config = zoo / "home" / ".config" / "posezoo" / "posezoo.cfg"
    config.parent.mkdir(parents=True)
    config.write_text("[posezoo]\n")
    if sys.platform == "linux":
        assert read_settings({}, environ)["lock"].value == config.with_name("posezoo.lock")
    assert read_settings({"lock": "mine.lock"}, environ)["lock"].value == Path("mine.lock")


def test_trusted_files_are_converted_from_onnx_and_pytorch_too(tmp_path, monkeypatch):
    needs("torch")
    network, weights = NetworkChoice("mobile_pose_mobilenetv3_small"), tmp_path / "weights.pth"
    write_random_checkpoint(network, weights)
    loose = {
        **declared_file(weights),
        "size": "unknown",
        "max_size": 20_000_000,
        "checksum": "unknown",
    }
    ends = {"inputs": None, "outputs": [{"name": "heatmaps", "shape": [1, 17, 64, 48]}]}
    said = {
        "framework": "pytorch",
        "network": {"name": network.name},
        "checkpoint": weights.name,
        **ends,
    }
    write_model(tmp_path / "models", "loose", model_yml(files=[loose], **said))
    monkeypatch.chdir(tmp_path)
    where = {"models_dir": ["models"], "weights_dir": "out"}
    assert posezoo_api.network("loose", trust_on_first_use=True, **where).state_dict()
    assert posezoo_api.network("loose", **where).state_dict()
    (tmp_path / "posezoo.lock").rename(tmp_path / "x.lock")
    ended = run(tmp_path, "convert", "loose", "--onnx_only")
    assert (ended.returncode, ended.stdout) == (0, f"{tmp_path}/out/public/loose/loose.onnx\n"), (
        ended.stderr
    )
