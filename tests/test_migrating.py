"""The page for users of openvino-dev: its commands run as they stand there, and its numbers are right."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fakes.command import assert_success, posezoo_process, run_process
from fakes.model_optimizer import ENVIRONMENT, needs_mo
from fakes.network import network
from fakes.pages import ROOT, blocks, commands
from fakes.when_used import needs
from fakes.zoo import declared_file, omz_yml, write_model
from posezoo.cli.main import create_parser
from posezoo.omz.commands import converter, downloader, info_dumper, quantizer
from posezoo.omz.model_optimizer import stand_in_version

PAGE = (ROOT / "docs" / "migrating.md").read_text("utf-8")
TOOLS = {
    tool.__name__.rpartition(".")[2]: tool
    for tool in (converter, downloader, info_dumper, quantizer)
}
IR = "intel/person-detection-retail-0013/FP16/person-detection-retail-0013"
MADE_IR = "public/resnet-50-tf/FP16/resnet-50-tf"
DOWNLOADED = {f"{IR}.xml", f"{IR}.bin"}
ALL = {*DOWNLOADED, f"{MADE_IR}.xml", f"{MADE_IR}.bin", "public/resnet-50-tf/resnet_v1-50.pb"}


def section(title):
    return re.split(r"\n## ", PAGE.partition(f"\n## {title}")[2])[0]


@pytest.fixture(scope="module")
def links(tmp_path_factory):
    """A folder with the wheels of posezoo and of the stand-in, for pip."""
    folder = tmp_path_factory.mktemp("links")
    assert_success(posezoo_process("shims", "--wheel", folder))
    return folder


@pytest.fixture
def user(tmp_path, links, mirror):
    """Runs lines of the page in a fresh environment, whose packages are ours, but without posezoo.

    What the page downloads comes from the mirror, and resnet-50-tf is a small network.
    """
    pip = needs("pip")
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in map(Path, sys.path):
        for each in path.iterdir() if path.name == "site-packages" else ():
            if not each.name.startswith(("posezoo", "__editable__", "pip")):
                (packages / each.name).symlink_to(each)
    environment = tmp_path / "environment"
    # To install pip takes longer than most lines of the page.
    empty = [sys.executable, "-m", "venv", "--without-pip", environment]
    subprocess.run(empty, check=True, timeout=120)
    (site,) = environment.glob("lib/python*/site-packages")
    for each in Path(pip.__file__).parents[1].glob("pip*"):
        (site / each.name).symlink_to(each)
    (environment / "bin" / "pip").write_text('#!/bin/sh\nexec python -m pip "$@"\n')
    (environment / "bin" / "pip").chmod(0o755)
    (site / "packages.pth").write_text(f"{packages}\n")
    origin = tmp_path / "resnet_v1-50.pb"
    origin.write_bytes(network("pb"))
    write_model(
        tmp_path / "cache/posezoo/registries/omz/models",
        "resnet-50-tf",
        omz_yml(
            framework="tf",
            files=[declared_file(origin)],
            input_info=[{"name": "image", "shape": [1, 12, 20, 3], "layout": "NHWC"}],
            model_optimizer_args=["--input_model=$dl_dir/resnet_v1-50.pb", "--output=heatmaps"],
        ),
    )
    home = tmp_path / "home"
    (home / ".local" / "bin").mkdir(parents=True)
    desk = tmp_path / "desk"
    desk.mkdir()
    environ = {
        **os.environ,
        "HOME": str(home),
        "PATH": os.pathsep.join(
            [
                str(environment / "bin"),
                str(home / ".local" / "bin"),
                "/usr/local/bin",
                "/usr/bin",
                "/bin",
            ]
        ),
        "PIP_FIND_LINKS": str(links),
        "POSEZOO_MIRROR": str(mirror),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }

    def run(line, **changes):
        line = line.replace("./posezoo", "posezoo")  # the wheel of ``links`` stands for the clone
        ended = run_process(
            line,
            shell=True,
            cwd=desk,
            env=environ | changes,
            timeout=300,
        )
        assert ended.returncode == 0, f"{line}: {ended.stdout}{ended.stderr}"
        return ended

    run.desk = desk
    return run


def left(user, folder="models"):
    """The IR and the published files below a folder."""
    files = (
        path for path in (user.desk / folder).rglob("*") if path.suffix in (".xml", ".bin", ".pb")
    )
    return {str(path.relative_to(user.desk / folder)) for path in files}


def test_the_stand_in_runs_as_the_page_shows(user):
    lines = commands(section("1. Change nothing"))
    assert len(lines) == 7
    ended = user(" &&\n".join(lines))  # one shell, for the variable
    assert f"Version: {stand_in_version('2024.6.0')}\n" in ended.stdout
    assert left(user) == ALL


def test_the_old_names_run_as_the_page_shows(user):
    lines = commands(section("2. Change one line"))
    assert len(lines) == 5
    ended = [user(line) for line in lines]
    assert ended[1].stderr == ""
    assert left(user) == ALL
    assert [model["name"] for model in json.loads(ended[-1].stdout)] == ["resnet-50-tf"]


def test_posezoos_verbs_run_as_the_page_shows_and_leave_what_the_old_names_leave(user):
    for line in commands(section("3. Change over")):
        user(line)
    assert left(user) == ALL
    (code,) = blocks(section("3. Change over"), "python")
    assert user(f"python -c {shlex.quote(code)}").stdout == f"models/{IR}.xml\n"


def test_both_dockerfiles_make_the_models_with_the_stand_in_or_posezoo(user, links):
    dockerfiles = blocks(PAGE, "dockerfile")
    assert len(dockerfiles) == 2
    for dockerfile in dockerfiles:
        here = dockerfile.replace("/models", str(user.desk / "image")).replace(
            "/wheels", str(links)
        )
        variables = dict(re.findall(r"^ENV (\w+)=(.+)", here, re.MULTILINE))
        for line in re.findall(r"^RUN (.+)", here, re.MULTILINE):
            user(line, **variables)
        assert left(user, "image") == DOWNLOADED
        shutil.rmtree(user.desk / "image")


def test_both_commands_of_each_row_are_read():
    rows = [
        re.findall("`([^`]+)`", row)
        for row in section("3. Change over").splitlines()
        if row[:3] == "| `"
    ]
    assert len(rows) > 15
    parser = create_parser()
    for row in rows:
        for command in row:
            first, *words = shlex.split(command) if " " in command else [command]
            if first == "posezoo":
                args = parser.parse_args(words)
            elif first.startswith("omz_") and words:
                args = TOOLS[first.removeprefix("omz_")].COMMAND.create_parser().parse_args(words)
            else:
                continue
            assert vars(args)


def planned(models):
    arguments = ("--models_dir", models, "--allow_upstream_code", "--format", "json")
    return json.loads(posezoo_process("get", "--all", "--dry_run", *arguments).stdout)["models"]


@needs_mo
def test_the_models_of_2024_6_are_counted_by_how_they_are_made():
    (models,) = ENVIRONMENT.glob("lib/python*/site-packages/omz_tools/models")
    counts = Counter(model["route"] for model in planned(models))
    routes = ("ir", "convert", "network", "mo", "upstream-code")
    text = section("Models that posezoo cannot convert by itself")
    numbers = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    assert [counts.pop(route) for route in routes] == list(map(int, numbers))
    assert not counts


def test_the_models_of_2021_4_that_do_not_move_are_counted(shared):
    frameworks = Counter(
        model["framework"] for model in planned(shared / "data" / "omz-2021.4" / "models")
    )
    text = section("Models that posezoo cannot convert by itself")
    for framework in ("Caffe", "MXNet", "Caffe2"):
        assert f"{frameworks[framework.lower()]} {framework} " in text
