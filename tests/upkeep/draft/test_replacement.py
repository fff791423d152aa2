"""Sizes and checksums of a first download, written into the model.yml files of our own models."""

from __future__ import annotations

import difflib
import shutil

import pytest

from fakes.own_registry import own_registry
from fakes.zoo import model_yml, write_model
from posezoo.core.registry import builtin_models_dir, open_registry
from posezoo.upkeep.draft.replacement import write_missing_pins

MODELS = own_registry().select(["*", "*@*"]).models
INCOMPLETE = [spec for spec in MODELS if any(file.size is None for file in spec.files)]


@pytest.fixture
def copied(tmp_path):
    shutil.copytree(builtin_models_dir(), tmp_path / "models")
    shutil.copytree(builtin_models_dir().parent / "licenses", tmp_path / "licenses")
    return open_registry((tmp_path / "models",))


def downloaded(spec):
    return {file.name: {"size": 4321, "sha384": "a" * 96} for file in spec.files}


def test_what_a_model_lacks_is_written_and_nothing_else_changes(copied):
    assert INCOMPLETE
    for spec in INCOMPLETE:
        check_completion(copied, copied.find(spec.full_name))


def check_completion(copied, spec):
    before = spec.path.read_text("utf-8").splitlines()
    names = [file.name for file in spec.files if file.size is None]
    assert write_missing_pins(spec, downloaded(spec)) == names
    completed = open_registry(copied.roots).find(spec.full_name)
    for old, new in zip(spec.files, completed.files, strict=True):
        assert new.size == (4321 if old.name in names else old.size)
        assert new.is_pinned and not new.is_weakly_pinned
        assert new.checksum == old.checksum or new.checksum.algorithm == "sha384"
        assert new.contains == old.contains and new.sources == old.sources
    changed = [
        line[2:].strip().partition(":")[0]
        for line in difflib.ndiff(before, completed.path.read_text("utf-8").splitlines())
        if line[:2] in ("+ ", "- ")
    ]
    assert set(changed) <= {"size", "max_size", "checksum"}


def test_a_complete_model_and_a_file_that_was_not_downloaded_are_left_alone(copied):
    complete = copied.find("movenet-thunder")
    incomplete = copied.find("rtmo-t")
    for spec, origins in ((complete, downloaded(complete)), (incomplete, {})):
        before = spec.path.read_bytes()
        assert write_missing_pins(spec, origins) == []
        assert spec.path.read_bytes() == before


FILES = """\
files:
  - name: a.bin
    size: unknown   # its publisher states none
    max_size: 10
    checksum: unknown
    source: https://models.invalid/a.bin
  - name: b.bin
    size: unknown
    max_size: 10
    source: https://models.invalid/b.bin?part=1
    checksum: unknown  # the same
  - name: c.zip
    source: https://models.invalid/c.zip
    contains: {c.bin: {$type: sha1, value: ccd24037}}
    max_size: 10
    size: unknown
  - {name: d.bin, size: unknown, max_size: 10, checksum: unknown, source: "https://models.invalid/d.bin"}
"""
COMPLETED = f"""\
files:
  - name: a.bin
    size: 1   # its publisher states none
    checksum: {"a" * 96}
    source: https://models.invalid/a.bin
  - name: b.bin
    size: 2
    source: https://models.invalid/b.bin?part=1
    checksum: {"b" * 96}  # the same
  - name: c.zip
    source: https://models.invalid/c.zip
    contains: {{c.bin: {{$type: sha1, value: ccd24037}}}}
    size: 3
    checksum: {"c" * 96}
  - {{name: d.bin, size: unknown, max_size: 10, checksum: unknown, source: "https://models.invalid/d.bin"}}
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_each_of_several_files_receives_its_own_size_and_digest(tmp_path, line_end):
    path = write_model(tmp_path, "net", model_yml(files=None))
    before = path.read_text("utf-8")
    path.write_bytes((before + FILES).replace("\n", line_end).encode())
    spec = open_registry((tmp_path,)).find("net")
    origins = {
        file.name: {"size": number, "sha384": file.name[0] * 96}
        for number, file in enumerate(spec.files, 1)
    }
    assert write_missing_pins(spec, origins) == ["a.bin", "b.bin", "c.zip"]
    assert path.read_bytes() == (before + COMPLETED).replace("\n", line_end).encode()
    completed = open_registry((tmp_path,)).find("net")
    assert [file.size for file in completed.files] == [1, 2, 3, None]
