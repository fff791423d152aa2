"""doctor reports problems of an installation, and how to fix them."""

import json
import os
import re
import sys
from pathlib import Path
from unittest.mock import patch

import numpy
import pytest

import posezoo as posezoo_package
from fakes.command import posezoo, printed, printed_alone, run_process
from posezoo.cli.verbs import doctor as doctor_verb
from posezoo.core import features
from posezoo.core.diagnosis import Diagnosis, DoctorIssue
from posezoo.core.install_commands import pip_command
from posezoo.core.plugins import PLUGIN_GROUPS, installed
from posezoo.core.versions import package_version
from posezoo.omz.sandbox import explain_missing_sandbox


def install(site, name, version, *requirements):
    """The metadata of an installed package."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    (folder / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def _looked_up_again():
    """Each test has other packages and programs."""
    known = (package_version, installed, explain_missing_sandbox)
    for cached in known:
        cached.cache_clear()
    yield
    for cached in known:
        cached.cache_clear()


#: The registry that npm would name, if it were installed.
NPM = {"npm_config_registry": "https://npm.invalid/"}


def doctor(*args, site=None, **environ):
    """Its report; with a folder before those with the installed packages if one is given."""
    with patch.object(sys, "path", [*([str(site)] if site else []), *sys.path]):
        return posezoo("doctor", *args, **environ)


def problems(ended, kind="problems"):
    return {load["message"]: load["mend"] for load in json.loads(ended.stdout)[kind]}


def test_a_sound_installation_is_reported_with_every_setting_and_its_origin(tmp_path):
    # Without bubblewrap, which some containers have but do not let start.
    output = printed(posezoo("doctor", POSEZOO_DEVICE="AUTO", PATH=str(tmp_path), **NPM))
    assert output.endswith("no problems found\n")
    assert re.search("^ *device +AUTO +.*POSEZOO_DEVICE", output, re.MULTILINE)
    assert "attempts" not in output
    assert f"Python {sys.version.split()[0]}" in output
    assert "  CPU " in output


def test_two_opencvs_are_a_note_with_the_command_that_keeps_what_another_package_requires(
    tmp_path,
):
    install(tmp_path, "opencv-python", "4.14.0.94")
    install(tmp_path, "openvino-model-api", "0.4")  # it requires the other one
    install(tmp_path, "drawing", "1.0", "opencv-python>=4")
    ended = doctor("--format", "json", site=tmp_path, **NPM)
    assert (ended.returncode, problems(ended)) == (0, {})
    both = "opencv-python-headless opencv-python"
    pip = pip_command()
    assert problems(ended, "notes") == {
        f"{both.replace(' ', ' and ')} are both installed: they overwrite each other's files": (
            f"{pip} uninstall --yes {both} && {pip} install --no-deps opencv-python==4.14.0.94"
        )
    }
    assert f"note: {both.split()[0]} and" in doctor(site=tmp_path).stdout


def test_a_requirement_of_another_package_that_is_not_met_is_a_problem_with_one_command(tmp_path):
    install(tmp_path, "mediapipe", "0.10.21", "numpy<1", 'protobuf<1; extra == "other"')
    install(tmp_path, "tracker", "2.0", "opencv-contrib-python>=4", "absent-package")
    ended = doctor("--format", "json", site=tmp_path, **NPM)
    assert ended.returncode == 1
    found = problems(ended)
    installed_numpy = f"numpy {numpy.__version__} is installed"
    assert set(found) == {
        f"mediapipe 0.10.21 needs numpy<1, and {installed_numpy}",
        "tracker 2.0 needs opencv-contrib-python>=4, and it is not installed",
    }
    (command,) = set(found.values())
    install_both = f'{pip_command()} install "mediapipe==0.10.21" "tracker==2.0" -e '
    assert command.startswith(install_both)
    assert re.fullmatch(
        r"'/.*\[[\w,-]*\b(all|test)\b[\w,-]*\]'", command.removeprefix(install_both)
    )


def test_an_openvino_that_converts_wrongly_is_found(tmp_path):
    install(tmp_path, "openvino", "2025.0.0")
    reported = problems(doctor("--format", "json", site=tmp_path))
    assert "openvino 2025.0.0 is not supported, openvino>=2025.4 is" in reported


@pytest.fixture
def without(tmp_path):
    """Runs doctor in an installation that lacks the packages with these prefixes."""

    def run(*prefixes):
        site = tmp_path / "site"
        site.mkdir()
        for item in Path(numpy.__file__).parents[1].iterdir():
            if not item.name.lower().startswith(prefixes) and item.suffix != ".pth":
                (site / item.name).symlink_to(item)
        source = Path(posezoo_package.__file__).parents[1]
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith("POSEZOO_")
        }
        environ |= {"PYTHONPATH": f"{site}{os.pathsep}{source}", "PATH": str(tmp_path), **NPM}
        return run_process(
            [sys.executable, "-S", "-m", "posezoo", "doctor", "--format", "json"],
            env=environ,
            cwd=tmp_path,
        )

    return run


OPENCV, OPENVINO = ("cv2", "opencv_", "openvino_model_api"), ("openvino-", "openvino", "nncf")


@pytest.mark.parametrize(
    ("prefixes", "missing"),
    [
        (
            OPENVINO,
            {
                "openvino is not installed: models can be downloaded, but not converted or run": "run"
            },
        ),
        (
            (*OPENCV, "onnxruntime", "ai_edge_litert"),
            {
                "OpenCV is not installed: models can be converted, but not run on images": "run",
                "onnxruntime is not installed: IR of ONNX models are not compared with these": "run",
                "ai-edge-litert is not installed: IR of TFLite models are not compared with these": "convert",
            },
        ),
    ],
    ids=["openvino", "others"],
)
def test_extras_that_are_not_installed_are_no_problem(without, prefixes, missing):
    """Such as in an environment of the stand-in for openvino-dev, whose commands need no OpenCV."""
    report = json.loads(printed_alone(without(*prefixes)))
    assert report["problems"] == []
    mends = {each["message"]: each["mend"] for each in report["not_installed"]}
    assert mends.keys() == missing.keys()
    assert all(f"[{extra}]" in mends[message] for message, extra in missing.items())


def test_what_is_not_installed_is_shown_with_the_command_below_it():
    diagnosis = Diagnosis(
        "0",
        "3",
        "Linux",
        (),
        (),
        (),
        {},
        "",
        (),
        (),
        (DoctorIssue("OpenCV is missing", "pip it"),),
        (),
        (),
    )
    lines = list(doctor_verb._text_lines(diagnosis))
    assert lines[-3:-1] == ["OpenCV is missing", "    to add it: pip it"]


def test_a_package_that_every_verb_needs_is_a_problem(without):
    ended = without("tqdm")
    assert ended.returncode == 1
    assert "tqdm is not installed, which every verb needs" in problems(ended)


def test_a_mirror_and_a_device_that_do_not_exist_are_found(tmp_path):
    reported = problems(doctor("--format", "json", POSEZOO_MIRROR="/nowhere", POSEZOO_DEVICE="NPU"))
    assert (
        reported[
            "POSEZOO_MIRROR: /nowhere: there is no such folder; name a folder or an http(s) address"
        ]
        == "change or remove this setting"
    )
    assert (
        "driver is not part of OpenVINO"
        in reported["device (POSEZOO_DEVICE): no device 'NPU' was found, only CPU"]
    )


def test_settings_that_are_not_valid_are_problems_and_the_rest_is_still_reported(tmp_path):
    (tmp_path / "posezoo.cfg").write_text("[posezoo]\ndevise = GPU\n")
    ended = posezoo(
        "doctor", "--format", "json", cwd=tmp_path, POSEZOO_LOCKED="many", POSEZOO_WEIGHTSDIR="/x"
    )
    reported = problems(ended)
    assert "POSEZOO_LOCKED: expected yes or no, got 'many'" in reported
    assert reported["POSEZOO_WEIGHTSDIR: unknown setting"] == "did you mean POSEZOO_WEIGHTS_DIR?"
    assert any(message.endswith("unknown setting devise") for message in reported)
    assert json.loads(ended.stdout)["devices"]


def test_a_mirrors_password_is_not_shown(tmp_path):
    for style in ("text", "json"):
        shown = doctor(
            "--format", style, POSEZOO_MIRROR="https://ann:s3cret@models.invalid/m"
        ).stdout
        assert "https://models.invalid/m" in shown
        assert "s3cret" not in shown


def test_the_package_indexes_are_listed_without_their_logins(tmp_path):
    indexes = {
        "PIP_INDEX_URL": "https://ann:s3cret@index.invalid/simple",
        "PIP_NO_INDEX": "0",
        "UV_FIND_LINKS": "/wheels",
    }
    expected = ["/wheels", "https://index.invalid/simple"]
    shown = doctor(**indexes).stdout
    assert "\npackage indexes and folders of wheels\n  {}\n  {}\n".format(*expected) in shown
    answer = doctor("--format", "json", **indexes).stdout
    assert json.loads(answer)["package_indexes"] == expected
    (tmp_path / "pip.conf").write_text("index-url = x")
    damaged = doctor(PIP_CONFIG_FILE=str(tmp_path / "pip.conf"))
    assert "problem: pip's configuration cannot be read: " in damaged.stdout


def test_the_npm_registries_are_listed_without_their_logins(tmp_path):
    npmrc = tmp_path / "npmrc"
    npmrc.write_text(
        "registry=https://ann:s3cret@npm.invalid/all\n//npm.invalid/all/:_authToken=s3cret\n"
        "@pose-lab:registry=https://lab.invalid\n"
    )
    shown = doctor(npm_config_userconfig=str(npmrc)).stdout
    assert (
        f"  all packages         https://npm.invalid/all/                           {npmrc}, with a login\n"
        in shown
    )
    answer = doctor("--format", "json", npm_config_userconfig=str(npmrc)).stdout
    assert json.loads(answer)["npm_registries"] == [
        {"scope": "", "url": "https://npm.invalid/all/", "origin": str(npmrc), "has_login": True},
        {
            "scope": "@pose-lab",
            "url": "https://lab.invalid/",
            "origin": str(npmrc),
            "has_login": False,
        },
    ]
    assert "s3cret" not in shown + answer


def test_no_npm_registry_is_a_problem_unless_a_mirror_has_the_files(tmp_path):
    ended = posezoo("doctor", "--format", "json", PATH=str(tmp_path))
    assert ended.returncode == 1
    (problem,) = problems(ended)
    assert problem.startswith("no npm registry is configured")
    assert problems(ended)[problem] == "install npm, or write registry=URL to ~/.npmrc"
    mirror = {"POSEZOO_MIRROR": str(tmp_path)}
    ended = posezoo("doctor", "--format", "json", PATH=str(tmp_path), **mirror)
    assert (ended.returncode, problems(ended)) == (0, {})


def test_an_npm_configuration_that_is_not_valid_is_a_problem(tmp_path):
    npmrc = tmp_path / "npmrc"
    npmrc.write_text("_authToken=s3cret")
    ended = doctor("--format", "json", npm_config_userconfig=str(npmrc))
    reported = problems(ended)
    problem = f"{npmrc}: _authToken without a host would be sent to every host, so npm refuses it"
    assert reported[problem] == "write //HOST/:_authToken=..., or run npm config fix"
    assert "s3cret" not in ended.stdout


def test_a_stand_in_beside_the_original_and_what_the_removal_of_one_leaves_are_problems(tmp_path):
    install(tmp_path, "posezoo-mediapipe", "1.0")
    (tmp_path / "posezoo_mediapipe-1.0.dist-info" / "RECORD").write_text(
        "mediapipe/__init__.py,,\n"
    )
    (tmp_path / "mediapipe").mkdir()
    (tmp_path / "mediapipe" / "__init__.py").touch()
    assert not [
        text for text in problems(doctor("--format", "json", site=tmp_path)) if "mediapipe" in text
    ]
    (tmp_path / "mediapipe" / "__init__.py").unlink()
    install(tmp_path, "mediapipe", "0.10.21")
    package_version.cache_clear()
    ended = doctor("--format", "json", site=tmp_path)
    both, removed = [text for text in problems(ended) if "mediapipe" in text]
    assert (
        both
        == "posezoo-mediapipe and mediapipe are both installed: they overwrite each other's files"
    )
    assert removed == (
        "posezoo-mediapipe 1.0 lacks mediapipe/__init__.py, which was uninstalled with another package"
    )
    listed = {
        package["name"]: package["purpose"] for package in json.loads(ended.stdout)["packages"]
    }
    assert listed["posezoo-mediapipe"] == "mp.solutions: posezoo's stand-in"
    assert listed["mediapipe"] == "mp.solutions: the original, not ours"


def test_plugins_are_listed_with_their_package_and_not_run(tmp_path):
    (tmp_path / "wavy.py").write_text("1 / 0")
    install(tmp_path, "wavy", "1.0")
    entry_points = tmp_path / "wavy-1.0.dist-info" / "entry_points.txt"
    entry_points.write_text("[posezoo.decoders]\nwave = wavy:WAVE\n")
    (plugin,) = json.loads(doctor("--format", "json", site=tmp_path).stdout)["plugins"]
    assert plugin == {"group": "posezoo.decoders", "name": "wave", "package": "wavy 1.0"}
    assert (
        "wave                     posezoo.decoders      wavy 1.0\n" in doctor(site=tmp_path).stdout
    )


def test_the_plugins_of_every_table_are_listed():
    source = Path(posezoo_package.__file__).parent
    tables = (
        re.findall(r'LazyTable\(\s*(?:group=)?"([\w.]+)"', path.read_text())
        for path in source.rglob("*.py")
    )
    groups = {group for of_module in tables for group in of_module}
    assert groups - features.PARTS.keys() <= set(PLUGIN_GROUPS) <= groups


def test_a_bubblewrap_that_does_not_start_is_a_problem_and_a_missing_one_is_not(tmp_path):
    missing = printed(posezoo("doctor", "--format", "json", PATH=str(tmp_path), **NPM))
    packages = {each["name"]: each["version"] for each in json.loads(missing)["packages"]}
    assert packages["bubblewrap"] == ""
    program = tmp_path / "bwrap"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.8.0 && exit\necho no namespaces >&2\nexit 1\n'
    )
    program.chmod(0o755)
    explain_missing_sandbox.cache_clear()
    broken = posezoo("doctor", "--format", "json", PATH=str(tmp_path), **NPM)
    packages = {each["name"]: each["version"] for each in json.loads(broken.stdout)["packages"]}
    assert packages["bubblewrap"] == "0.8.0"
    (message,) = problems(broken)
    assert message.startswith("bubblewrap cannot run Python here: no namespaces")
    assert "user namespaces" in problems(broken)[message]
