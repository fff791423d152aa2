"""posezoo shims: Open Model Zoo's command names, where old scripts find them."""

import os
import subprocess
from importlib.metadata import version

import pytest

from fakes.command import (
    assert_quiet_success,
    assert_success,
    misuse,
    posezoo,
    posezoo_process,
    printed,
    printed_alone,
    refusal,
    refusal_alone,
    run_process,
)
from posezoo.omz.verbs import shims

#: Without a folder, the commands mean Open Model Zoo's models; in tests, no index has them.
NO_INDEX = (
    "########## Error: the registry omz cannot be read: openvino_dev-2024.6.0-17404-py3-none-any.whl: "
    "package index: no package index or folder of wheels has openvino_dev-2024.6.0-17404-py3-none-any.whl"
)
COMMANDS = ["omz_converter", "omz_downloader", "omz_info_dumper", "omz_quantizer"]


def test_the_commands_are_ours_under_their_old_names(tmp_path):
    folder = tmp_path / "a folder with blanks"
    written = printed(posezoo("shims", folder))
    assert sorted(line.rpartition("/")[2] for line in written.splitlines()) == COMMANDS
    (tmp_path / "posezoo.py").write_text("raise SystemExit('the working folder was imported from')")
    for name in COMMANDS:
        ended = run_process(
            [folder / name, "--print_all"],
            cwd=tmp_path,
        )
        assert (ended.returncode, ended.stderr.splitlines()[:1]) == (1, [NO_INDEX])
        output = printed_alone(
            run_process(
                [folder / name, "--print_all", "--registry", "posezoo"],
                cwd=tmp_path,
            )
        )
        assert "pose-detection-mediapipe" in output.split()
    assert (
        subprocess.run([folder / "omz_downloader"], capture_output=True, check=False).returncode
        == 2
    )
    assert len((folder / "omz_downloader").read_text().splitlines()) == 2


def test_a_quiet_run_prints_only_warnings(tmp_path):
    ended = posezoo("shims", tmp_path / "bin", "--wheel", tmp_path / "wheels", "-q")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.startswith("warning: ")
    assert len(list((tmp_path / "wheels").glob("[!.]*"))) == 2


@pytest.mark.parametrize(
    ("release", "registry"), [("2021.4.2", "omz@2021.4"), ("2023.0.1", "omz@2022.1")]
)
def test_the_commands_mean_the_models_of_their_release(tmp_path, release, registry):
    posezoo("shims", tmp_path, "--wheel_version", release)
    assert f"main('posezoo.omz.commands.downloader', '{registry}')" in (
        tmp_path / "omz_downloader"
    ).read_text().replace("'\"'\"'", "'")


def test_writing_them_again_changes_nothing(tmp_path):
    assert_success(posezoo("shims", tmp_path))
    assert_success(posezoo("shims", tmp_path))


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_command_of_somebody_else_is_never_replaced(tmp_path, force):
    reference = tmp_path / "omz_info_dumper"
    reference.write_text("#!/usr/bin/python\nfrom omz_tools.omz_info_dumper import main\n")
    error = refusal(posezoo("shims", tmp_path, *force))
    assert error.startswith(f"error: {reference}: exists already, and is not from posezoo\n")
    assert (
        "  hint: if it is from openvino-dev: pip uninstall openvino-dev; or choose another folder"
        in error
    )
    assert [path.name for path in tmp_path.iterdir()] == ["omz_info_dumper"]
    assert "omz_tools" in reference.read_text()


def test_a_shim_of_another_python_is_replaced_only_by_force(tmp_path):
    posezoo("shims", tmp_path)
    shim = tmp_path / "omz_converter"
    good = shim.read_text()
    shim.write_text(good.replace("exec ", "exec /other"))
    refused = refusal(posezoo("shims", tmp_path))
    assert f"{shim}: was written by another posezoo or Python" in refused
    assert_success(posezoo("shims", tmp_path, "--force"))
    assert shim.read_text() == good


def test_others_that_the_path_finds_first_are_named(tmp_path):
    other = tmp_path / "env" / "bin"
    other.mkdir(parents=True)
    (other / "omz_downloader").write_text("#!/usr/bin/python\n")
    (other / "omz_downloader").chmod(0o755)
    shims, rest = tmp_path / "shims", os.environ["PATH"]
    ended = posezoo("shims", shims, PATH=os.pathsep.join([str(other), str(shims), rest]))
    assert (ended.returncode, ended.stderr) == (
        0,
        f"warning: your PATH finds {other}/omz_downloader, and not the one in {shims}; "
        f"put it first: export PATH={shims}:$PATH\n",
    )
    assert_quiet_success(
        posezoo("shims", shims, PATH=os.pathsep.join([str(shims), str(other), rest]))
    )
    (other / "omz_downloader").write_text("from posezoo_openvino_dev import omz_downloader\n")
    assert_quiet_success(
        posezoo("shims", shims, PATH=os.pathsep.join([str(other), str(shims), rest]))
    )


def test_a_folder_that_is_not_on_the_path_is_named(tmp_path):
    ended = posezoo("shims", tmp_path / "shims", PATH="/usr/bin:/bin")
    assert (ended.returncode, ended.stderr) == (
        0,
        f"warning: {tmp_path}/shims is not on your PATH; put it first: export PATH={tmp_path}/shims:$PATH\n",
    )


def test_without_a_folder_both_kinds_are_named():
    assert "name a folder for the commands, or --wheel DIR" in misuse(posezoo("shims"))


def test_a_stand_in_for_an_older_release_lies_beside_the_others_and_says_what_it_cannot_do(
    tmp_path,
):
    older = posezoo("shims", "--wheel", tmp_path, "--wheel_version", "2023.0.1")
    local = version("posezoo").replace(".0.dev", ".dev")  # so that pip sorts it below the release
    usual = posezoo("shims", "--wheel", tmp_path)
    assert older.returncode == usual.returncode == 0
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == [
        f"openvino_dev-2023.0.1+posezoo.{local}-py3-none-any.whl",
        f"openvino_dev-2024.6.0+posezoo.{local}-py3-none-any.whl",
        f"posezoo-{version('posezoo')}-py3-none-any.whl",
    ]
    assert "the commands and models of 2023.0.1, but not its OpenVINO" in older.stdout
    assert "PIP_CONSTRAINT" in older.stdout
    assert "but not its OpenVINO" not in usual.stdout


def test_wheels_that_would_replace_an_older_openvino_are_refused(tmp_path):
    metadata = tmp_path / "site" / "openvino-2023.0.1.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: openvino\nVersion: 2023.0.1\n")
    old = {"PYTHONPATH": str(tmp_path / "site")}
    error = refusal_alone(posezoo_process("shims", "--wheel", tmp_path / "wheels", **old))
    assert error.startswith(
        "error: this environment has openvino 2023.0.1, which pip would replace"
    )
    assert not (tmp_path / "wheels").exists()
    forced = posezoo_process("shims", "--wheel", tmp_path / "wheels", "--force", **old)
    assert_success(forced)


@pytest.mark.parametrize("release", ["2022.1.0+mine", "newest", "../2022", ""])
def test_a_wrong_release_is_refused(tmp_path, release):
    error = misuse(posezoo("shims", "--wheel", tmp_path, "--wheel_version", release))
    assert "expected a release such as 2022.1.0" in error
    assert list(tmp_path.iterdir()) == []


def test_on_windows_no_scripts_of_a_shell_are_written(monkeypatch, tmp_path):
    monkeypatch.setattr(shims, "IS_WINDOWS", True)
    error = refusal_alone(posezoo("shims", tmp_path / "bin", "--wheel", tmp_path / "wheels"))
    assert error.startswith(f"error: {tmp_path / 'bin'}: ")
    assert "  hint: posezoo shims --wheel DIR " in error
    assert list(tmp_path.iterdir()) == []


def test_on_windows_the_command_is_that_of_powershell_and_of_cmd(monkeypatch):
    monkeypatch.setattr(shims, "IS_WINDOWS", True)
    monkeypatch.delenv("MSYSTEM", raising=False)
    assert shims._install_lines("C:/O'Neil/wheels", "mediapipe") == [
        "Use, in PowerShell: $env:PIP_FIND_LINKS='C:/O''Neil/wheels'; pip install \"mediapipe\"",
        'Use, in cmd: set "PIP_FIND_LINKS=C:/O\'Neil/wheels" && pip install "mediapipe"',
    ]
    monkeypatch.setenv("MSYSTEM", "MINGW64")  # Git Bash
    assert shims._install_lines("C:/wheels", "mediapipe") == [
        'Use: PIP_FIND_LINKS=C:/wheels pip install "mediapipe"'
    ]
