"""What a newcomer sees first: README, its picture, make quickstart, and the first command."""

import json
import os
import re
import shutil

import numpy as np
import pytest

import posezoo
from fakes.checkout import ROOT
from fakes.command import run_process
from posezoo.media.images import read_image, sample_photos

README = (ROOT / "README.md").read_text("utf-8")
PIP = '#!/bin/sh\ncase "$*" in *install*) echo chatter of pip; exit ${PIP_FAILS:-0} ;; esac\n'
POSEZOO = '#!/bin/sh\necho "quickstart/astronaut_poses.png  1 person"\n'


def test_readme_has_at_most_eighty_lines_of_the_width_of_a_page():
    lines = README.splitlines()
    assert len(lines) <= 80
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


def test_readme_says_of_pose_that_its_files_were_never_opened_where_it_advises_it():
    advice = README.partition("## Which model")[2].partition("<!-- drawn")[0]
    assert "`pose`" in advice and "never opened its files" in advice


def test_a_column_of_the_table_has_one_kind_of_ap_and_names_processor_and_type():
    header, _, *rows = [line for line in README.splitlines() if line.startswith("| ")]
    titles = [cell.strip() for cell in header.strip("|").split("|")]
    assert "AMD EPYC" in header and "laptops" in header
    for row in rows:
        cells = dict(zip(titles, (cell.strip() for cell in row.strip("|").split("|")), strict=True))
        assert re.fullmatch(r"(0\.\d{3})?", cells["AP, its publisher's"])
        assert re.fullmatch(r"(0\.\d\d \(.*\))?", cells["AP, ours"])
    assert "without a network" in rows[-1]
    assert all(re.search(r"in (f32|bf16)", row) for row in rows[:-1])


def test_the_picture_of_readme_has_the_keypoints_that_are_found_today(npm_mirror, tmp_path):
    recorded = json.loads((ROOT / "docs" / "images" / "poses.json").read_text("utf-8"))
    model = posezoo.load(
        recorded["model"],
        inference_precision="f32",
        mirror=str(npm_mirror),
        weights_dir=tmp_path,
        listener=None,
    )
    for photo, drawn in zip(sample_photos("person"), recorded["photos"], strict=True):
        found = [pose.keypoints[:, :2] for pose in model(read_image(photo))]
        assert np.shape(found) == np.shape(drawn)
        assert np.abs(np.array(found) - drawn).max() < 2


def quickstart(folder, **environ):
    """What make prints in a clone without an environment, whose pip and posezoo are stand-ins."""
    for name in ("Makefile", ".ci", "setup.cfg", "pyproject.toml", "constraints.txt"):
        (folder / name).symlink_to(ROOT / name)
    for name, text in (("python", PIP), ("pip", PIP), ("posezoo", POSEZOO)):
        path = folder / ".venv" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    of_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of the make that runs the tests
    kept = {name: value for name, value in os.environ.items() if name not in of_make}
    return run_process(["make", "quickstart"], cwd=folder, env={**kept, **environ})


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_quickstart_prints_what_is_for_the_user_and_what_to_type_next(tmp_path):
    ended = quickstart(tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "installing posezoo into .venv: 0.6 GB, about a minute",
        "quickstart/astronaut_poses.png  1 person",
        "next: . .venv/bin/activate; posezoo run --input photo.jpg --output poses",
    ]
    assert ended.stderr == ""


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_quickstart_shows_what_pip_said_if_it_fails(tmp_path):
    ended = quickstart(tmp_path, PIP_FAILS="1")
    assert ended.returncode != 0
    assert "chatter of pip" in ended.stderr and "next:" not in ended.stdout
