"""A deprecated model is marked in every place that shows or downloads it."""

import json

import pytest

from fakes.command import omz_tool, posezoo
from fakes.zoo import declared_file, model_yml, write_composite, write_model

SAID = "deprecated since 2026-01-31; use new"


@pytest.fixture
def zoo(tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(b"weights")
    files = [declared_file(weights, name="net.tflite")]
    old = {"since": "2026-01-31", "use": "new"}
    write_model(tmp_path / "models", "old", model_yml(files=files, deprecated=old, revision=3))
    write_model(tmp_path / "models", "new", model_yml(files=files))
    write_composite(tmp_path / "models", "whole", ["part"], deprecated={"since": "0.2.0"})
    write_model(tmp_path / "models", "whole/part", model_yml(files=files))
    return tmp_path


def run(zoo, *args):
    return posezoo(*args, "--models_dir", zoo / "models", cwd=zoo)


def test_list_and_info_show_that_a_model_is_deprecated(zoo):
    listed = run(zoo, "list").stdout
    assert f"[revision 3, {SAID}] A small model." in listed
    assert "[deprecated since 0.2.0] Two small models in a row." in listed
    (old,) = json.loads(run(zoo, "info", "old", "--format", "json").stdout)
    assert (old["revision"], old["deprecated"]) == (3, {"since": "2026-01-31", "use": "new"})
    assert "deprecated: since 2026-01-31; use new" in run(zoo, "info", "old").stdout


@pytest.mark.parametrize(
    ("name", "said"), [("old", f"old: {SAID}"), ("whole", "whole: deprecated since 0.2.0")]
)
def test_a_download_warns_about_a_deprecated_model_and_continues(zoo, name, said):
    ended = run(zoo, "download", name, "-o", zoo / "out")
    assert (ended.returncode, ended.stderr.count(said)) == (0, 1)
    ended = omz_tool("downloader", "--name", name, "--models_dir", zoo / "models", cwd=zoo)
    assert (ended.returncode, ended.stderr.count(f"########## Warning: {said}")) == (0, 1)


def test_a_download_shows_the_revision_unless_it_is_the_first(zoo):
    said = {name: run(zoo, "download", name, "-o", zoo / "out").stderr for name in ("old", "new")}
    assert "old (revision 3, Apache-2.0): 1 kB downloaded, verified\n" in said["old"]
    assert "revision" not in said["new"]
    words = ("--models_dir", zoo / "models", "--name", "*")
    ended = omz_tool("downloader", *words, cwd=zoo)
    heading = "################|| Downloading old ||################\n\nRevision 3 of its files\n"
    assert (heading in ended.stdout, ended.stdout.count("Revision")) == (True, 1)
    ended = omz_tool("downloader", *words, "--progress_format", "json", cwd=zoo)
    begins = [
        line
        for line in map(json.loads, ended.stdout.splitlines())
        if line["$type"] == "model_download_begin"
    ]
    assert [line.get("revision") for line in begins if line["model"] in ("new", "old")] == [None, 3]
