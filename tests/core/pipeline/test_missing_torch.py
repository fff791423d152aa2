"""A model that is converted by PyTorch: its users learn before a download that PyTorch is missing."""

import sys

import pytest

from fakes.command import posezoo, printed, refusal

MODEL = "mobile_pose_mobilenetv3_small"
CPU = "--extra-index-url https://download.pytorch.org/whl/cpu"


@pytest.fixture(autouse=True)
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("posezoo.core.install_commands.pip_command", lambda: "pip")


def test_the_plan_names_the_command_for_the_build_without_cuda(tmp_path):
    dry = posezoo("get", MODEL, "--weights_dir", tmp_path, "--trust_on_first_use", "--dry_run")
    assert dry.returncode == 1
    (line,) = [line for line in dry.stdout.splitlines() if "torch is not" in line]
    lacks = "torch is not installed, which the conversion needs: pip install"
    assert line.startswith(f"{MODEL}: {lacks}")
    assert CPU in line and line.endswith("[torch]'")
    assert "would download" in dry.stdout


def test_nothing_is_downloaded(tmp_path):
    error = refusal(posezoo("get", MODEL, "--weights_dir", tmp_path, "--trust_on_first_use"))
    problem, hint = error.splitlines()[-2:]
    assert problem.endswith("torch is not installed")
    assert hint.startswith(f"  hint: pip install {CPU} -e ")
    assert not list(tmp_path.rglob("*.params*"))


def test_the_list_marks_the_models_that_need_it_and_puts_them_last():
    lines = printed(posezoo("list")).splitlines()
    names = [line.split()[0] for line in lines]
    assert "[needs the extra torch] " in lines[names.index(MODEL)]
    assert "torch" not in lines[names.index("movenet-thunder")]
    assert names.index(MODEL) > names.index("yolox-tiny-coco")


def test_info_says_what_is_needed():
    assert "  needs: needs the extra torch\n" in printed(posezoo("info", MODEL))
