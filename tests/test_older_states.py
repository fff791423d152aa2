"""What an older posezoo left on a machine works with this one: its lock, IR, mirror, cache and records.

Each golden/state/machine-*.tar.gz was written by the commit that it is named after: ``posezoo get``, ``posezoo lock``,
``posezoo mirror create`` for one small network, in the formats of 0.1.0. A change of a format adds an
archive.
"""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

from fakes.command import assert_quiet_success, assert_success, posezoo, printed, refusal
from fakes.when_used import needs
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.ir.people_metadata import digest_network
from posezoo.core.ir.provenance import SHIFT, OutputCheck, read_provenance

STATES = Path(__file__).parent / "golden" / "state"


@pytest.fixture(params=sorted(STATES.glob("machine-*.tar.gz")), ids=lambda path: path.name[:-7])
def state(request, tmp_path, monkeypatch):
    """A folder as the older posezoo left it; since then, a new release has described its model anew."""
    needs("openvino")
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    declaration = tmp_path / "models" / "public" / "net" / "model.yml"
    text = declaration.read_text("utf-8")
    declaration.write_text(text.replace("A small model.", "Finds nobody."), "utf-8")
    assert declaration.read_text("utf-8") != text
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def run(state, *args):
    return posezoo(*args, "--models_dir", "models", cwd=state)


def digests(folder):
    """Those of the files in a folder; of an .xml without the section that IR of 0.2.0 lack."""
    return {
        path.relative_to(folder).as_posix(): digest_network(path)
        if path.suffix == ".xml"
        else compute_digest(path).value
        for path in sorted(folder.rglob("net.*"))
        if ".posezoo" not in path.parts
    }


def test_its_ir_are_used_and_not_made_again(state):
    before = digests(state / "out")
    used = run(state, "get", "net", "-o", "out", "--locked")
    assert_success(used)
    assert used.stderr.splitlines() == [
        "warning: net: the text of model.yml is not the one in posezoo.lock, but the same files and IR are accepted:"
        " posezoo lock records it"
    ]
    assert digests(state / "out") == before
    verified = printed(run(state, "verify", "net", "-o", "out", "--locked"))
    assert verified.count("good") == 5


def test_its_lock_accepts_the_ir_that_are_made_today_from_its_cache_and_from_its_mirror(state):
    before = digests(state / "out")
    from_cache = run(state, "get", "net", "-o", "again", "--locked")
    assert_success(from_cache)
    shutil.rmtree(state / "cache")
    from_mirror = run(state, "get", "net", "-o", "mirrored", "--locked", "--mirror", "mirror")
    assert_success(from_mirror)
    assert digests(state / "again") == digests(state / "mirrored") == before


def test_its_mirror_is_good(state):
    checked = posezoo("mirror", "check", "mirror", cwd=state)
    assert (checked.returncode, checked.stdout) == (0, "mirror: all 2 files are good\n")


def test_its_lock_is_upgraded_by_the_next_record(state):
    checked = run(state, "lock", "--check", "-o", "out", "--format", "json")
    assert checked.returncode == 1
    changes = {each["file"]: each["change"] for each in json.loads(checked.stdout)["changes"]}
    assert changes["model.yml"] == "changed"
    assert_success(run(state, "lock", "-o", "out"))
    assert_success(run(state, "lock", "--check", "-o", "out"))
    assert (state / "posezoo.lock").read_text().count("decisive") == 1
    assert run(state, "get", "net", "-o", "out", "--locked").stderr == ""


@pytest.mark.parametrize(
    ("key", "change"), [("files", {"checksum": "0" * 96}), ("inputs", {"mean": [1, 2, 3]})]
)
def test_its_lock_refuses_other_files_and_ir_as_before(state, key, change):
    declaration = state / "models" / "public" / "net" / "model.yml"
    content = yaml.safe_load(declaration.read_text("utf-8"))
    content[key][0] |= change
    declaration.write_text(yaml.safe_dump(content), "utf-8")
    refused = refusal(run(state, "get", "net", "-o", "again", "--locked"))
    assert f"error: {declaration.relative_to(state)}: makes other files or IR" in refused
    assert "are accepted" not in refused
    assert not list((state / "again").rglob("net.xml"))


def test_an_ir_that_0_2_0_pulled_from_a_registry_is_used_as_its_record_says(state):
    for record in (state / "out").rglob("FP*/provenance.json"):
        made = json.loads(record.read_text("utf-8"))
        kept = {name: made[name] for name in ("model", "key", "files")}
        vouched = {"trust": "trusted from registry.invalid", "received": "0" * 96}
        record.write_text(json.dumps({**kept, "self_check": None, "complexity": None, **vouched}))
    before = digests(state / "out")
    assert_quiet_success(run(state, "get", "net", "-o", "out"))
    assert digests(state / "out") == before
    verified = run(state, "verify", "net", "-o", "out")
    assert_success(verified)


def test_the_record_beside_an_ir_is_read_whole():
    record = read_provenance(STATES / "ir-provenance.json")
    assert record is not None
    assert set(record.key) == {"conversion_format", "openvino", "sources", "arguments"}
    assert record.contents[".xml"].size == record.contents[".bin"].size == 1
    assert record.checks == (OutputCheck("output", 0.0, 0.1, "LiteRT"),)
    assert record.complexity == {"gflops": 1.0, "mparams": 1.0}
    assert record.shift == dict.fromkeys(SHIFT, 1.0)
