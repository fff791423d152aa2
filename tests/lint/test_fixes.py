"""posezoo lint --fix changes what is known to be right, and shows it before."""

import hashlib
import stat

import pytest
import yaml

from fakes.command import posezoo
from fakes.zoo import as_yaml, omz_yml, write_model

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA384 = hashlib.sha384(CONTENT).hexdigest()
PAGE = "https://github.com/o/p/blob/1a2b/net.onnx"
OLDER = {"name": "net.onnx", "size": 70, "sha256": SHA256, "source": PAGE}


def lint(*words):
    return posezoo("lint", *words)


@pytest.fixture
def model(tmp_path):
    """A model.yml with a page for an address and a wrong size, beside its file."""
    text = "# by hand\n" + as_yaml(omz_yml(files=[OLDER]))
    path = write_model(tmp_path / "zoo", "net", text, family="")
    path.with_name("net.onnx").write_bytes(CONTENT)
    return path


@pytest.fixture
def fixed(model):
    text = model.read_text("utf-8").replace("/blob/", "/raw/").replace("size: 70", "size: 7")
    return text.replace(f"sha256: {SHA256}\n", f"sha256: {SHA256}\n  checksum: {SHA384}\n")


def test_addresses_sizes_and_digests_are_changed_in_place(model, fixed):
    model.chmod(0o640)
    ran = lint("--models_dir", model.parents[1], "--fix")
    assert model.read_text("utf-8") == fixed
    assert stat.S_IMODE(model.stat().st_mode) == 0o640
    assert ran.stderr == "--fix changed 1 digest, 1 size, 1 source in 1 file\n"
    assert "page-source" not in ran.stdout
    again = lint("--models_dir", model.parents[1], "--fix")
    assert again.stderr == "--fix changed nothing\n"
    assert model.read_text("utf-8") == fixed


def test_each_variant_gets_the_size_and_digest_of_its_own_file(tmp_path):
    own = {"name": "one.onnx", "size": 70, "sha256": SHA256, "source": PAGE}
    other = {**own, "name": "other.onnx", "sha256": hashlib.sha256(b"other").hexdigest()}
    content = omz_yml(files=[other], variants={"one": {"files": [own]}, "two": {}, "three": {}})
    path = write_model(tmp_path / "zoo", "net", content, family="")
    path.with_name("one.onnx").write_bytes(CONTENT)
    ran = lint("--models_dir", path.parents[1], "--fix")
    fixed = yaml.safe_load(path.read_text("utf-8"))
    written = {"size": 7, "checksum": SHA384, "source": PAGE.replace("/blob/", "/raw/")}
    assert fixed["variants"]["one"]["files"] == [{**own, **written}]
    assert fixed["files"] == [{**other, "source": written["source"]}]
    assert ran.stderr == "--fix changed 1 digest, 1 size, 2 sources in 1 file\n"


def test_a_dry_run_shows_the_change_and_writes_nothing(model, fixed):
    before = model.read_text("utf-8")
    ran = lint("--models_dir", model.parents[1], "--fix", "--dry_run")
    assert model.read_text("utf-8") == before
    added = {line for line in fixed.splitlines() if line not in before.splitlines()}
    assert {f"+{line}" for line in added} <= set(ran.stdout.splitlines())
    assert "--fix would change" in ran.stderr


def test_a_file_with_another_digest_proves_nothing(model):
    model.with_name("net.onnx").write_bytes(b"another")
    ran = lint("--models_dir", model.parents[1], "--fix")
    assert ran.stderr == "--fix changed 1 source in 1 file\n"
    assert "size: 70" in model.read_text("utf-8")
    assert SHA384 not in model.read_text("utf-8")


def test_a_file_that_cannot_be_read_is_never_changed(model):
    broken = model.read_text("utf-8").replace("framework: onnx", "framework: onx")
    model.write_text(broken, "utf-8")
    ran = lint("--models_dir", model.parents[1], "--fix")
    assert ran.returncode == 1
    assert "[readable]" in ran.stdout
    assert model.read_text("utf-8") == broken


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_nothing_is_written_through_a_link(model, tmp_path, kind):
    linked = model if kind == "file" else model.parent
    outside = tmp_path / "outside" / linked.name
    outside.parent.mkdir()
    linked.rename(outside)
    linked.symlink_to(outside, target_is_directory=kind == "folder")
    before = model.read_text("utf-8")
    ran = lint("--models_dir", tmp_path / "zoo", "--fix")
    assert model.read_text("utf-8") == before
    assert linked.is_symlink()
    assert "--fix changed nothing" in ran.stderr and str(outside) in ran.stderr
    assert ran.returncode == 1


def test_a_value_over_several_lines_is_left_to_the_user(model):
    folded = model.read_text("utf-8").replace(f"source: {PAGE}", f"source: >-\n    {PAGE}")
    model.write_text(folded, "utf-8")
    ran = lint("--models_dir", model.parents[1], "--fix")
    assert model.read_text("utf-8") == folded
    assert "cannot be changed in place" in ran.stderr
    assert "Traceback" not in ran.stderr
