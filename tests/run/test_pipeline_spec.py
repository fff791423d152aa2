"""The pipeline of an IR that a model was published as."""

import shutil

import pytest

from fakes import seeker
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.registry import open_registry
from posezoo.run.pipeline_spec import find_published


@pytest.fixture
def published(tmp_path):
    """A copy of a published IR with another name, and the registry that declares it."""
    ir = seeker.write_ir(tmp_path / "FP16")
    files = [declared_file(path, name=f"FP16/{path.name}") for path in (ir, ir.with_suffix(".bin"))]
    write_model(tmp_path / "registry", "other", model_yml(files=[declared_file(ir)]))
    write_model(
        tmp_path / "registry", "seeker", model_yml(files=files, framework="dldt"), family="intel"
    )
    copied = tmp_path / "copied.xml"
    shutil.copy(ir, copied)
    shutil.copy(ir.with_suffix(".bin"), copied.with_suffix(".bin"))
    return copied, open_registry([tmp_path / "registry"])


def test_a_published_ir_is_known_by_its_bytes_whatever_its_name(published):
    xml, registry = published
    model = find_published(xml, registry)
    assert model is not None and model.name == "seeker"


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_an_ir_of_other_bytes_is_not_the_published_one(published, suffix):
    xml, registry = published
    changed = xml.with_suffix(suffix)
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    assert find_published(xml, registry) is None


def test_looking_for_it_writes_nothing_beside_the_ir(published):
    xml, registry = published
    before = sorted(xml.parent.iterdir())
    find_published(xml, registry)
    assert sorted(xml.parent.iterdir()) == before
